"""Units that come back: released by two officers, reopened where they sit, provisioned the whole way again."""

import csv
import hashlib
import json
import os
import pathlib
import subprocess
import time
import unittest

from station import Problem, Station, Unit, hardware, uuid7

CAPABILITIES = ('"factory-reset", "lock"]', '"factory-reset", "lock", "reopen"]')


class Back(unittest.TestCase):
    def setUp(self):
        self.station = Station(slots=2).start()
        self.addCleanup(self.station.close)
        self.lot = self.station.open_lot(self.station.product(edits=[CAPABILITIES]))["lot"]
        self.tokens = {}
        self.appoint("olga", "oscar")

    def appoint(self, *names):
        self.tokens = {name: os.urandom(32).hex() for name in names}
        roster = {"roster": uuid7(), "station": self.station.id, "solo": len(names) == 1,
                  "not_after": time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86400)),
                  "officers": [{"name": name, "credential": hashlib.sha256(token.encode()).hexdigest()}
                               for name, token in self.tokens.items()]}
        path = self.station.dir / "owner" / f"roster-{roster['roster']}.json"
        path.write_text(json.dumps(roster))
        self.station.mintmark("roster", "sign", path, "--key", self.station.owner_key)
        self.station.mintmark("roster", "apply", path)
        for name, token in self.tokens.items():
            file = self.station.dir / f"token-{name}"
            file.write_text(token + "\n")
            file.chmod(0o600)

    # --- what officers do
    def as_officer(self, name, *words, check=True):
        return self.station.mintmark("--token-file", self.station.dir / f"token-{name}", *words, check=check)

    def propose(self, act, unit, *options):
        said = self.as_officer("olga", "unit", act, unit, "--reason", "looked at", *options)
        return said.split()[0]

    def confirm(self, act, code=None, by="oscar"):
        done = self.as_officer(by, "act", "confirm", act, check=False)
        if code is None:
            self.assertEqual(done.returncode, 0, done.stderr)
        else:
            self.assertNotEqual(done.returncode, 0)
            with self.assertRaises(Problem) as caught:
                self.station.http("POST", f"/acts/{act}/confirm", {}, {"Authorization": "Bearer " + self.tokens[by]})
            self.assertEqual(caught.exception.code, code)

    def two(self, act, unit, *options):
        self.confirm(self.propose(act, unit, *options))

    # --- what the line does
    def goes(self, unit, ending, code=None):
        view = self.station.ended(unit.slot, unit.hardware)
        self.assertEqual((view["ending"], view["code"]), (ending, code), (self.station.dir / "mintmarkd.log").read_text()[-900:])
        unit.pull()
        self.station.emptied(unit.slot)
        return view

    def first(self, name, ending="passed", code=None, *options):
        unit = Unit(self.station, "1", hardware(name), *options)
        return unit, self.goes(unit, ending, code)

    def prints(self, unit, burnt):
        return set(self.station.sql(
            "SELECT hex(value) FROM fingerprint f JOIN unit u ON u.id=f.unit WHERE f.class='password' AND u.hw="
            f"'{unit.hardware}' AND {'' if burnt else 'NOT '}EXISTS (SELECT 1 FROM burn b WHERE b.fingerprint=f.id)").split())

    def entries(self, kind):
        rows = self.station.sql(f"SELECT cast(bytes AS text) FROM journal WHERE type='{kind}' ORDER BY seq")
        return [json.loads(line) for line in rows.splitlines()]

    def export(self):
        out = self.station.dir / f"export-{uuid7()}"
        self.station.mintmark("export", out)
        said = self.station.mintmark("verify", out, "--key", out / "checkpoint.vkey", check=False)
        self.assertEqual(said.returncode, 0, said.stdout)
        return out

    def revoked(self, out):
        text = subprocess.run(["openssl", "crl", "-in", out / "denied.crl", "-noout", "-text", "-verify", "-CAfile",
                               out / "ca-chain.pem"], text=True, capture_output=True, check=True)
        self.assertIn("verify OK", text.stderr)
        return text.stdout.count("Serial Number:")

    def good(self, out, serial):
        return subprocess.run(["openssl", "verify", "-crl_check", "-CAfile", out / "ca-chain.pem", "-CRLfile",
                               out / "denied.crl", out / "certs" / f"{serial}.pem"], capture_output=True).returncode == 0

    def test_quarantine_release_and_the_whole_way(self):
        unit, view = self.first("q")
        first_certificate = self.station.get(f"/units/{view['serial']}")["certificate_sha256"]
        self.station.post("/labels/lost", {"serial": view["serial"], "reason": "fell behind the line"})
        old = self.prints(unit, True)
        self.assertEqual((len(old), self.prints(unit, False)), (1, set()))
        unit.insert()
        self.goes(unit, "quarantine", "unit.quarantined")
        out = self.export()
        self.assertEqual(self.revoked(out), 1)
        self.assertFalse(self.good(out, view["serial"]))

        act = self.propose("release", view["serial"])
        self.confirm(act, "act.same_person", by="olga")
        unit.insert()
        self.goes(unit, "quarantine", "unit.quarantined")   # one officer is none
        self.confirm(act)
        self.assertEqual(self.station.get(f"/units/{view['serial']}")["state"], "released")
        self.station.daemon.kill()   # between the confirmation and the unit's return
        self.station.daemon.wait()
        self.station.start()
        unit.insert("2")
        again = self.goes(unit, "passed")
        self.assertEqual(again["serial"], view["serial"])
        new = self.prints(unit, False)
        self.assertEqual(len(new), 1)
        self.assertTrue(old <= self.prints(unit, True) and not new & old)
        release = self.entries("unit.release")[0]
        self.assertEqual((release["officers"], release["code"], release["solo"]), (["olga", "oscar"], "label.lost", False))
        reopened = self.entries("unit.reopened")[0]
        self.assertEqual((reopened["acts"], reopened["known"], reopened["seen_wiped"]),
                         (["wipe", "new-key"], True, ["credential", "marker"]))
        labels = self.station.get(f"/units/{view['serial']}")["labels"]
        self.assertEqual([(l["attempt"], l["state"]) for l in labels], [(1, "void"), (2, "applied")])
        self.assertNotEqual(self.station.get(f"/units/{view['serial']}")["certificate_sha256"], first_certificate)
        out = self.export()
        self.assertEqual(self.revoked(out), 1)
        self.assertTrue(self.good(out, view["serial"]))
        self.assertEqual(self.station.get(f"/lots/{self.lot}")["admitted"], 1)   # the quota counts it once
        self.assertEqual(self.station.get(f"/lots/{self.lot}")["passed"], 1)
        unit.insert()
        self.goes(unit, "passed", "unit.already_passed")

    def test_reopen_keeps_the_key_and_makes_fresh_secrets(self):
        unit, view = self.first("refurb")
        before = self.station.get(f"/units/{view['serial']}")["certificate_sha256"]
        old = self.prints(unit, False)
        self.two("refurb", view["serial"])   # another name of reopen
        unit.insert()
        self.goes(unit, "passed")
        self.assertEqual(self.station.get(f"/units/{view['serial']}")["certificate_sha256"], before)
        self.assertTrue(old <= self.prints(unit, True))
        self.assertEqual(len(self.prints(unit, False)), 1)
        self.assertEqual(self.entries("unit.reopened")[0]["acts"], ["wipe"])
        self.two("reopen", view["serial"], "--new-key")
        unit.insert()
        self.goes(unit, "passed")
        self.assertNotEqual(self.station.get(f"/units/{view['serial']}")["certificate_sha256"], before)
        self.assertEqual(self.entries("certificate.deny")[0]["reason"], "superseded")
        self.assertEqual(self.revoked(self.export()), 1)

    def test_a_retired_unit_is_refused(self):
        unit, view = self.first("old")
        self.two("retire", view["serial"])
        unit.insert()
        self.goes(unit, "quarantine", "unit.retired")
        self.assertEqual(self.station.get(f"/units/{view['serial']}")["state"], "retired")
        out = self.export()
        self.assertFalse(self.good(out, view["serial"]))

    def test_a_unit_that_only_says_it_is_wiped(self):
        for word, what in (("ignores-reopen", "lock"), ("reopen-keeps-credential", "credential")):
            with self.subTest(word):
                unit, view = self.first(word, "passed", None, "--misbehave", word)
                self.two("reopen", view["serial"])
                unit.insert()
                ended = self.goes(unit, "quarantine", "reopen.ignored")
                self.assertEqual(ended["args"]["what"], what)
                self.assertEqual(self.prints(unit, False), set())

    def test_a_locked_unit_that_did_not_pass_waits_for_two_officers(self):
        self.station.stop()
        self.station.config.write_text(self.station.config.read_text().replace("simulate = true", "simulate = false"))
        self.station.start()
        unit = Unit(self.station, "1", hardware("left"))
        pending = self.station.wait(lambda: self.station.get("/slots")["pending"], "a label")[0]
        self.station.post(f"/runs/{pending['run']}/abandon", {"reason": "end of shift"})
        self.goes(unit, "abandoned", "run.abandoned")
        unit.insert()
        self.goes(unit, "rework", "unit.needs_reopen")
        self.two("rework", pending["serial"])
        unit.insert()
        again = self.station.wait(lambda: [p for p in self.station.get("/slots")["pending"] if p["attempt"] == 2], "another label")[0]
        self.station.post("/scan", {"unit": "SLOT:1", "symbol": again["symbol"]})
        self.goes(unit, "passed")

    def test_a_label_lost_before_its_scan(self):
        self.station.stop()
        self.station.config.write_text(self.station.config.read_text().replace("simulate = true", "simulate = false"))
        self.station.start()
        unit = Unit(self.station, "1", hardware("lost"))
        pending = self.station.wait(lambda: self.station.get("/slots")["pending"], "a label")[0]
        self.station.mintmark("label", "lost", pending["serial"], "--reason", "the printer ate it")
        self.goes(unit, "quarantine", "label.lost")
        self.two("release", pending["serial"])
        unit.insert()
        again = self.station.wait(lambda: self.station.get("/slots")["pending"], "another label")[0]
        self.assertEqual(again["attempt"], 2)
        self.station.post("/scan", {"unit": "SLOT:1", "symbol": again["symbol"]})
        self.goes(unit, "passed")

    def test_a_stopped_station_goes_on_by_two_officers(self):
        s = self.station
        self.assertNotEqual(self.as_officer("olga", "station", "resume", "--reason", "none", check=False).returncode, 0)
        s.stop()   # as broken randomness leaves it
        seq = int(s.sql("SELECT max(seq) + 1 FROM journal"))
        entry = json.dumps({"seq": seq, "station": s.id, "at": "2026-01-01T00:00:00.000Z", "mono": 1, "boot": "b",
                            "actor": "station", "type": "station.stop", "code": "rng.duplicate", "detail": ""},
                           separators=(",", ":"))
        subprocess.run(["sqlite3", s.dir / "ledger.db", "UPDATE station_state SET stop_code = 'rng.duplicate';"
                        f"INSERT INTO journal (seq, type, bytes) VALUES ({seq}, 'station.stop', CAST('{entry}' AS BLOB))"],
                       check=True)
        s.start()
        unit = Unit(s, "1", hardware("waits"))
        s.wait(lambda: s.slot("1")["code"] == "station.stopped", "the slot to say why it waits")
        act = self.as_officer("olga", "station", "resume", "--reason", "the token was replaced").split()[0]
        self.confirm(act, "act.same_person", by="olga")
        self.assertEqual(s.get("/health")["status"], "stopped")
        self.confirm(act)
        self.assertEqual(s.get("/health")["status"], "ok")
        self.goes(unit, "passed")   # it was not touched
        resumed = self.entries("station.resume")[0]
        self.assertEqual((resumed["code"], resumed["act"], resumed["officers"]), ("rng.duplicate", act, ["olga", "oscar"]))

    def test_a_derived_password_is_another_when_its_unit_comes_back(self):
        s = self.station
        s.post(f"/lots/{self.lot}/close")
        product = s.product(edits=[CAPABILITIES, ("length = 16 ", 'derivation = "keyed"\nlength = 16 ')])
        with self.assertRaises(Problem) as caught:
            s.open_lot(product)
        self.assertEqual(caught.exception.code, "policy.derivation_key")
        propose = ("hsm", "derivation-key", "--reason", "an old back end")
        self.confirm(self.as_officer("olga", *propose).split()[0])
        self.assertEqual(self.entries("act.done")[0]["result"], {"key": "mintmark-derivation"})
        second = self.as_officer("oscar", "act", "confirm", self.as_officer("olga", *propose).split()[0], check=False)
        self.assertIn("already", second.stderr)
        self.assertEqual(self.entries("act.fail")[0]["code"], "token.key_exists")
        shown = json.loads(s.mintmark("hsm", "show", "--json"))   # exit status 0: nothing is wrong
        self.assertIn("mintmark-derivation", [key["label"] for key in shown["keys"]])
        self.lot = s.open_lot(product)["lot"]
        unit, view = self.first("keyed")
        old = self.prints(unit, False)
        self.two("reopen", view["serial"])
        unit.insert()
        self.goes(unit, "passed")
        self.assertEqual(len(self.prints(unit, False)), 1)
        self.assertTrue(old <= self.prints(unit, True), "the unit came back with its old password")
        self.assertEqual([m["credentials"][0]["derivation"] for m in self.entries("credential.mint")], ["keyed"] * 2)
        self.assertEqual(s.get(f"/units/{view['serial']}")["derivation"], "keyed")
        self.assertEqual(s.get(f"/units/{view['serial']}")["state"], "passed")
        with open(self.export() / "units.csv", newline="") as file:
            self.assertEqual([row["derivation"] for row in csv.DictReader(file)], ["keyed"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
