"""64 slots, units coming and going; one in eight is pulled out half-way and put back. For an hour under --soak, else for
75 seconds after the warm-up. The kernel is asked about the daemon meanwhile.

Every unit passes. Descriptors and threads are as many with no unit seated as before the first. Of memory, medians of the
first and the last third after the warm-up are compared."""

import os
import statistics
import sys
import time

from shift import Shift

SLOTS = 64
SOAK = "MINTMARK_SOAK" in os.environ
SECONDS = 3600 if SOAK else 75
WARM = 2 * SLOTS        # units; then every slot has had two
MOST = 64               # MiB, ever
# MiB. No unit leaves anything behind; but SQLite's cache of the connection that reads fills slowly, up to its 2 MiB, and
# malloc keeps the largest pieces that it ever had to find room for.
BOUND = 4 if SOAK else 1
# MiB of the ledger's write-ahead log. SQLite begins it anew after a checkpoint of its own, at some 4 MiB, unless somebody
# reads just then.
LOG = 16


def at_rest(shift):
    time.sleep(1)   # until the last connection is closed
    return shift.process()


def measure(shift, seconds):
    samples, began = [], time.monotonic()
    while time.monotonic() < began + seconds:
        shift.turn()
        log = os.path.getsize(shift.station.dir / "ledger.db-wal")
        samples.append({**shift.process(), "units": shift.passed, "log": log})
        time.sleep(0.25)
    return samples


def median(samples, what):
    return statistics.median(sample[what] for sample in samples)


def judge(samples, empty, after):
    third = len(samples) // 3
    early, late = samples[:third], samples[-third:]
    wrong = []
    for what in ("rss", "anonymous", "threads", "files"):
        print(f"note load {what}: {median(early, what):.0f} early, {median(late, what):.0f} late, "
              f"{empty[what]} before the first unit, {after[what]} after the last")
    grown = (median(late, "rss") - median(early, "rss")) / 1024
    units = median(late, "units") - median(early, "units")
    print(f"note load: {grown:+.2f} MiB of memory in {units:.0f} units ({1024 * 1024 * grown / units:+.0f} bytes a unit), "
          f"at most {after['peak'] / 1024:.1f} MiB")
    if grown > BOUND:
        wrong.append(f"memory grew by {grown:.2f} MiB, more than {BOUND}")
    if after["peak"] > MOST * 1024:
        wrong.append(f"{after['peak'] / 1024:.1f} MiB, more than {MOST}")
    log = max(sample["log"] for sample in samples) / (1 << 20)
    print(f"note load: the ledger's write-ahead log is at most {log:.1f} MiB, bound {LOG}")
    if log > LOG:
        wrong.append(f"a write-ahead log of {log:.1f} MiB, more than {LOG}")
    for what in ("threads", "files"):
        if after[what] != empty[what]:
            wrong.append(f"{what}: {after[what]} after the last unit, {empty[what]} before the first")
    return wrong


def main():
    with Shift(SLOTS, "--boot-ms", 300, "--work-ms", 40, pulled=8, quantity=50000 if SOAK else 5000) as shift:
        shift.open_lot()
        empty = at_rest(shift)
        while shift.passed < WARM:
            shift.turn()
            time.sleep(0.25)
        samples = measure(shift, SECONDS)
        shift.end()
        wrong = judge(samples, empty, at_rest(shift))
        print(f"sweep load line: tried {shift.passed}, put back {shift.put_back}, violations {len(wrong)}")
        shift.station.stop()
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
