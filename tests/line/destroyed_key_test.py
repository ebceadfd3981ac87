"""After a lot's key is destroyed, no copy of the ledger that anybody kept opens any more: not with the present token."""

import shutil
import unittest

from ledger_test import refusal
from station import Station, Unit, hardware

LEDGER = ("ledger.db", "ledger.db-wal", "ledger.db-shm")


class DestroyedKey(unittest.TestCase):
    def setUp(self):
        self.station = Station(slots=1, simulate=False)
        self.addCleanup(self.station.close)

    def copy_ledger(self, source, target):
        for name in LEDGER:
            (target / name).unlink(missing_ok=True)
            if (source / name).exists():
                shutil.copy2(source / name, target / name)

    def label(self):
        return sorted(p.read_bytes() for p in (self.station.dir / "labels").glob("*.zpl"))

    def lot_keys(self):
        return self.station.mintmark("hsm", "show").count("mintmark-lot-")

    def reprint(self):
        """Voids the label in hand, which makes the station open the run's seal and print another."""
        s = self.station
        symbol = s.wait(lambda: s.get("/slots")["pending"], "a label to wait")[0]["symbol"]
        for file in (s.dir / "labels").glob("*.zpl"):
            file.unlink()
        s.post("/labels/void", {"symbol": symbol, "reason": "torn"})
        return symbol

    def test_no_earlier_copy_opens(self):
        s = self.station.start()
        lot = s.open_lot(quantity=2)["lot"]
        unit = Unit(s, "1", hardware("destroyed"))
        s.wait(lambda: s.get("/slots")["pending"], "a label to wait for its scan")
        first = self.label()
        s.stop()
        self.assertEqual(self.lot_keys(), 1)
        early = s.dir / "early"
        early.mkdir()
        self.copy_ledger(s.dir, early)
        sealed = bytes.fromhex(s.sql("SELECT hex(sealed) FROM run_seal"))
        self.assertGreater(len(sealed), 16)
        ledger = lambda: {n: (s.dir / n).read_bytes() for n in LEDGER if (s.dir / n).exists()}
        self.assertTrue(any(sealed in data for data in ledger().values()), "the search would find it")

        s.start()   # the control: while the key lives, the copy does open
        void = self.reprint()
        again = s.wait(self.label, "another label")
        self.assertNotEqual(again, first)
        other = lambda: [p["symbol"] for p in s.get("/slots")["pending"] if p["symbol"] != void]
        symbol = s.wait(other, "its scan")[0]
        s.post("/scan", {"unit": f"demo-otp:{unit.hardware}", "symbol": symbol})
        s.wait(lambda: s.sql("SELECT count(*) FROM run WHERE ending='passed'") == "1", "the unit to pass")
        unit.pull()
        s.emptied("1")
        s.post(f"/lots/{lot}/close")
        s.stop()
        traces = sum(data.count(sealed) for data in ledger().values())
        print(f"sweep sealed copies in a closed lot's ledger files: tried {len(ledger())}, violations {traces}")
        self.assertEqual(traces, 0, "secure_delete and the checkpoint at the end left a sealed copy behind")

        self.assertEqual(self.lot_keys(), 0)
        printed = self.label()
        self.copy_ledger(early, s.dir)
        self.assertTrue(any(sealed in data for data in ledger().values()), "the copy taken earlier holds it")
        self.assertIn("[ledger.rolled_back", refusal(s))
        self.assertEqual(self.lot_keys(), 0, "no start brings a key back")
        self.assertEqual(self.label(), printed, "a secret was revived")


if __name__ == "__main__":
    unittest.main(verbosity=2)
