"""1,000 requests a second beside a line: how much longer its median step takes; and a flood of requests and of handshakes,
as many as are answered. In one run: a window without, one with, one with the flood, and again.

The requests are a contract manufacturer's: TLS, kept connections, its key; and the page's view of the slots. They, the
units and the daemon share two cores here. Units have processors of their own on a real line, and take seconds for a step:
here they have what the daemon leaves of ours, and their own declared work is most of a step. They are put in one after
another, as by two hands: 64 that start in one instant would do everything in one instant.

A step that takes 20 ms and one that takes two seconds have no median in common that says anything: each is divided by
the median of its kind without requests, and the median of these is the figure."""

import collections
import json
import re
import statistics
import subprocess
import sys
import time

from shift import Asking, PoliteUnit, Shift

SLOTS = 64
UNIT = ("--boot-ms", 2000, "--work-ms", 250, "--baud", 115200)
RATE, CONNECTIONS = 1000, 16
FLOOD = 4                 # programs that do nothing but handshakes; as many connections as above, and as fast as may be
ALONE, ASKED, FLOODED = KINDS = ("alone", "asked", "flooded")
WINDOW, ROUNDS = 10, 3     # seconds of each kind
MOST = 1.10
AT_THE_SLOT = ("enrol", "mint", "inject", "prove", "reset_check", "lock")


def clock():
    """The journal's, in seconds."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def keep_going(shift, seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        shift.turn()
        time.sleep(0.25)


def what_is_asked(station, lot, maker, watcher):
    runs = [line.split("|") for line in station.sql(
        "SELECT id, serial FROM run WHERE serial <> '' ORDER BY rowid DESC LIMIT 4").splitlines()]
    paths = ["/health", "/session", "/lots", f"/lots/{lot}", f"/units?lot={lot}&limit=20"]
    paths += [path for run, serial in runs for path in (f"/runs/{run}", f"/units/{serial}")]
    return [(maker, path) for path in paths] + [(watcher, "/slots"), (watcher, "/slots")]


def steps(station):
    """(step, begin, end) of every step, in seconds of the journal's clock."""
    begun = {}
    for line in station.http("GET", "/export/journal").splitlines():
        entry = json.loads(line)
        key = entry.get("run"), entry.get("step")
        if entry["type"] == "step.begin":
            begun[key] = entry["mono"] / 1e9
        elif entry["type"] == "step.end" and key in begun:
            yield entry["step"], begun.pop(key), entry["mono"] / 1e9


def durations(station, windows):
    """Of the steps that lie in these windows as a whole, by step."""
    out = collections.defaultdict(list)
    for step, begin, end in steps(station):
        if step in AT_THE_SLOT and any(first <= begin and end <= last for first, last in windows):
            out[step].append(end - begin)
    return out


class Flood:
    """What is answered to who never waits. It would have machines of its own: here it has what the line leaves of this one."""

    def __init__(self, station, requests):
        self.asking = Asking(station, requests, 1000 * RATE, CONNECTIONS, WINDOW, niceness=19)
        self.hands = [subprocess.Popen(["nice", "-n", "19", "openssl", "s_time", "-connect", f"127.0.0.1:{station.port}", "-new",
                                        "-time", str(WINDOW)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
                      for _ in range(FLOOD)]

    def result(self):
        shaken = sum(int(re.findall(r"(\d+) connections in \d+ real", hand.communicate()[0])[0]) for hand in self.hands)
        return {**self.asking.result(), "shaken": shaken / WINDOW}


def watch(shift, requests):
    """A window of each kind, again and again: the windows, the daemon's share of a processor, what the clients say."""
    windows, processor, said = ({kind: [] for kind in KINDS} for _ in range(3))
    clients = {ALONE: lambda: None, ASKED: lambda: Asking(shift.station, requests(), RATE, CONNECTIONS, WINDOW),
               FLOODED: lambda: Flood(shift.station, requests())}
    for kind in KINDS * ROUNDS:
        began, taken = clock(), shift.processor()
        client = clients[kind]()
        keep_going(shift, WINDOW)
        windows[kind].append((began, clock()))
        processor[kind].append((shift.processor() - taken) / WINDOW)
        if client:
            said[kind].append(client.result())
    return windows, processor, said


def of(said, kind, what):
    return statistics.mean(one[what] for one in said[kind])


def judge(took, processor, said):
    usual = {step: statistics.median(took[ALONE][step]) for step in AT_THE_SLOT}
    print("| step | " + " | ".join(KINDS) + " |")
    for step in AT_THE_SLOT:
        print(f"| {step} | " + " | ".join(f"{1000 * statistics.median(took[kind][step]):.0f} ms of {len(took[kind][step])}"
                                          for kind in KINDS) + " |")
    print("| processor | " + " | ".join(f"{100 * statistics.mean(processor[kind]):.0f} %" for kind in KINDS) + " |")
    print(f"note load asked: {of(said, ASKED, 'per_second'):.0f} answers/s over {CONNECTIONS} connections beside {SLOTS} "
          f"slots, median {of(said, ASKED, 'p50_ms'):.1f} ms, 99 % in {of(said, ASKED, 'p99_ms'):.0f} ms")
    print(f"note load flooded: {of(said, FLOODED, 'per_second'):.0f} answers/s and {of(said, FLOODED, 'shaken'):.0f} handshakes/s")
    wrong = [] if of(said, ASKED, "per_second") >= 0.98 * RATE else ["not every request was answered in time"]
    if of(said, FLOODED, "per_second") < RATE / 2 or of(said, FLOODED, "shaken") < 25:
        wrong.append("it was no flood")
    for kind, name in ((ASKED, f"rest.{RATE}.step"), (FLOODED, "rest.flood.step")):
        ratio = statistics.median(one / usual[step] for step in AT_THE_SLOT for one in took[kind][step])
        print(f"bench {name} {ratio:.3f}")
        if ratio > MOST:
            wrong.append(f"{name}: {ratio:.3f}, more than {MOST}")
    return wrong


def main():
    with Shift(SLOTS, *UNIT, kind=PoliteUnit, hands=2) as shift:
        station = shift.station
        maker = station.post("/persons", {"name": "maker", "roles": ["integrator"]})["token"]
        watcher = station.post("/persons", {"name": "watcher", "roles": ["operator"]})["token"]
        lot = shift.open_lot(token=maker)
        keep_going(shift, 20)
        windows, processor, said = watch(shift, lambda: what_is_asked(station, lot, maker, watcher))
        shift.end()
        took = {kind: durations(station, windows[kind]) for kind in KINDS}
        station.stop()
    wrong = judge(took, processor, said)
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
