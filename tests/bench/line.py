"""Ratios of a whole line, each within one run.

cycle.uart115200  one unit from arrival to lock over a line paced to 115200 baud, divided by what physics and the unit
                  ask for: its bytes at that baud rate and its own declared work
start.ready.s     from exec of the daemon to its first answer, with a ledger and a token as a lot leaves them"""

import json
import os
import re
import statistics
import time

from station import Station, Unit, hardware

BAUD = 115200


def cycle(station, n):
    unit = Unit(station, "1", hardware(f"bench{n}"), "--baud", str(BAUD), "--boot-ms", "100")
    view = station.ended("1", unit.hardware)
    assert view["ending"] == "passed", view
    unit.pull()
    station.emptied("1")
    declared = re.findall(r"(\d+) ms", (station.dir / "units.log").read_text().strip().splitlines()[-1])
    journal = [json.loads(line) for line in station.http("GET", "/export/journal").splitlines()]
    mine = [e for e in journal if e.get("run") == view["run"]]
    began = next(e for e in mine if e["type"] == "run.begin")["mono"]
    locked = next(e for e in mine if e["type"] == "step.end" and e["step"] == "lock")
    line = locked["facts"]["wire_bytes"] * 10 / BAUD
    return (locked["mono"] - began) / 1e9, line, sum(map(int, declared)) / 1000


def main():
    os.environ.setdefault("MINTMARK_TIME_SCALE", "1")
    station = Station(slots=1)
    try:
        station.start()
        station.open_lot()
        rounds = [cycle(station, n) for n in range(5)]
        ratios = [took / (line + work) for took, line, work in rounds]
        took, line, work = rounds[ratios.index(statistics.median(ratios))]
        print(f"note cycle: {took:.3f} s took, {line:.3f} s line, {work:.3f} s declared work")
        print(f"bench cycle.uart115200 {statistics.median(ratios):.3f}")
        station.stop()
        began = time.monotonic()
        station.start()
        print(f"bench start.ready.s {time.monotonic() - began:.2f}")
    finally:
        station.close()


if __name__ == "__main__":
    main()
