"""1,000 requests a second beside a line: how much longer its median step takes. Alternately with and without, in one run.

The requests are a contract manufacturer's: TLS, kept connections, its key; and the page's view of the slots. They and the
units share two cores with the daemon here, so there are fewer slots than a station may have: units that need no more of
a processor than the machine has left, and whose own declared work takes most of a step, as on a real line.

A step that takes 20 ms and one that takes two seconds have no median in common that says anything: each is divided by
the median of its kind without requests, and the median of these is the figure."""

import collections
import json
import statistics
import sys
import time

from shift import Asking, Shift

SLOTS = 24
UNIT = ("--boot-ms", 500, "--work-ms", 80, "--baud", 115200)
RATE, CONNECTIONS = 1000, 16
WINDOW, PAIRS = 8, 3      # seconds; one without and one with
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


def watch(shift, requests):
    """A window without requests and one with, again and again: the windows, the daemon's processor time, the answers."""
    windows, processor, answers = {False: [], True: []}, {False: 0, True: 0}, []
    for busy in (False, True) * PAIRS:
        began, taken = clock(), shift.processor()
        asking = Asking(shift.station, requests(), RATE, CONNECTIONS, WINDOW) if busy else None
        keep_going(shift, WINDOW)
        windows[busy].append((began, clock()))
        processor[busy] += (shift.processor() - taken) / (PAIRS * WINDOW)
        if asking:
            answers.append(asking.result())
    return windows, processor, answers


def judge(quiet, busy, answers):
    usual = {step: statistics.median(quiet[step]) for step in AT_THE_SLOT}
    for step in AT_THE_SLOT:
        print(f"note load {step}: {1000 * usual[step]:.0f} ms without, {1000 * statistics.median(busy[step]):.0f} ms with, "
              f"of {len(quiet[step])} and {len(busy[step])}")
    rate = statistics.mean(answer["per_second"] for answer in answers)
    print(f"note load rest: {rate:.0f} answers/s over {CONNECTIONS} connections beside {SLOTS} slots; median "
          f"{statistics.median(answer['p50_ms'] for answer in answers):.1f} ms, 99 % in "
          f"{max(answer['p99_ms'] for answer in answers):.1f} ms")
    ratio = statistics.median(took / usual[step] for step in AT_THE_SLOT for took in busy[step])
    print(f"bench rest.1000.step {ratio:.3f}")
    return ratio <= MOST and rate >= 0.98 * RATE


def main():
    with Shift(SLOTS, *UNIT) as shift:
        station = shift.station
        maker = station.post("/persons", {"name": "maker", "roles": ["integrator"]})["token"]
        watcher = station.post("/persons", {"name": "watcher", "roles": ["operator"]})["token"]
        lot = shift.open_lot(token=maker)
        keep_going(shift, 12)
        windows, processor, answers = watch(shift, lambda: what_is_asked(station, lot, maker, watcher))
        shift.end()
        quiet, busy = durations(station, windows[False]), durations(station, windows[True])
        station.stop()
    print(f"note load rest: the daemon takes {100 * processor[False]:.0f} % of a processor without, "
          f"{100 * processor[True]:.0f} % with")
    return 0 if judge(quiet, busy, answers) else 1


if __name__ == "__main__":
    sys.exit(main())
