"""A shift at a station: units come to every slot and go, some are pulled out half-way and put back, until it ends."""

import json
import os
import re
import subprocess

from station import BUILD, Station, Unit, hardware

HALFWAY = ("inject", "prove", "reset_check")


class PoliteUnit(Unit):
    """A real one has a processor of its own: this one has what the station leaves of ours."""

    launcher = ["nice", "-n", "6"]


class Shift:
    """`pulled`: one unit in so many is taken out half-way, once, and put back in. `hands`: so many are put in at each look."""

    def __init__(self, slots, *unit_options, quantity=5000, pulled=0, kind=Unit, hands=None, extra_config=""):
        self.unit_options, self.quantity, self.pulled, self.kind = unit_options, quantity, pulled, kind
        self.hands = self.free_hands = hands or slots
        self.station = Station(slots=slots, extra_config=extra_config)
        self.seats = {slot: None for slot in self.station.slots}   # the unit that sits there, or is to come back
        self.number = self.passed = self.put_back = 0

    def __enter__(self):
        self.station.start()
        return self

    def __exit__(self, *failed):
        self.station.__exit__(*failed)

    def open_lot(self, token=None):
        return self.station.open_lot(token=token, quantity=self.quantity,
                                     serials=[{"first": "SN-000001", "last": f"SN-{self.quantity:06}"}])["lot"]

    def process(self):
        """What the kernel says of the daemon: KiB of memory, threads, descriptors."""
        proc = f"/proc/{self.station.daemon.pid}"
        with open(f"{proc}/status") as status:
            said = dict(re.findall(r"^(\w+):\s+(\d+)", status.read(), re.M))
        return {"rss": int(said["VmRSS"]), "peak": int(said["VmHWM"]), "anonymous": int(said["RssAnon"]),
                "threads": int(said["Threads"]), "files": len(os.listdir(f"{proc}/fd"))}

    def processor(self):
        """Seconds of a processor that the daemon has taken."""
        with open(f"/proc/{self.station.daemon.pid}/stat") as stat:
            user, system = stat.read().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    # --- what the people at the line do

    def turn(self, more=True):
        """One look at every slot, and what it asks for; without `more` no new unit comes."""
        self.free_hands = self.hands
        for view in self.station.get("/slots")["slots"]:
            self.attend(view, more)

    def attend(self, view, more):
        unit = self.seats[view["slot"]]
        if view["state"] == "empty" and (unit is None or unit.process is None):
            self.fill(view["slot"], unit, more)
        elif unit is None or unit.process is None or not (view["hardware"] or "").endswith(unit.hardware):
            return
        elif view["state"] == "ended":
            assert view["ending"] == "passed", view
            self.passed += 1
            self.pull(unit)
            self.seats[view["slot"]] = None
            for left in (self.station.dir / "flash").glob(unit.hardware + "*"):
                left.unlink()
        elif unit.to_be_pulled and view["step"] in HALFWAY:
            unit.to_be_pulled = False
            self.put_back += 1
            self.pull(unit)

    def fill(self, slot, unit, more):
        if self.free_hands == 0 or not (unit or more):
            return
        self.free_hands -= 1
        if unit:
            unit.insert()
        else:
            self.number += 1
            unit = self.kind(self.station, slot, hardware(f"shift{self.number}"), *map(str, self.unit_options))
            unit.to_be_pulled = self.pulled and self.number % self.pulled == 0
            self.seats[slot] = unit

    def pull(self, unit):
        self.station.processes.remove(unit.process)
        unit.pull()
        unit.process = None

    def all_gone(self):
        self.turn(more=False)
        views = self.station.get("/slots")["slots"]
        return not any(self.seats.values()) and all(view["state"] == "empty" for view in views)

    def end(self):
        """Every unit comes to its end and leaves."""
        self.station.wait(self.all_gone, "every unit to leave", seconds=120)
        assert self.passed == self.number, f"{self.number} units, {self.passed} passed"


class Asking:
    """Requests beside it: pairs of token and path, so many a second in turn, over kept TLS connections."""

    def __init__(self, station, requests, rate, connections, seconds, niceness=0):
        self.process = subprocess.Popen(
            ["nice", "-n", str(niceness), BUILD / "tests/load/load_requests", str(station.port), station.dir / "tls.pem",
             str(connections), str(rate), str(seconds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdin.write("".join(f"{token} /api/v1{path}\n" for token, path in requests))
        self.process.stdin.close()

    def result(self, whole=True):
        """`whole`: every one must have been answered."""
        with self.process:
            said = json.loads(self.process.stdout.read())
        assert self.process.returncode == 0 or not whole, f"not every request was answered: {said}"
        return said
