"""Clocks that jump, or that nobody ever set: records keep their order and stay valid, and no lot is opened by one that is
plainly wrong. libfaketime changes what the daemon takes for the time of day, and leaves the monotonic clock alone."""

import json
import pathlib
import time
import unittest

from station import Problem, Station

FAKE = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
DAY = 86400


class Clock(unittest.TestCase):
    def setUp(self):
        self.station = Station(slots=1)
        self.addCleanup(self.station.close)
        self.file = self.station.dir / "time"
        self.set(0)
        self.station.env = {**self.station.env, "LD_PRELOAD": str(FAKE), "FAKETIME_TIMESTAMP_FILE": str(self.file),
                            "FAKETIME_NO_CACHE": "1", "DONT_FAKE_MONOTONIC": "1",
                            "NO_FAKE_STAT": "1"}   # files keep the times that the disk gives them
        self.station.start()
        self.lot = self.open()

    def set(self, seconds):
        """How far the clock is off from here on."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"{seconds:+d}\n")
        fresh.rename(self.file)

    def open(self):
        first = 1 + 100 * len(self.station.get("/lots")["lots"])
        return self.station.open_lot(serials=[{"first": f"SN-{first:04}", "last": f"SN-{first + 99:04}"}])["lot"]

    def close(self):
        self.station.post(f"/lots/{self.lot}/close")

    def refused(self):
        with self.assertRaises(Problem) as refusal:
            self.open()
        return refusal.exception.code

    def entries(self):
        rows = self.station.sql("SELECT cast(bytes AS text) FROM journal ORDER BY seq")
        return [json.loads(row) for row in rows.splitlines()]

    def verifies(self):
        bundle = self.station.dir / f"bundle-{time.monotonic_ns()}"
        self.station.mintmark("export", bundle)
        self.assertIn("verified", self.station.mintmark("verify", bundle, "--key", bundle / "checkpoint.vkey"))

    def test_a_clock_that_jumps_changes_no_order(self):
        self.station.passes("before")
        for off, name in ((-2 * DAY, "back"), (3 * DAY, "forth"), (0, "again")):
            self.set(off)
            self.station.passes(name)
        found = self.entries()
        self.assertEqual([entry["seq"] for entry in found], list(range(len(found))))
        served = [entry for entry in found if entry["boot"] == found[-1]["boot"]]
        self.assertEqual(sorted(entry["mono"] for entry in served), [entry["mono"] for entry in served])
        self.assertNotEqual(sorted(entry["at"] for entry in found), [entry["at"] for entry in found], "it did jump")
        self.station.stop()
        self.station.start()   # the audit at its start takes them as they are
        self.verifies()

    def test_a_clock_that_is_plainly_wrong_opens_no_lot(self):
        self.set(-2 * DAY)
        self.station.passes("meanwhile")   # what was begun goes on
        self.close()
        self.assertEqual(self.refused(), "clock.wrong")
        self.set(0)
        self.open()

    def test_a_clock_that_was_wrong_before(self):
        self.set(3 * DAY)
        self.station.passes("too late")
        self.close()
        self.set(0)
        self.assertEqual(self.refused(), "clock.wrong")
        self.station.mintmark("export", self.station.dir / "bundle", "--nonce", "5" * 32)   # as the refusal says
        self.open()

    def test_a_machine_without_a_battery(self):
        self.station.stop()
        self.set(-int(time.time()) + 30 * DAY)   # January 1970
        self.station.start()
        self.close()
        self.assertEqual(self.refused(), "clock.wrong")
        self.set(0)
        self.open()


if __name__ == "__main__":
    unittest.main()
