"""What a station refuses to start with, and what an auditor's verification refuses to believe."""

import os
import pathlib
import shutil
import subprocess
import time
import unittest

from station import BUILD, EXAMPLES, Station, Unit, hardware


class Refusals(unittest.TestCase):
    def setUp(self):
        self.station = Station(slots=1)
        self.addCleanup(self.station.close)

    def daemon(self):
        done = subprocess.run([BUILD / "mintmarkd", "--config", self.station.config], env=self.station.env, text=True,
                              capture_output=True, timeout=120)
        return done.returncode, done.stderr

    def test_a_wrong_pin_is_tried_once_and_never_again(self):
        s = self.station
        right = (s.dir / "pin").read_text()
        (s.dir / "pin").write_text("0000\n")
        status, said = self.daemon()
        self.assertEqual(status, 1)
        self.assertIn("PIN", said)
        self.assertTrue((s.dir / "pin-refused").exists())
        (s.dir / "pin").write_text(right)
        status, said = self.daemon()   # right now, but nobody has looked yet
        self.assertEqual(status, 1)
        self.assertIn("PIN", said)
        s.mintmark("pin", "clear")
        s.start()

    def test_missing_parts(self):
        s = self.station
        os.rename(s.dir / "ledger.db", s.dir / "gone")
        self.assertEqual(self.daemon()[0], 1)
        self.assertFalse((s.dir / "ledger.db").exists(), "a new ledger was made in silence")
        os.rename(s.dir / "gone", s.dir / "ledger.db")
        os.rename(s.dir / "token", s.dir / "token-gone")
        (s.dir / "token").mkdir()
        status, said = self.daemon()
        self.assertEqual(status, 1)
        self.assertIn("token", said.lower())

    def test_a_second_daemon_and_a_second_init(self):
        s = self.station.start()
        status, said = self.daemon()
        self.assertEqual(status, 1, said)
        before = (s.dir / "ledger.db").stat().st_ino
        done = s.mintmark("init", "--owner-key", s.dir / "owner/owner.pub.pem", "--so-pin-file", s.dir / "so-pin", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertEqual((s.dir / "ledger.db").stat().st_ino, before)

    def test_configuration_is_refused_with_its_line(self):
        s = self.station
        good = s.config.read_text()
        for text, says in ((good + '\ncolour = "red"\n', "colour"), (good.replace('sink = "spool"', "sink = 1"), "sink"),
                           (good.replace("pin-source=file:", "pin-value="), "pin"),
                           (good.replace("allow_plaintext_spool = true", "allow_plaintext_spool = false"), "spool"),
                           (good.replace(str(s.slot_path("1")), "/dev/ttyUSB0"), "port")):
            s.config.write_text(text)
            status, said = self.daemon()
            self.assertEqual(status, 1, text)
            self.assertIn(says, said)
        s.config.write_text(good)

    def test_the_doctor(self):
        done = self.station.mintmark("doctor", check=False)
        self.assertIn("token", done.stdout)
        os.rename(self.station.dir / "labels", self.station.dir / "l")
        (self.station.dir / "labels").write_text("")
        done = self.station.mintmark("doctor", check=False)
        self.assertEqual(done.returncode, 1)

    def test_passwords_that_can_be_guessed(self):
        lamp, samples, known = EXAMPLES / "lamp.toml", self.station.dir / "samples.csv", self.station.dir / "known"
        keyed = self.station.dir / "keyed.toml"
        keyed.write_text(lamp.read_text().replace("length = 16", 'derivation = "keyed"\nlength = 16'))
        self.assertIn("random, 79 bits", self.station.mintmark("product", "lint", lamp))
        self.assertIn("derived under a key of the token, 79 bits", self.station.mintmark("product", "lint", keyed))
        samples.write_text("password,serial\nK7QM2XRD9HVTWN4C,SN-1\nWX3NQK9RTC7HM2VD,SN-2\n")
        known.write_text("wx3nqk9rtc7hm2vd\n")
        words = ("product", "lint", lamp, "--samples", samples)
        self.assertIn("findings: 0", self.station.mintmark(*words))
        for bad, options, finding in (("WX3NQK9RTC7HM2VD,SN-2", ("--defaults", known), "sample 2"),
                                      ("K7QM2XRD9HVTWN4D,K7QM2XRD9HVTWN4D", (), "sample 2")):
            samples.write_text(f"password,serial\nK7QM2XRD9HVTWN4C,SN-1\n{bad}\n")
            done = self.station.mintmark(*words, *options, check=False)
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn(finding, done.stdout)
            self.assertNotIn(bad.split(",")[0], done.stdout)

    def test_an_export_that_was_touched_is_not_believed(self):
        s = self.station.start()
        s.open_lot(quantity=3)
        for n in range(2):
            unit = Unit(s, "1", hardware(f"export{n}"))
            self.assertEqual(s.ended("1", unit.hardware)["ending"], "passed")
            unit.pull()
            s.emptied("1")
        out = s.dir / "export"
        s.mintmark("export", out)
        key = out / "checkpoint.vkey"
        self.assertEqual(s.mintmark("verify", "--key", key, out, check=False).returncode, 0)

        def edit(name, change):
            copy = pathlib.Path(str(out) + "-touched")
            shutil.copytree(out, copy)
            change(copy / name)
            done = s.mintmark("verify", "--key", key, copy, check=False)
            shutil.rmtree(copy)
            self.assertEqual(done.returncode, 1, f"{name}: {done.stdout}{done.stderr}")
            return done

        lines = (out / "journal.jsonl").read_bytes().splitlines(keepends=True)
        touched = 0
        for change in (lambda p: p.write_bytes(b"".join(lines[:-1])),
                       lambda p: p.write_bytes(b"".join(lines[:5] + lines[6:])),
                       lambda p: p.write_bytes(b"".join(lines[:5] + [lines[6], lines[5]] + lines[7:])),
                       lambda p: p.write_bytes(b"".join(lines).replace(b"passed", b"rework", 1)),
                       lambda p: p.write_bytes(b"")):
            edit("journal.jsonl", change)
            touched += 1
        edit("units.csv", lambda p: p.write_text(p.read_text().replace("passed", "rework", 1)))
        edit("checkpoint", lambda p: p.write_text(p.read_text().replace(s.id, s.id[::-1])))
        serial = s.sql("SELECT serial FROM run LIMIT 1")
        edit(f"certs/{serial}.pem", lambda p: p.unlink())
        print(f"sweep tamper: tried {touched + 3}, violations 0")


if __name__ == "__main__":
    unittest.main(verbosity=2)
