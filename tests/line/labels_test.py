"""Labels and people's acts on a station that is no demo: nothing scans but who scans."""

import json
import signal
import unittest

from station import Problem, Station, Unit, hardware


class Labels(unittest.TestCase):
    def setUp(self):
        self.station = Station(slots=2, demo=False).start()
        self.addCleanup(self.station.close)
        self.lot = self.station.open_lot()["lot"]

    def at_the_scan(self, name, slot="1"):
        unit = Unit(self.station, slot, hardware(name))
        pending = self.station.wait(lambda: next((p for p in self.station.get("/slots")["pending"]
                                                  if p["hardware"].endswith(unit.hardware)), None), "a label to scan")
        return unit, pending

    def scan(self, unit, symbol, code=None):
        if code is None:
            return self.station.post("/scan", {"unit": unit, "symbol": symbol})
        with self.assertRaises(Problem) as caught:
            self.station.post("/scan", {"unit": unit, "symbol": symbol})
        self.assertEqual(caught.exception.code, code)
        return None

    def ending(self, run):
        return self.station.get(f"/runs/{run}")["ending"]

    def test_the_label_must_be_shown_to_be_on_this_unit(self):
        one, first = self.at_the_scan("one", "1")
        two, second = self.at_the_scan("two", "2")
        self.assertEqual((self.station.slot("1")["state"], first["slot"]), ("free", "1"))
        self.scan("SLOT:1", second["symbol"], "scan.other_unit")
        self.scan(second["hardware"], first["symbol"], "scan.other_unit")
        self.scan("SLOT:9", first["symbol"], "scan.unit_unknown")
        self.scan("SLOT:1", "MM1:SN-0499:device:1", "scan.unknown")
        self.scan("SLOT:1", "4006381333931", "scan.malformed")
        self.scan("SLOT:1", first["symbol"].rsplit(":", 1)[0] + ":2", "scan.unknown")
        self.assertIsNone(self.ending(first["run"]))
        self.assertTrue(self.scan("SLOT:1", first["symbol"])["done"])
        self.station.wait(lambda: self.ending(first["run"]) == "passed", "the first to pass")
        self.scan("SLOT:1", first["symbol"], "scan.already")
        two.pull()   # the other goes on at the next bench: by its own code
        self.station.emptied("2")
        self.scan("SLOT:2", second["symbol"], "scan.not_seated")
        self.assertTrue(self.scan(second["hardware"], second["symbol"])["done"])
        self.station.wait(lambda: self.ending(second["run"]) == "passed", "the second to pass")

    def test_void_and_reprint(self):
        _, pending = self.at_the_scan("void")
        self.station.post("/labels/void", {"symbol": pending["symbol"], "reason": "smeared"})
        again = self.station.wait(lambda: next((p for p in self.station.get("/slots")["pending"] if p["attempt"] == 2), None),
                                  "the reprint")
        self.scan("SLOT:1", pending["symbol"], "scan.void")
        self.assertTrue(self.scan("SLOT:1", again["symbol"])["done"])
        self.station.wait(lambda: self.ending(pending["run"]) == "passed", "the run to pass")

    def test_no_label_of_a_unit_that_passed_is_void(self):
        _, pending = self.at_the_scan("passed")
        self.scan("SLOT:1", pending["symbol"])
        self.station.wait(lambda: self.ending(pending["run"]) == "passed", "the run to pass")
        with self.assertRaises(Problem) as caught:
            self.station.post("/labels/void", {"symbol": pending["symbol"], "reason": "smeared"})
        self.assertEqual(caught.exception.code, "run.ended")
        self.assertEqual(self.station.sql("SELECT event FROM label_event"), "applied")

    def test_a_twin_ends_the_run_that_waits_for_its_label(self):
        """Its unit sits again, in a slot that stands still, where nobody has met it yet."""
        for n in range(3):
            old = Unit(self.station, "2", hardware(f"old{n}"), "--misbehave", "old-firmware")
            self.station.ended("2", old.hardware)
            old.pull()
            self.station.emptied("2")
        unit, pending = self.at_the_scan("one", "1")
        unit.pull()
        self.station.emptied("1")
        unit.insert("2")
        self.station.wait(lambda: self.station.slot("2")["state"] == "paused", "the unit to sit there")
        self.scan("SLOT:2", pending["symbol"], "scan.not_met")
        Unit(self.station, "1", unit.hardware, flash="twin")
        view = self.station.ended("1", unit.hardware)
        self.assertEqual((view["ending"], view["code"]), ("quarantine", "hwid.two_slots"))
        self.assertEqual(self.ending(pending["run"]), "quarantine")
        self.station.wait(lambda: not self.station.get("/slots")["pending"], "its label to be waited for no more")

    def test_another_chip_does_not_take_the_place_of_a_unit_that_waits_for_its_label(self):
        unit, pending = self.at_the_scan("waits")
        unit.pull()
        self.station.emptied("1")
        twin = Unit(self.station, "1", unit.hardware, flash="twin")
        view = self.station.ended("1", unit.hardware)
        self.assertEqual((view["ending"], view["code"]), ("quarantine", "hwid.cannot_sign"))
        self.assertEqual(self.ending(pending["run"]), "quarantine")
        self.station.wait(lambda: not self.station.get("/slots")["pending"], "its label to be waited for no more")
        twin.pull()
        self.station.emptied("1")
        unit.insert("1")
        self.assertEqual(self.station.ended("1", unit.hardware)["code"], "unit.quarantined")

    def test_a_lot_with_open_runs_stays_open_until_a_lead_abandons_them(self):
        unit, pending = self.at_the_scan("left")
        with self.assertRaises(Problem) as caught:
            self.station.post(f"/lots/{self.lot}/close")
        self.assertEqual(caught.exception.code, "lot.open_runs")
        self.station.post(f"/runs/{pending['run']}/abandon", {"reason": "end of shift"})
        self.assertEqual(self.ending(pending["run"]), "abandoned")
        self.scan("SLOT:1", pending["symbol"], "run.ended")
        self.assertEqual(self.station.sql("SELECT count(*) FROM run_seal"), "0")
        entry = self.station.sql("SELECT bytes FROM journal WHERE type='run.end'")
        self.assertEqual(json.loads(entry)["actor"], "tester")
        self.station.post(f"/lots/{self.lot}/close")

    def test_killed_while_labels_wait(self):
        unit, pending = self.at_the_scan("killed")
        self.station.daemon.send_signal(signal.SIGKILL)
        self.station.daemon.wait()
        self.station.start()
        again = self.station.wait(lambda: self.station.get("/slots")["pending"], "the label to be waited for again")
        self.assertEqual([p["symbol"] for p in again], [pending["symbol"]])
        self.scan(pending["hardware"], pending["symbol"])
        self.station.wait(lambda: self.ending(pending["run"]) == "passed", "the run to pass")

    def goes_on(self, unit):
        """To the label; a unit that lost contact (it was restarting) is seated again, as its tile says."""
        for _ in range(2):
            def there():
                state = self.station.get("/slots")
                label = next((p for p in state["pending"] if p["hardware"].endswith(unit.hardware)), None)
                slot = state["slots"][0]
                self.assertNotIn(slot["ending"], ("rework", "quarantine"), slot)
                return label or (slot["ending"] == "retry" and slot)
            seen = self.station.wait(there, "it to go on", 60)
            if "symbol" in seen:
                return seen
            unit.pull()
            self.station.emptied("1")
            unit.insert()
        self.fail("two retries after one kill")

    def test_killed_at_any_moment_of_a_run(self):
        tried = 0
        for n, delay in enumerate((0.0, 0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8)):
            unit = Unit(self.station, "1", hardware(f"kill{n}"), "--boot-ms", "40")
            self.station.wait(lambda: self.station.slot("1")["state"] != "empty", "it to be met")
            try:
                self.station.daemon.wait(delay or 0.001)
            except Exception:
                pass
            self.station.daemon.send_signal(signal.SIGKILL)
            self.station.daemon.wait()
            self.station.start()
            pending = self.goes_on(unit)
            self.scan(pending["hardware"], pending["symbol"])
            self.station.wait(lambda: self.ending(pending["run"]) == "passed", "the run to pass")
            unit.pull()
            self.station.emptied("1")
            tried += 1
        distinct = self.station.sql("SELECT count(*)=count(DISTINCT value) FROM fingerprint")
        runs = self.station.sql("SELECT count(*)=count(DISTINCT unit) FROM run")
        print(f"sweep kill: tried {tried}, violations {(distinct, runs).count('0')}")
        self.assertEqual((distinct, runs), ("1", "1"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
