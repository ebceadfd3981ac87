"""What takes two officers and another token: escrow, the owner's CA, clones, rotation; through daemon and command line."""

import json
import os
import pathlib
import pty
import re
import subprocess
import tempfile
import time
import unittest

from station import BUILD, EXAMPLES, ROOT, Problem, Station, Unit, hardware, uuid7

MODULE = "/usr/lib/softhsm/libsofthsm2.so"


class OtherToken:
    """A token that is not the station's: its own SoftHSM directory, its own PINs."""

    def __init__(self, directory):
        self.dir = pathlib.Path(directory)
        (self.dir / "token").mkdir(parents=True, mode=0o700)
        (self.dir / "softhsm2.conf").write_text(f"directories.tokendir = {self.dir}/token\nlog.level = ERROR\n")
        for name in ("pin", "so-pin"):
            (self.dir / name).write_text(os.urandom(12).hex() + "\n")
            (self.dir / name).chmod(0o600)
        self.uri = f"pkcs11:token=other?module-path={MODULE}&pin-source=file:{self.dir}/pin"

    def mintmark(self, *words):
        return subprocess.run([str(BUILD / "mintmark"), *map(str, words)], text=True, capture_output=True,
                              env={**os.environ, "SOFTHSM2_CONF": str(self.dir / "softhsm2.conf")})


def appoint(station, *names, solo=False):
    """Officers by the owner's roster; the files of their tokens."""
    tokens, officers = {}, []
    for name in names:
        said = dict(line.split(": ") for line in station.mintmark("roster", "credential").splitlines())
        tokens[name] = station.dir / f"{name}.token"
        tokens[name].write_text(said["token"] + "\n")
        tokens[name].chmod(0o600)
        officers.append({"name": name, "credential": said["credential"]})
    roster = station.dir / "owner" / "roster.json"
    roster.write_text(json.dumps({"roster": uuid7(), "station": station.id, "solo": solo, "officers": officers,
                                  "not_after": time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86400 * 30))}))
    station.mintmark("roster", "sign", roster, "--key", station.owner_key)
    station.mintmark("roster", "apply", roster)
    return tokens


def typed(station, words, line):
    """The command on a terminal, where somebody types a line."""
    own, others = pty.openpty()
    with os.fdopen(own, "wb", buffering=0) as keys:
        command = subprocess.Popen([str(BUILD / "mintmark"), "--config", station.config, *map(str, words)], stdin=others,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=station.env)
        os.close(others)
        keys.write(line.encode() + b"\n")
        said, _ = command.communicate(timeout=60)
    if command.returncode != 0:
        raise AssertionError(said)
    return said


def act_of(said):
    return re.search(r"[0-9a-f]{8}-[0-9a-f-]{27}", said).group()


class Escrow(unittest.TestCase):
    def test_two_officers_and_the_escrow_token_open_what_the_station_cannot(self):
        with Station(slots=1) as s:
            ada, ben, eve = (appoint(s, "ada", "ben", "eve")[n] for n in ("ada", "ben", "eve"))
            other = OtherToken(s.dir / "desk")
            public = s.dir / "desk" / "escrow.pub.pem"
            made = other.mintmark("escrow", "create-token", "--token", other.uri, "--so-pin-file", other.dir / "so-pin",
                                  "--state", other.dir, "--out", public)
            self.assertEqual(made.returncode, 0, made.stderr)
            product = s.product(edits=[("length = 16 ", "escrow = true\nlength = 16 ")])
            with self.assertRaises(Problem) as caught:
                s.open_lot(product)
            self.assertEqual(caught.exception.code, "escrow.not_installed")
            act = act_of(s.mintmark("--token-file", ada, "escrow", "install", public, "--reason", "first key"))
            check = re.search(r"check value: (\S+)", made.stdout).group(1)
            self.assertNotIn(check, s.mintmark("act", "list"), "he reads it where the key was made")
            for who, value, code in ((ada, check, "act.same_person"), (ben, "0000" + check[4:], "act.mismatch"),
                                     (ben, None, "act.not_compared")):
                words = ["--check", value] if value else []
                refused = s.mintmark("--token-file", who, "act", "confirm", act, *words, check=False)
                self.assertNotEqual(refused.returncode, 0, code)
                self.assertIn({"act.same_person": "Another officer", "act.mismatch": "That is not the check value",
                               "act.not_compared": "--check VALUE"}[code], refused.stderr)
            self.assertEqual(s.sql("SELECT count(*) FROM journal WHERE type = 'act.mismatch'"), "1")
            self.assertEqual(s.sql("SELECT count(*) FROM escrow_key"), "0")
            s.mintmark("--token-file", ben, "act", "confirm", act, "--check", check)
            self.assertEqual(s.sql("SELECT count(*) FROM escrow_key"), "1")

            s.open_lot(product)
            Unit(s, "1", hardware("escrow"))
            self.assertEqual(s.ended("1")["ending"], "passed")
            serial = s.sql("SELECT serial FROM admission")
            label = next((s.dir / "labels").iterdir()).read_text(errors="replace")
            self.assertEqual(s.sql("SELECT count(*) FROM run_seal"), "0")
            self.assertEqual(s.sql("SELECT count(*) FROM escrow"), "1")

            act = act_of(s.mintmark("--token-file", ada, "escrow", "request", serial, "--reason", "a buyer locked out"))
            taken = s.dir / "desk" / "taken.json"
            early = s.mintmark("--token-file", ada, "escrow", "take", act, taken, check=False)
            self.assertNotEqual(early.returncode, 0)
            s.mintmark("--token-file", ben, "act", "confirm", act)
            stranger = s.mintmark("--token-file", eve, "escrow", "take", act, taken, check=False)
            self.assertNotEqual(stranger.returncode, 0)
            self.assertFalse(taken.exists())
            s.mintmark("--token-file", ada, "escrow", "take", act, taken)
            again = s.mintmark("--token-file", ada, "escrow", "take", act, s.dir / "again", check=False)
            self.assertNotEqual(again.returncode, 0, "an act is done once")
            types = s.sql("SELECT type FROM journal WHERE type LIKE 'act.%' ORDER BY seq").split()
            self.assertEqual(types[-3:], ["act.propose", "act.confirm", "act.done"])

            opened = other.mintmark("escrow", "open", taken, "--token", other.uri, "--state", other.dir)
            self.assertEqual(opened.returncode, 0, opened.stderr)
            password = re.search(r"^password admin: (\S+)$", opened.stdout, re.M).group(1)
            self.assertIn("-".join(re.findall("....", password)), label)

            # The station's own token and PIN do not open it, nor does anything on its disk hold it.
            station_uri = f"pkcs11:token=mintmark-test?module-path={MODULE}&pin-source=file:{s.dir}/pin"
            refused = s.mintmark("escrow", "open", taken, "--token", station_uri, "--state", s.dir / "desk", check=False)
            self.assertNotEqual(refused.returncode, 0)
            for file in [p for p in s.dir.rglob("*") if p.is_file() and "labels" not in p.parts and "flash" not in p.parts]:
                self.assertNotIn(password.encode(), file.read_bytes(), file)
            bent = json.loads(taken.read_text())
            bent["secrets"][0]["class"] = "other"
            (s.dir / "desk" / "bent.json").write_text(json.dumps(bent))
            spoilt = other.mintmark("escrow", "open", s.dir / "desk" / "bent.json", "--token", other.uri, "--state", other.dir)
            self.assertNotEqual(spoilt.returncode, 0)


    def test_the_keys_that_a_product_names_are_kept_too(self):
        with tempfile.TemporaryDirectory() as desk:
            other = OtherToken(desk)
            public = other.dir / "escrow.pub.pem"
            made = other.mintmark("escrow", "create-token", "--token", other.uri, "--so-pin-file", other.dir / "so-pin",
                                  "--state", other.dir, "--out", public)
            self.assertEqual(made.returncode, 0, made.stderr)
            with Station(slots=1, init_words=["--escrow-key", public]) as s:
                tokens = appoint(s, "ada", "ben")
                router = (EXAMPLES / "router.toml").read_text()
                router = router.replace('ssid =', 'escrow = true\nssid =').replace("bits =", "escrow = true\nbits =")
                s.open_lot((router.encode(), {"device": (EXAMPLES / "label-router.zpl").read_bytes()}))
                Unit(s, "1", hardware("kept"), model="MESH-1")
                self.assertEqual(s.ended("1")["ending"], "passed")
                serial = s.sql("SELECT serial FROM admission")
                act = act_of(s.mintmark("--token-file", tokens["ada"], "escrow", "request", serial, "--reason", "r"))
                s.mintmark("--token-file", tokens["ben"], "act", "confirm", act)
                s.mintmark("--token-file", tokens["ben"], "escrow", "take", act, other.dir / "taken.json")
                opened = other.mintmark("escrow", "open", other.dir / "taken.json", "--token", other.uri, "--state", other.dir)
                self.assertEqual(opened.returncode, 0, opened.stderr)
                shown = dict(re.findall(r"^(wifi-key wifi-key|symmetric-key cloud|password \S+): (\S+)$", opened.stdout, re.M))
                self.assertEqual(set(shown), {"wifi-key wifi-key", "symmetric-key cloud"}, "and the password was not asked for")
                flash = (s.dir / "flash" / hardware("kept")).read_bytes()
                self.assertIn(shown["wifi-key wifi-key"].encode(), flash)
                self.assertEqual(len(bytes.fromhex(shown["symmetric-key cloud"])), 32)
                self.assertIn(bytes.fromhex(shown["symmetric-key cloud"]), flash)


class OwnersCa(unittest.TestCase):
    def test_no_lot_before_the_owner_has_signed_and_others_verify_what_is_issued_then(self):
        with Station(slots=1, init_words=["--ca-request", "{dir}/ca-request.pem"]) as s:
            with self.assertRaises(Problem) as caught:
                s.open_lot()
            self.assertEqual(caught.exception.code, "ca.not_installed")
            owner, certificate, export = s.dir / "owner" / "ca", s.dir / "ca.pem", s.dir / "export"
            helper = ROOT / "deploy" / "examples" / "owner-ca.sh"
            for words in (["root", owner, "Aurora Root"], ["sign", owner, s.dir / "ca-request.pem", certificate]):
                subprocess.run(["sh", helper, *words], check=True, capture_output=True)
            bad = s.mintmark("ca", "install", owner / "root.pem", check=False)
            self.assertNotEqual(bad.returncode, 0)
            s.mintmark("ca", "install", certificate, owner / "root.pem")
            lot = s.open_lot()["lot"]
            Unit(s, "1", hardware("owners-ca"))
            self.assertEqual(s.ended("1")["ending"], "passed")
            s.post(f"/lots/{lot}/close")
            s.mintmark("export", export)
            self.assertIn("verified", s.mintmark("verify", "--key", export / "checkpoint.vkey", export))
            leaf = next((export / "certs").iterdir())
            subprocess.run(["openssl", "verify", "-CAfile", owner / "root.pem", "-untrusted", export / "ca-chain.pem",
                            leaf], check=True, capture_output=True)
            chain = (export / "ca-chain.pem").read_text()
            (export / "ca-chain.pem").write_text(chain + (s.dir / "tls.pem").read_text())
            self.assertNotEqual(s.mintmark("verify", "--key", export / "checkpoint.vkey", export, check=False).returncode, 0)


class Clones(unittest.TestCase):
    def test_a_second_station_shares_the_space_of_secrets(self):
        with Station(slots=1, init_words=["--clonable-fingerprint"]) as s:
            tokens = appoint(s, "ada", "ben")
            other = Station(slots=1, init=False)
            try:
                said = other.mintmark("hsm", "clone", "request", "--so-pin-file", other.dir / "so-pin", "--out",
                                      other.dir / "request.json")
                check = re.search(r"key: ([0-9a-f-]{19})", said).group(1)
                wrong = s.mintmark("--token-file", tokens["ada"], "hsm", "clone", "propose", other.dir / "request.json",
                                   "--check-value", "0000-0000-0000-0000", "--reason", "second line", check=False)
                self.assertNotEqual(wrong.returncode, 0)
                act = act_of(s.mintmark("--token-file", tokens["ada"], "hsm", "clone", "propose",
                                        other.dir / "request.json", "--check-value", check, "--reason", "second line"))
                asked = typed(s, ["--token-file", tokens["ben"], "act", "confirm", act], check)
                self.assertIn("confirmed by ben", asked)
                sent = s.dir / "clone.json"
                said = s.mintmark("--token-file", tokens["ben"], "hsm", "clone", "send", act, "--so-pin-file",
                                  s.dir / "so-pin", "--out", sent)
                kcv = re.search(r"fingerprint key: ([0-9a-f]{16})", said).group(1)
                self.assertEqual(kcv, s.sql("SELECT lower(hex(kcv)) FROM birth"))
                words = ["--fingerprint-from", sent, "--check-value"]
                self.assertNotEqual(other.init(*words, "0" * 16, so_pin=False, check=False).returncode, 0)
                other.init(*words, kcv, so_pin=False)
                self.assertEqual(other.sql("SELECT lower(hex(kcv)) FROM birth"), kcv)
                origin = json.loads(other.sql("SELECT CAST(bytes AS TEXT) FROM journal WHERE type = 'fingerprint.origin'"))
                self.assertEqual((origin["origin"], origin["source"], origin["officers"]), ("clone", s.id, ["ada", "ben"]))
                shown = json.loads(other.mintmark("hsm", "show", "--json"))   # exit status 0: nothing is wrong
                self.assertEqual(shown["clone_of"], s.id)
                self.assertEqual([k for k in shown["keys"] if k["label"] in ("mintmark-unwrap", "mintmark-trusted")], [])
                fingerprint = next(k for k in shown["keys"] if k["label"] == "mintmark-fingerprint")
                self.assertEqual((fingerprint["made_inside"], fingerprint["attributes"]["CKA_WRAP_WITH_TRUSTED"]),
                                 (False, "true"))
                self.assertIsNone(json.loads(s.mintmark("hsm", "show", "--json"))["clone_of"])
                for sheet in (other.dir / "request.json.txt", s.dir / "clone.json.txt"):
                    self.assertIn(check, sheet.read_text())
                other.start()
                self.assertTrue(other.get("/doctor")["ok"], other.get("/doctor"))
            finally:
                other.close()


class Rotation(unittest.TestCase):
    def test_what_old_keys_signed_stays_good(self):
        with Station(slots=1) as s:
            tokens = appoint(s, "ada", "ben")

            def rotate(role):
                act = act_of(s.mintmark("--token-file", tokens["ada"], "hsm", "rotate", role, "--reason", "yearly"))
                s.mintmark("--token-file", tokens["ben"], "act", "confirm", act)

            never = s.mintmark("--token-file", tokens["ada"], "hsm", "rotate", "fingerprint", "--reason", "r", check=False)
            self.assertIn("never", never.stderr)
            lot = s.open_lot()["lot"]
            for name in ("before", "before-lost"):
                s.passes(name)
            s.mintmark("export", s.dir / "before")
            for role in ("ca", "journal", "reopen", "label"):
                rotate(role)
            for name in ("after", "after-lost"):
                s.passes(name)
            s.stop()
            s.start()   # the ledger says which keys are in force
            lost = {s.sql("SELECT a.serial FROM admission a JOIN unit u ON u.id = a.unit WHERE u.hw = '"
                          + hardware(name).split(":")[-1] + "'") for name in ("before-lost", "after-lost")}
            for serial in lost:
                s.post("/labels/lost", {"serial": serial, "reason": "fell into the machine"})
            s.post(f"/lots/{lot}/close")
            export = s.dir / "export"
            s.mintmark("export", export)
            for key in (s.dir / "before" / "checkpoint.vkey", export / "checkpoint.vkey"):
                said = s.mintmark("verify", "--key", key, "--earlier", s.dir / "before" / "checkpoint", export)
                self.assertIn("certificates: 4", said)
            self.assertNotEqual((s.dir / "before/checkpoint.vkey").read_text(), (export / "checkpoint.vkey").read_text())
            self.assertEqual((export / "ca-chain.pem").read_text().count("BEGIN"), 2)
            # Each CA key has a list of its own: OpenSSL finds in it what that key issued, denied or not.
            self.assertEqual((export / "denied.crl").read_text().count("BEGIN"), 2)
            for leaf in (export / "certs").iterdir():
                checked = subprocess.run(["openssl", "verify", "-crl_check", "-CAfile", export / "ca-chain.pem", "-CRLfile",
                                          export / "denied.crl", leaf], capture_output=True, text=True)
                self.assertEqual(checked.returncode != 0, leaf.stem in lost, checked.stderr)
                self.assertEqual("revoked" in checked.stderr, leaf.stem in lost, checked.stderr)
            lists = (export / "denied.crl").read_text()
            (export / "denied.crl").write_text(lists[:lists.index("-----END X509 CRL-----\n") + 23])
            self.assertIn("no list of the CA certificate", s.mintmark("verify", "--key", export / "checkpoint.vkey", export,
                                                                      check=False).stdout)


if __name__ == "__main__":
    unittest.main()
