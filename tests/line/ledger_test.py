"""The ledger as a whole: older copies, files that go while the station runs, rows changed by hand, backup and recovery."""

import json
import os
import shutil
import subprocess
import time
import unittest
import urllib.parse

from ceremony_test import appoint
from station import BUILD, Problem, Station, Unit, hardware

FILES = ("ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.db.head")


def refusal(station):
    """Why mintmarkd does not start."""
    log = station.dir / "mintmarkd.log"
    before = log.stat().st_size
    daemon = subprocess.run([str(BUILD / "mintmarkd"), "--config", str(station.config), "--log", str(log)],
                            env=station.env, capture_output=True, text=True, timeout=120)
    assert daemon.returncode == 1, f"mintmarkd ended with {daemon.returncode}"
    return log.read_text()[before:]


def evidence(directory):
    return {path.relative_to(directory): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


class LedgerFiles(unittest.TestCase):
    def setUp(self):
        self.station = Station(slots=1)
        self.addCleanup(self.station.close)
        self.station.start()

    def keep(self, folder, files=("ledger.db",)):
        kept = self.station.dir / folder
        kept.mkdir()
        for name in files:
            path = self.station.dir / name
            if path.is_dir():
                shutil.copytree(path, kept / name)
            elif path.exists():
                shutil.copy2(path, kept / name)
        return kept

    def put_back(self, kept):
        for name in FILES[1:3]:
            (self.station.dir / name).unlink(missing_ok=True)
        for path in kept.iterdir():
            target = self.station.dir / path.name
            if path.is_dir():
                shutil.rmtree(target)
                shutil.copytree(path, target)
            else:
                shutil.copy2(path, target)

    def entries(self, kind):
        rows = self.station.sql(f"SELECT cast(bytes AS text) FROM journal WHERE type='{kind}' ORDER BY seq")
        return [json.loads(row) for row in rows.splitlines()]

    def tokens(self):
        return len(list((self.station.dir / "token").rglob("*.object")))

    def test_an_export_names_only_a_checkpoint_that_this_ledger_has(self):
        s = self.station
        out = s.dir / "export"
        s.mintmark("export", out)
        note, size = (out / "checkpoint").read_text(), s.sql("SELECT count(*) FROM journal")
        before = evidence(out)
        origin, number, root = note.splitlines()[:3]
        held = s.dir / "held"

        def export(code, file=held):
            done = s.mintmark("export", "--earlier", file, out, check=False)
            self.assertEqual(done.returncode, 1, f"{file}: {done.stdout}")
            self.assertIn(code, done.stderr)

        def ask(status, code, text):
            with self.assertRaises(Problem) as caught:
                s.http("GET", "/export/checkpoint?earlier=" + urllib.parse.quote(text, safe=""))
            self.assertEqual((caught.exception.status, caught.exception.code), (status, code), text)

        unknown = (note.replace(origin, "mintmark/" + s.id[::-1]), note.replace(f"\n{number}\n", f"\n{number}0\n"),
                   note.replace(f"\n{number}\n", f"\n{2 ** 64 - 1}\n"), note.replace(root, "A" * 43 + "="),
                   f"{origin}\n{number}\n{root}\n\n", note[:-10], note[:-10] + "\n")
        nonsense = ("", "x", "\0", note.replace("\n", "\r\n"), "\ufeff" + root, note.encode().hex(),
                    note.replace(root, root[:-1]), note.replace(root, root.replace("=", "*")),
                    note.replace(f"\n{number}\n", "\n-1\n"), note.replace(f"\n{number}\n", f"\n{2 ** 64}\n"),
                    note + "\n" * 4096, (out / "checkpoint.vkey").read_text(), (out / "units.csv").read_text())
        for status, code, says, texts in ((409, "order.checkpoint_unknown", "order.checkpoint_unknown", unknown),
                                          (400, "http.query", "file.read", nonsense)):
            for text in texts:
                ask(status, code, text)
                held.write_bytes(text.encode())
                export(says)
        for file in (s.dir / "nowhere", s.dir, "/dev/zero", ""):
            export("file.read", file)
        with self.assertRaises(Problem) as caught:
            s.http("GET", "/export/checkpoint?earlier=" + "A" * 20000)
        self.assertIn(caught.exception.status, range(400, 500))
        self.assertEqual(evidence(out), before)
        self.assertEqual(s.sql("SELECT count(*) FROM journal"), size)
        print(f"sweep earlier: tried {2 * len(unknown + nonsense) + 5}, violations 0")
        held.write_text("")
        for file in (held, ""):
            done = s.mintmark("verify", "--key", out / "checkpoint.vkey", "--earlier", file, out, check=False)
            self.assertEqual(done.returncode, 1, f"an empty file proves nothing: {done.stdout}")
        for command in (("verify", "--key", out / "checkpoint.vkey"), ("export",)):
            done = s.mintmark(*command, "--nonce", "", out, check=False)
            self.assertEqual(done.returncode, 1, f"an empty nonce proves nothing: {done.stdout}")
        held.write_text(note)
        s.mintmark("export", "--nonce", os.urandom(16).hex(), "--earlier", out / "checkpoint", out)   # over the one it names
        self.assertIn("\nverified", s.mintmark("verify", "--key", out / "checkpoint.vkey", "--earlier", held, out))

    def test_an_older_copy_is_known_by_what_is_kept_apart_from_it(self):
        s = self.station
        ada, ben = (appoint(s, "ada", "ben")[n] for n in ("ada", "ben"))
        self.assertEqual([e["kind"] for e in self.entries("ledger.anchor")], ["token"])
        self.assertIn("\nanchor: a checkpoint of ", s.mintmark("hsm", "show"))
        s.open_lot()
        self.station.passes("first")
        s.stop()
        alone, beside = self.keep("alone"), self.keep("beside", FILES)
        pc = self.keep("pc", FILES + ("token",))
        s.start()
        self.station.passes("second")
        s.mintmark("export", s.dir / "seen")
        objects = self.tokens()
        for _ in range(3):
            s.http("GET", "/export/checkpoint?nonce=" + os.urandom(16).hex())
        self.assertEqual(self.tokens(), objects, "one object in the place of the other")
        s.mintmark("export", "--earlier", s.dir / "seen" / "checkpoint", s.dir / "continued")
        before = evidence(s.dir / "continued")
        self.assertIn("ok    anchor", s.mintmark("doctor"))
        s.stop()
        newest = self.keep("newest", FILES)
        self.put_back(alone)
        self.assertIn("ledger.rolled_back", refusal(s))
        self.put_back(beside)   # with its head: the token has the newer one
        self.assertIn("ledger.rolled_back", refusal(s))
        self.assertIn("WRONG anchor", s.mintmark("doctor", check=False).stdout)
        (s.dir / "ledger.db.head").unlink()
        self.assertIn("ledger.anchor_missing", refusal(s))
        self.put_back(newest)
        s.start()
        s.stop()
        # The whole machine is put back as it was: nothing here is left that could know better.
        self.put_back(pc)
        s.start()
        for lot in s.get("/lots")["lots"]:
            s.post(f"/lots/{lot['lot']}/close")
        with self.assertRaises(Problem) as caught:
            s.open_lot(owner_checkpoint=(s.dir / "seen" / "checkpoint").read_text())
        self.assertEqual(caught.exception.code, "order.checkpoint_unknown")
        size = s.sql("SELECT count(*) FROM journal")
        for into in ("refused", "continued"):
            refused = s.mintmark("export", "--nonce", os.urandom(16).hex(), "--earlier", s.dir / "seen" / "checkpoint",
                                 s.dir / into, check=False)
            self.assertEqual(refused.returncode, 1, refused.stdout)
            self.assertIn("order.checkpoint_unknown", refused.stderr)
        self.assertFalse((s.dir / "refused").exists())
        self.assertEqual(evidence(s.dir / "continued"), before, "what was exported before stays as it is")
        self.assertEqual(s.sql("SELECT count(*) FROM journal"), size, "nothing is signed, and no nonce journalled")
        s.mintmark("export", s.dir / "after")   # and who holds an earlier one sees it in the evidence
        judged = s.mintmark("verify", "--key", s.dir / "after" / "checkpoint.vkey", "--earlier", s.dir / "seen" / "checkpoint",
                            s.dir / "after", check=False)
        self.assertEqual(judged.returncode, 1, judged.stdout)
        self.assertIn("earlier checkpoint: ", judged.stdout + judged.stderr)
        s.stop()
        words = ("ledger", "recover", "--officer", ada, "--second-officer", ben, "--reason", "an image was put back")
        self.assertIn("ledger.not_rolled_back", s.mintmark(*words, check=False).stderr)
        s.mintmark(*words, "--seen", s.dir / "seen" / "checkpoint")
        s.start()
        self.assertEqual(self.entries("ledger.recover")[0]["checkpoint"], (s.dir / "seen" / "checkpoint").read_text())
        # Recovered or not, it goes on from the copy: what was lost is not there, what it signed itself is.
        refused = s.mintmark("export", "--earlier", s.dir / "seen" / "checkpoint", s.dir / "refused", check=False)
        self.assertIn("order.checkpoint_unknown", refused.stderr)
        s.mintmark("export", "--earlier", s.dir / "after" / "checkpoint", s.dir / "after")
        s.open_lot(serials=["SN-9001", "SN-9002"])
        self.station.passes("new")

    def test_a_ledger_that_goes_while_it_is_open(self):
        s = self.station
        s.open_lot()
        self.station.passes("first")
        kept = self.keep("kept")
        for how in ("deleted", "replaced", "written into"):
            with self.subTest(how):
                path, away = s.dir / "ledger.db", s.dir / "away.db"
                if how == "written into":
                    shutil.copyfile(kept / "ledger.db", path)
                else:
                    path.rename(away)
                    if how == "replaced":
                        shutil.copy2(kept / "ledger.db", path)
                health = s.wait(lambda: (h := s.get("/health"))["status"] == "stopped" and h, "the station to stop issuing")
                self.assertEqual(health["reason"], "ledger.replaced")
                unit = Unit(s, "1", hardware(how))
                s.wait(lambda: s.slot("1")["code"] == "ledger.replaced", "the slot to say why")
                unit.pull()
                s.stop()
                if how == "written into":
                    continue
                path.unlink(missing_ok=True)
                away.rename(path)
                s.start()
                self.assertEqual(s.get("/health")["status"], "ok")
                self.station.passes("after " + how)

    def test_rows_changed_by_hand_are_named(self):
        s = self.station
        s.open_lot()
        self.station.passes("first")
        s.stop()
        whole = self.keep("whole", FILES)
        triggers = subprocess.run(["sqlite3", s.dir / "ledger.db", "SELECT name || char(9) || replace(sql, char(10), ' ') "
                                   "FROM sqlite_schema WHERE type='trigger'"], check=True, capture_output=True, text=True)
        guards = [line.split("\t") for line in triggers.stdout.splitlines()]
        for sql, row in (("DELETE FROM fingerprint WHERE id=2", "fingerprint "),
                         ("UPDATE lot SET quantity = quantity + 1", "lot "),
                         ("UPDATE unit SET mints = 0", "unit "),
                         ("DELETE FROM burn WHERE rowid = (SELECT min(rowid) FROM burn)", "burn "),
                         ("UPDATE label_attempt SET attempt = 2", "label_attempt "),
                         ("UPDATE person SET roles = '[\"officer\"]'", "person tester")):
            with self.subTest(sql):
                self.put_back(whole)
                script = "PRAGMA foreign_keys=OFF; BEGIN;" + "".join(f"DROP TRIGGER {name};" for name, _ in guards) + sql + ";" \
                    + "".join(text + ";" for _, text in guards) + "COMMIT;"
                subprocess.run(["sqlite3", s.dir / "ledger.db"], input=script, text=True, check=True)
                said = refusal(s)
                self.assertIn("ledger.tampered what=" + row, said)
                self.assertNotEqual(s.mintmark("ledger", "verify", check=False).returncode, 0)
        self.put_back(whole)
        subprocess.run(["sqlite3", s.dir / "ledger.db", "DROP TRIGGER burn_no_delete"], check=True)
        self.assertIn("ledger.tampered what=trigger burn_no_delete", refusal(s))
        self.put_back(whole)
        s.mintmark("ledger", "verify")
        s.start()
        with self.assertRaises(Problem) as caught:   # by an order of the year 6429 our clock is wrong
            s.open_lot(order=s.order(s.product()[0], order="7fffffff-ffff-7000-8000-000000000000"))
        self.assertEqual(caught.exception.code, "clock.wrong")

    def test_the_drill_backup_loss_and_recovery(self):
        s = self.station
        ada, ben = (appoint(s, "ada", "ben")[n] for n in ("ada", "ben"))
        lot = s.open_lot()["lot"]
        self.station.passes("before")
        backup = s.dir / "backup.db"
        said = s.mintmark("ledger", "backup", backup)   # the line runs
        self.assertIn("rows: ", said)
        self.assertTrue((s.dir / "backup.db.checkpoint").read_text().startswith("mintmark/" + s.id))
        self.assertNotEqual(s.mintmark("ledger", "backup", backup, check=False).returncode, 0, "never over another")
        s.mintmark("ledger", "verify", backup)
        s.mintmark("ledger", "verify")
        self.station.passes("after the backup")
        lost = s.sql("SELECT hex(value) FROM fingerprint WHERE class='password'").split()
        used = s.sql("SELECT serial FROM admission ORDER BY id").split()
        s.mintmark("export", s.dir / "export")
        officers = ("--officer", ada, "--second-officer", ben, "--reason", "the disk broke")
        locked = s.mintmark("ledger", "recover", *officers, check=False)
        self.assertIn("ledger.locked", locked.stderr)
        s.stop()
        needless = s.mintmark("ledger", "recover", *officers, check=False)
        self.assertIn("ledger.not_rolled_back", needless.stderr)

        for name in FILES:
            (s.dir / name).unlink(missing_ok=True)
        shutil.copy(backup, s.dir / "ledger.db")
        self.assertIn("ledger.anchor_missing", refusal(s))
        alone = s.mintmark("ledger", "recover", "--officer", ada, "--second-officer", ada, "--reason", "alone", check=False)
        self.assertIn("act.same_person", alone.stderr)
        self.assertIn("ledger.", refusal(s), "and nothing is settled by it")
        said = s.mintmark("ledger", "recover", *officers, "--journal", s.dir / "export")
        self.assertIn("lot keys destroyed: 1", said)
        s.start()
        self.assertIn("ok    anchor", s.mintmark("doctor"))
        entry = self.entries("ledger.recover")[0]
        self.assertEqual((entry["officers"], entry["reason"]), (["ada", "ben"], "the disk broke"))
        self.assertTrue(entry["lost"] and entry["checkpoint"].startswith("mintmark/" + s.id))
        self.assertEqual({lot["state"] for lot in s.get("/lots")["lots"]}, {"closed"})
        self.assertEqual(s.sql("SELECT count(*) FROM run WHERE ending IS NULL"), "0")
        with self.assertRaises(Problem) as caught:
            s.open_lot()
        self.assertEqual(caught.exception.code, "order.serials_spent")
        s.open_lot(serials=[{"first": "SN-1001", "last": "SN-1100"}])
        self.station.passes("new")
        # What the lost part gave out is known, and the unit that got it does not come back by itself.
        spent = s.sql("SELECT upper(substr(value, 3)) FROM spent WHERE kind='fingerprint'").split()
        known = s.sql("SELECT hex(value) FROM fingerprint").split()
        self.assertTrue(set(lost) <= set(spent) | set(known))
        self.assertTrue(set(used) - {"SN-0001"} <= set(s.sql("SELECT value FROM spent WHERE kind='serial'").split()))
        Unit(s, "1", hardware("after the backup"))
        self.assertEqual(s.ended("1", hardware("after the backup"))["ending"], "quarantine")
        s.mintmark("export", s.dir / "next")
        checked = s.mintmark("verify", "--key", s.dir / "next" / "checkpoint.vkey", s.dir / "next")
        self.assertIn("\nanchor: token\nrecovered from an older ledger: 1 times\n", checked)
        self.assertIn("\nverified", checked)
        earlier = s.mintmark("verify", "--key", s.dir / "next" / "checkpoint.vkey", "--earlier",
                             s.dir / "export" / "checkpoint", s.dir / "next", check=False)
        self.assertEqual(earlier.returncode, 1, "who holds the lost head sees that it is gone")


if __name__ == "__main__":
    unittest.main(verbosity=2)
