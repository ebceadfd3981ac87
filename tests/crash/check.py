#!/usr/bin/env python3
"""Holds a station's ledger, labels and units against the invariants, from outside: SQLite, the units' flash files and
the labels are read here by code that is nobody's else.

    check.py STATE_DIR [--notes FILE] [--earlier STATE_DIR]

Prints each violation; exit status 1 if there is one. `--notes` is what the token was seen to fingerprint and to seal
(stop.hpp), `--earlier` a copy of the same station's directory from before."""

import argparse
import base64
import collections
import functools
import hashlib
import json
import pathlib
import re
import shutil
import sqlite3
import sys
import tempfile

STEPS = ("reserve", "enrol", "mint", "inject", "prove", "reset_check", "lock", "label", "scan", "done")
TABLES = ("journal", "checkpoint", "orders", "lot", "unit", "admission", "run", "fingerprint", "burn", "run_seal",
          "identity_key", "certificate", "label_attempt", "label_event", "pool", "station_state", "denied",
          "spent")
# Of these every row stays as it is.
FOR_EVER = ("journal", "checkpoint", "orders", "admission", "fingerprint", "burn", "identity_key", "certificate",
            "label_attempt", "label_event", "denied", "spent")
IDENTITY = "identity-key"
PUBLIC = ("wifi-ssid",)   # among the values that a unit keeps as they are
PASSWORD = re.compile(r"[2-9A-HJKMNP-Z]{4}(?:-[2-9A-HJKMNP-Z]{4}){3}")
NETWORK_KEY = re.compile(r"WIFI:[^\r\n^]*?;P:([2-9A-HJKMNP-Z]+);")
SYMBOL = re.compile(r"MM1:([A-Z0-9][A-Z0-9._-]*):([a-z]+):([0-9]+)")


# --- what there is

class Ledger:
    """Every table of a ledger. One that nobody serves is read through a copy, and left as it was found."""

    def __init__(self, directory, served=False):
        directory = pathlib.Path(directory)
        if served:
            self.read(f"file:{directory}/ledger.db?mode=ro")
            return
        with tempfile.TemporaryDirectory(prefix="mintmark-check-") as copy:
            for suffix in ("", "-wal"):
                if (directory / f"ledger.db{suffix}").exists():
                    shutil.copy(directory / f"ledger.db{suffix}", copy)
            self.read(f"file:{copy}/ledger.db?mode=rw")

    def read(self, uri):
        db = sqlite3.connect(uri, uri=True, isolation_level=None)
        db.row_factory = sqlite3.Row
        db.execute("BEGIN")
        self.sound = db.execute("PRAGMA integrity_check").fetchone()[0]
        for table in TABLES:
            rows = db.execute(f"SELECT rowid AS row, * FROM {table} ORDER BY 1").fetchall()
            setattr(self, table, [dict(row) for row in rows])
        birth = db.execute("SELECT * FROM birth").fetchone()
        self.station = birth["station"]
        db.close()
        self.entries = [json.loads(row["bytes"]) for row in self.journal]
        self.burnt = {row["fingerprint"] for row in self.burn}
        self.by_value = {row["value"]: row for row in self.fingerprint}
        key_unit = {row["fingerprint"]: row["unit"] for row in self.identity_key}
        self.certified = {row["der"]: key_unit[row["key"]] for row in self.certificate}

    def runs_of(self, hardware):
        """The newest first."""
        mine = {row["id"] for row in self.unit if row["hw"] == hardware}
        return [run for run in reversed(self.run) if run["unit"] in mine]

    def of_type(self, *types):
        return [entry for entry in self.entries if entry["type"] in types]


class Label:
    """One that has come out, whole or not."""

    def __init__(self, path):
        text = re.sub(rb"_([0-9A-Fa-f]{2})", lambda m: bytes.fromhex(m[1].decode()), path.read_bytes()).decode()
        symbol, password = SYMBOL.search(text), PASSWORD.search(text)
        self.symbol = (symbol[1], symbol[2], int(symbol[3])) if symbol else None
        self.password = password[0].replace("-", "").encode() if password else None
        network = NETWORK_KEY.search(text)
        self.network_key = network[1].encode() if network else None
        self.whole = text.rstrip().endswith("^XZ")


class Unit:
    """What a unit keeps: fixtures/unit/flash_file.c and store.c, read by their description."""

    def __init__(self, path):
        data = path.read_bytes()
        self.hardware = path.name
        self.intact = data[:8] == b"MUFLASH1" and hashlib.sha256(data[:-32]).digest() == data[-32:]
        records, at = {}, 8
        while self.intact and at < len(data) - 32:
            kind, size = int.from_bytes(data[at:at + 2]), int.from_bytes(data[at + 2:at + 4])
            records[kind] = data[at + 4:at + 4 + size]
            at += 4 + size
        self.certificate = self.certificate_of(records[2]) if 2 in records else None
        provisioning = records.get(3, b"\0" * 17)
        self.locked = bool(provisioning[0] & 1)
        accounts = records.get(4, b"\0" * 20)
        self.factory = [self.verifier(accounts[20 + 85 * i:]) for i in range(accounts[2])]
        self.users = accounts[3]
        self.raw = dict(self.kept_as_it_is(record) for record in self.parts(records.get(7, b"\0")[1:], 194))
        self.failures = int.from_bytes(records.get(5, b""))

    def given(self):
        """What a station gave it."""
        return self.certificate, self.locked, self.factory, self.raw

    @staticmethod
    def parts(record, size):
        return [record[at:at + size] for at in range(0, len(record), size)]

    @staticmethod
    def kept_as_it_is(at):
        return at[1:1 + at[0]].decode(), at[34:34 + at[33]]   # name, value

    @staticmethod
    def certificate_of(record):
        head = 3 + int.from_bytes(record[1:3]) + 91
        return record[head:]

    @staticmethod
    def verifier(at):
        return at[1:1 + at[0]], at[33:49], int.from_bytes(at[49:53]), at[53:85]   # name, salt, iterations, value


class State:
    """`cut` are units whose power was cut."""

    def __init__(self, directory, notes=None, served=False, cut=()):
        self.cut = set(cut)
        directory = pathlib.Path(directory)
        self.ledger = Ledger(directory, served)
        self.labels = [Label(path) for path in sorted((directory / "labels").glob("*.zpl"))]
        files = (directory / "flash").glob("*") if (directory / "flash").is_dir() else ()
        self.units = [Unit(path) for path in sorted(files) if re.fullmatch("[0-9a-f]{16}", path.name)]
        self.secrets, self.seals = {}, []   # fingerprint -> what it stands for; (key, number)
        for line in pathlib.Path(notes).read_text().splitlines() if notes and pathlib.Path(notes).exists() else ():
            word, key, *rest = line.split(" ")
            if word == "fingerprint" and len(rest) == 2:
                self.secrets[bytes.fromhex(rest[1])] = bytes.fromhex(rest[0])
            elif word == "seal" and len(rest) == 1:
                self.seals.append((key, rest[0]))
        self.passwords = {}   # that passwords_of has found, by hardware id
        self.value_of = {secret: value for value, secret in self.secrets.items()}


@functools.lru_cache(maxsize=None)
def opens(password, salt, iterations, value):
    return hashlib.pbkdf2_hmac("sha256", password, salt, iterations) == value


# --- the journal's tree, RFC 6962

def leaf(entry):
    return hashlib.sha256(b"\0" + entry).digest()


def fold(peaks):
    """The root over perfect subtrees, the largest first."""
    root = peaks[-1][1]
    for _, left in reversed(peaks[:-1]):
        root = hashlib.sha256(b"\1" + left + root).digest()
    return root


def tree_roots(leaves, sizes):
    """The root over the first so many of these, for each of the sizes."""
    peaks, roots = [], {}   # (height, hash)
    for size, one in enumerate(leaves, 1):
        peaks.append((0, one))
        while len(peaks) > 1 and peaks[-1][0] == peaks[-2][0]:
            (height, left), (_, right) = peaks[-2:]
            peaks[-2:] = [(height + 1, hashlib.sha256(b"\1" + left + right).digest())]
        if size in sizes:
            roots[size] = fold(peaks)
    return roots


# --- the invariants: each yields what breaks it

def twice(values):
    return [value for value, count in collections.Counter(values).items() if count > 1]


def fingerprints_once(state):
    """No fingerprint twice: in the table, in the journal, and the same in both."""
    ledger = state.ledger
    for scope, value in twice((row["scope"], row["value"]) for row in ledger.fingerprint):
        yield f"fingerprint {value.hex()} twice in scope {scope}"
    told = [one["fingerprint"] for e in ledger.of_type("credential.mint") for one in e["credentials"]]
    told += [e["fingerprint"] for e in ledger.of_type("decoy.burn")]
    told += [e["fingerprint"] for e in ledger.of_type("key.commit") if not e["known"]]
    for value in twice(told):
        yield f"fingerprint {value} minted twice in the journal"
    kept = {row["value"].hex() for row in ledger.fingerprint}
    for value in kept ^ set(told):
        yield f"fingerprint {value} is {'in the table alone' if value in kept else 'in the journal alone'}"


def nothing_vanished(state, earlier):
    """What was there before is there now, as it was."""
    if earlier is None:
        return
    for table in FOR_EVER:
        now = {row["row"]: row for row in getattr(state.ledger, table)}
        for row in getattr(earlier.ledger, table):
            if now.get(row["row"]) != row:
                yield f"{table} row {row['row']} is {'changed' if row['row'] in now else 'gone'}"
    now = {unit.hardware: unit for unit in state.units}
    for unit in earlier.units:
        runs = earlier.ledger.runs_of(unit.hardware)
        still = runs and runs[0]["ending"] == "passed" and len(state.ledger.runs_of(unit.hardware)) == len(runs)
        if still and now[unit.hardware].given() != unit.given():
            yield f"unit {unit.hardware} had passed, and holds something else"


def runs_known(state):
    """Every run is at an ending with a reason, or open at a step that it can go on from."""
    ledger = state.ledger
    for unit in twice(run["unit"] for run in ledger.run if run["ending"] is None):
        yield f"unit {unit} has two open runs"
    newest = {run["unit"]: run for run in ledger.run}
    for run in ledger.run:
        who = f"run {run['id']}"
        if run["next"] not in STEPS:
            yield f"{who} is at no step: {run['next']}"
        if run["ending"] not in (None, "passed") and not run["code"]:
            yield f"{who} ended {run['ending']} without a reason"
        if run["ending"] == "passed" and run["next"] != "done":
            yield f"{who} passed before {run['next']}"
        prints = [row for row in ledger.fingerprint if row["run"] == run["id"]]
        sealed = {row["fingerprint"] for row in ledger.run_seal if row["run"] == run["id"]}
        given = [row for row in prints if row["class"] not in (IDENTITY, "decoy") and row["id"] not in ledger.burnt]
        if run["ending"] is None:
            for row in given:
                if row["id"] not in sealed:
                    yield f"{who} has lost its copy of {row['name']}"
            if STEPS.index(run["next"]) > STEPS.index("mint") and not given:
                yield f"{who} is at {run['next']} with nothing to give"
        elif sealed - keys_wanted(ledger, run):
            yield f"{who} ended and keeps {len(sealed)} sealed copies"
        if run["ending"] not in (None, "passed") and given:
            yield f"{who} ended {run['ending']} with {len(given)} secrets not burnt"
        if run is newest[run["unit"]] and run["ending"] == "passed" and not [row for row in given if row["class"] == "password"]:
            yield f"{who} passed with its password burnt"


def keys_wanted(ledger, run):
    """A key that the token made for a unit exists nowhere else until the unit has it."""
    if run["ending"] in ("passed", "quarantine"):
        return set()
    return {row["fingerprint"] for row in ledger.identity_key if row["run"] == run["id"]}


def runs_as_told(state):
    """A run is where the journal says: a change and its entry are one."""
    ledger = state.ledger
    told = {}
    for e in ledger.entries:
        kind, run = e["type"], e.get("run")
        if kind == "run.begin":
            told[run] = {"next": "reserve", "begun": 0, "ending": None, "attempts": 0, "offered": 0}
        elif kind == "step.begin":
            told[run]["begun"] = 1
        elif kind == "step.end" and e["result"] != "failed":
            told[run].update(next=STEPS[STEPS.index(e["step"]) + 1], begun=0)
        elif kind == "step.end":
            told[run]["begun"] = 0
        elif kind == "run.back":
            told[run].update(next=e["to"], begun=0)
        elif kind == "run.contact":
            told[run]["attempts"] = e["attempt"]
        elif kind == "secret.offer":
            told[run]["offered"] = 1
        elif kind == "credential.mint":
            told[run]["offered"] = 0
        elif kind == "run.end":
            told[run].update(ending=e["ending"], begun=0)
    for run in ledger.run:
        found = {key: run[key] for key in ("next", "begun", "ending", "attempts", "offered")}
        if found != told.get(run["id"]):
            yield f"run {run['id']} is {found}, and the journal says {told.get(run['id'])}"
    counted = (("admission", "unit.admit"), ("label_attempt", "label.attempt"), ("certificate", "certificate.issue"),
               ("run", "run.begin"), ("orders", "order.accept"), ("lot", "lot.open"))
    for table, kind in counted:
        rows, entries = len(getattr(ledger, table)), len(ledger.of_type(kind))
        if rows != entries:
            yield f"{rows} rows in {table}, {entries} entries {kind}"
    burns = sum(len(e["fingerprints"]) for e in ledger.of_type("credential.burn")) + len(ledger.of_type("decoy.burn"))
    if burns != len(ledger.burn):
        yield f"{len(ledger.burn)} burnt, {burns} in the journal"


def held_is_held(state):
    """A unit that is held has nothing that is still good, and comes back by two officers alone."""
    ledger = state.ledger
    held = {}
    for e in ledger.entries:
        hardware = e["hw"]["id"] if "hw" in e else None
        if e["type"] == "unit.quarantine" or (e["type"] == "run.end" and e["ending"] == "quarantine"):
            held[hardware] = True
        elif e["type"] == "unit.release":
            held[hardware] = False
            if len(set(e["officers"])) != 2:
                yield f"unit {hardware} was released by {e['officers']}"
        elif held.get(hardware) and e["type"] in ("credential.mint", "key.commit", "certificate.issue"):
            yield f"unit {hardware} is held, and {e['type']}"
    denied = {row["certificate"] for row in ledger.denied}
    for row in ledger.unit:
        who = f"unit {row['hw']}"
        if bool(row["quarantined"]) != held.get(row["hw"], False):
            yield f"{who} is {'' if row['quarantined'] else 'not '}held, and the journal says otherwise"
        if not row["quarantined"]:
            continue
        if [run for run in ledger.run if run["unit"] == row["id"] and run["ending"] is None]:
            yield f"{who} is held, and has an open run"
        good = [one for one in ledger.fingerprint if one["unit"] == row["id"] and one["class"] != IDENTITY
                and one["id"] not in ledger.burnt]
        if good:
            yield f"{who} is held, and {len(good)} of its secrets are not burnt"
        if [one for one in ledger.certificate if ledger.certified[one["der"]] == row["id"] and one["sha256"] not in denied]:
            yield f"{who} is held, and its certificate is not denied"


def one_owner(state):
    """No credential on two hardware ids."""
    ledger = state.ledger
    hardware = {row["id"]: row["hw"] for row in ledger.unit}
    run_unit = {row["id"]: row["unit"] for row in ledger.run}
    for row in ledger.fingerprint:
        if run_unit.get(row["run"]) != row["unit"]:
            yield f"fingerprint {row['value'].hex()} of another unit than its run's"
    for e in ledger.of_type("credential.mint", "decoy.burn", "key.commit"):
        prints = [one["fingerprint"] for one in e.get("credentials", ())] or [e["fingerprint"]]
        for value in prints:
            row = ledger.by_value.get(bytes.fromhex(value))
            if row and hardware[row["unit"]] != e["hw"]["id"]:
                yield f"fingerprint {value} was minted for {e['hw']['id']} and is {hardware[row['unit']]}'s"
    for what, rows in (("serial", [r["serial"] for r in ledger.admission]), ("key", [r["spki"] for r in ledger.identity_key]),
                       ("unit", [(r["source"], r["hw"]) for r in ledger.unit])):
        for value in twice(rows):
            yield f"{what} {value} twice"
    owner = {row["serial"]: row["unit"] for row in ledger.admission}
    held = collections.defaultdict(set)
    for label in state.labels:
        for secret in filter(None, (label.password, label.network_key)):
            if label.symbol and label.symbol[0] in owner:
                held[secret].add(hardware[owner[label.symbol[0]]])
    for unit in state.units:
        for secret in secrets_of(state, unit):
            held[secret].add(unit.hardware)
    for holders in held.values():
        if len(holders) > 1:
            yield f"one secret with {', '.join(sorted(holders))}"
    certificates = [unit.certificate for unit in state.units if unit.certificate]
    for value in twice(certificates):
        yield f"one certificate on two units: {hashlib.sha256(value).hexdigest()}"


def passwords_of(state, unit):
    """The passwords that the unit's verifiers let in, of all that the token ever fingerprinted."""
    if unit.hardware not in state.passwords:
        state.passwords[unit.hardware] = list(find_passwords(state, unit))
    return state.passwords[unit.hardware]


def find_passwords(state, unit):
    mine = {row["id"] for row in state.ledger.unit if row["hw"] == unit.hardware}
    kept = [row["value"] for row in state.ledger.fingerprint if row["unit"] in mine]
    lost = [value for value in state.secrets if value not in state.ledger.by_value]
    likely = [state.secrets[value] for value in kept + lost if value in state.secrets]
    for _, salt, iterations, value in unit.factory:
        found = next((one for one in likely if opens(one, salt, iterations, value)), None)
        found = found or next((one for one in state.secrets.values() if opens(one, salt, iterations, value)), None)
        if found:
            yield found


def secrets_of(state, unit):
    """And what it keeps as it is."""
    yield from passwords_of(state, unit)
    yield from (value for name, value in unit.raw.items() if name not in PUBLIC)


def unit_and_ledger_agree(state):
    """What a unit holds, the ledger knew before; after a pass both hold the same, and the label shows it."""
    ledger = state.ledger
    shown = {label.symbol: label for label in state.labels if label.symbol}
    for unit in state.units:
        who = f"unit {unit.hardware}"
        if not unit.intact:
            yield f"{who} has half a flash file"
            continue
        row = next((row for row in ledger.unit if row["hw"] == unit.hardware), None)
        runs = [run for run in ledger.run if row and run["unit"] == row["id"]]
        last = runs[-1] if runs else None
        # It counts a login as failed before it looks: a power cut there leaves a right one counted.
        if unit.failures > (row["tries"] if row else 0) + (unit.hardware in state.cut):
            yield f"{who} counts {unit.failures} wrong passwords, the ledger {row['tries'] if row else 0}"
        if unit.certificate and (row is None or ledger.certified.get(unit.certificate) != row["id"]):
            yield f"{who} has a certificate that the ledger does not know"
        if unit.locked and (last is None or STEPS.index(last["next"]) < STEPS.index("lock")):
            yield f"{who} is locked, its run is at {last and last['next']}"
        passwords = passwords_of(state, unit)
        if len(passwords) != len(unit.factory):
            yield f"{who} holds a password that no token ever fingerprinted"
        for password in passwords:
            known = ledger.by_value.get(state.value_of[password])
            if known is None:
                yield f"{who} holds a password whose fingerprint is not in the ledger"
            elif known["unit"] != row["id"]:
                yield f"{who} holds a password of another unit"
            elif known["class"] != "password":
                yield f"{who} holds a {known['class']}"
        for name, value in unit.raw.items():
            known = ledger.by_value.get(state.value_of.get(value))
            if name not in PUBLIC and (known is None or (known["unit"], known["name"]) != (row["id"], name)):
                yield f"{who} holds a {name} that the ledger does not know for it"
        if last is None or last["ending"] != "passed":
            continue
        if not unit.locked or not unit.certificate or not passwords:
            yield f"{who} passed, and is not locked, certified and with a password"
        for secret in secrets_of(state, unit):
            known = ledger.by_value.get(state.value_of.get(secret))
            if known and known["id"] in ledger.burnt:
                yield f"{who} passed with a burnt {known['class']}"
        for password in passwords:
            applied = [e for e in ledger.label_event if e["serial"] == last["serial"] and e["event"] == "applied"]
            for event in applied:
                label = shown.get((event["serial"], event["place"], event["attempt"]))
                if label and label.password != password:
                    yield f"{who} passed with a label of another password"
                if label and label.network_key != unit.raw.get("wifi-key"):
                    yield f"{who} passed with a label of another network's key"
        if unit.users:
            yield f"{who} passed with a user's password still set"


def steps_on_the_unit(state):
    """What a step has shown, it has shown on the unit whose run it is: that one has the certificate, holds the secrets and
    is locked."""
    ledger = state.ledger
    given = collections.defaultdict(list)   # by run
    for row in ledger.fingerprint:
        if row["class"] not in (IDENTITY, "decoy") and row["id"] not in ledger.burnt:
            given[row["run"]].append(row)
    for unit in state.units:
        run = next(iter(ledger.runs_of(unit.hardware)), None)
        if run is None or run["ending"] not in (None, "passed") or not unit.intact:
            continue
        done = STEPS[:STEPS.index(run["next"])]
        who = f"run {run['id']} is at {run['next']}, and its unit {unit.hardware}"
        if "enrol" in done and unit.certificate is None:
            yield f"{who} has no certificate"
        held = {state.value_of.get(secret) for secret in secrets_of(state, unit)}
        for row in given[run["id"]]:
            if "inject" in done and row["value"] not in held:
                yield f"{who} does not hold its {row['name']}"
        if "lock" in done and not unit.locked:
            yield f"{who} is not locked"


def labels_counted(state):
    """Every label that came out was counted before, once; a run that passed has its label."""
    counted = {(row["serial"], row["place"], row["attempt"]) for row in state.ledger.label_attempt}
    for label in state.labels:
        if label.symbol and label.symbol not in counted:
            yield f"label {label.symbol} came out and is not counted"
    newest = {}
    for serial, place, attempt in sorted(counted):
        if attempt != newest.get((serial, place), 0) + 1:
            yield f"label {serial} {place}: attempt {attempt} after {newest.get((serial, place), 0)}"
        newest[serial, place] = attempt
    applied = collections.Counter(row["serial"] for row in state.ledger.label_event if row["event"] == "applied")
    for run in state.ledger.run:
        if run["ending"] == "passed" and not applied[run["serial"]]:
            yield f"{run['serial']} passed without a label"


def journal_whole(state):
    """Gapless, in the order of time, and the tree that the checkpoints sign."""
    ledger = state.ledger
    if ledger.sound != "ok":
        yield f"the database is not sound: {ledger.sound}"
    before = {}
    for number, entry in enumerate(ledger.entries):
        if entry["seq"] != number or ledger.journal[number]["seq"] != number or entry["station"] != ledger.station:
            yield f"journal entry {number} says {entry['seq']} of {entry['station']}"
        if entry["mono"] < before.get(entry["boot"], 0):
            yield f"journal entry {number} is older than the one before"
        before[entry["boot"]] = entry["mono"]
    roots = tree_roots((leaf(row["bytes"]) for row in ledger.journal), {row["size"] for row in ledger.checkpoint})
    for row in ledger.checkpoint:
        origin, size, root = row["note"].decode().split("\n")[:3]
        if origin != f"mintmark/{ledger.station}" or int(size) != row["size"]:
            yield f"checkpoint {row['size']} says {origin} {size}"
        elif base64.b64decode(root) != row["root"] or roots.get(row["size"]) != row["root"]:
            yield f"checkpoint {row['size']} is not of this journal"


def quota_held(state):
    """No unit beyond the order; each admitted once, and its serial out of the order's pool."""
    ledger = state.ledger
    for lot in ledger.lot:
        admitted = [row for row in ledger.admission if row["lot"] == lot["id"]]
        limit = lot["quantity"] + lot["spares"]
        order = json.loads(next(row["bytes"] for row in ledger.orders if row["id"] == lot["order_id"]))
        if limit != order["quantity"] + order["spares"]:
            yield f"lot {lot['id']} is of {limit}, the owner signed {order['quantity'] + order['spares']}"
        if lot["admitted"] != len(admitted) or len(admitted) > limit:
            yield f"lot {lot['id']} counts {lot['admitted']}, has {len(admitted)} of {limit}"
        for number, entry in enumerate((e for e in ledger.of_type("unit.admit") if e["lot"] == lot["id"]), 1):
            if entry["admitted"] != number:
                yield f"lot {lot['id']}: {entry['serial']} is number {entry['admitted']}, the {number}th in the journal"
        for unit in twice(row["unit"] for row in admitted):
            yield f"unit {unit} admitted twice to lot {lot['id']}"


def seals_once(state):
    """No number of a lot's seal is used twice, and none beyond what was committed."""
    given = {lot["seal_key"]: lot["iv"] for lot in state.ledger.lot}
    for key, number in twice(state.seals):
        yield f"seal number {number} twice under {key}"
    for key, number in state.seals:
        if int(number, 16) > given.get(key, 0) and key.startswith("mintmark-lot-"):
            yield f"seal number {number} under {key} was never committed"


INVARIANTS = (fingerprints_once, runs_known, runs_as_told, held_is_held, one_owner, unit_and_ledger_agree, steps_on_the_unit,
              labels_counted, journal_whole, quota_held, seals_once)


def lost_is_spent(state, hardware, serial, fingerprints):
    """What a lost part of the journal gave out is known, so that it is never again; every lot and run from before is over."""
    ledger = state.ledger
    spent = {(row["kind"], row["value"].split(":")[-1]) for row in ledger.spent}
    for what in [("serial", serial)] + [("fingerprint", value) for value in sorted(fingerprints)]:
        if what not in spent:
            yield f"{what[0]} {what[1]} was lost, and is not spent"
    if not [row for row in ledger.unit if row["hw"] == hardware and row["quarantined"]]:
        yield f"unit {hardware} was lost, and is not held"
    for row in ledger.lot:
        if row["state"] != "closed":
            yield f"lot {row['id']} is still {row['state']}"
    for run in ledger.run:
        if run["ending"] is None:
            yield f"run {run['id']} is still open"


def violations(state, earlier=None):
    """(invariant, what) of each."""
    found = [("nothing_vanished", what) for what in nothing_vanished(state, earlier)]
    for invariant in INVARIANTS:
        found += [(invariant.__name__, what) for what in invariant(state)]
    return found


def main():
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("directory")
    words.add_argument("--notes")
    words.add_argument("--earlier")
    given = words.parse_args()
    earlier = State(given.earlier) if given.earlier else None
    found = violations(State(given.directory, given.notes), earlier)
    for invariant, what in found:
        print(f"{invariant}: {what}")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
