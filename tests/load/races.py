"""The daemon built with ThreadSanitizer: 16 slots, requests over TLS, an event stream, an export and a backup beside
them, and a stop in the middle of it all. It ends well, and without a word of the sanitizer's."""

import os
import signal
import subprocess
import sys
import threading
import time

from shift import Asking, Shift

SLOTS, SECONDS, RATE = 16, 60, 100


def requests(lot, token):
    paths = ["/health", "/session", "/doctor", "/slots", "/lots", f"/lots/{lot}", f"/units?lot={lot}", "/persons", "/acts"]
    return [(token, path) for path in paths]


def follow(station, events):
    """What the page does; until the station stops."""
    with subprocess.Popen(["curl", "-sN", "--unix-socket", station.dir / "mintmark.sock", "http://x/api/v1/events"],
                          stdout=subprocess.PIPE) as page:
        events.extend(line for line in page.stdout if line.startswith(b"event:"))


def work(shift, events):
    station = shift.station
    lot = shift.open_lot()
    page = threading.Thread(target=follow, args=(station, events))
    page.start()
    asking = Asking(station, requests(lot, station.token), RATE, connections=8, seconds=SECONDS + 60)
    beside = [(SECONDS / 3, ("export", station.dir / "evidence")), (SECONDS / 2, ("ledger", "backup", station.dir / "copy.db"))]
    began = time.monotonic()
    while time.monotonic() < began + SECONDS or not shift.passed:
        shift.turn()
        if beside and time.monotonic() > began + beside[0][0]:
            station.mintmark(*beside.pop(0)[1])
        time.sleep(0.25)
    station.daemon.send_signal(signal.SIGTERM)
    status = station.daemon.wait(60)
    page.join()
    return status, asking.result(whole=False)["answered"]


def main():
    os.environ["TSAN_OPTIONS"] = "halt_on_error=0 exitcode=66 " + os.environ.get("TSAN_OPTIONS", "")
    events, wrong = [], []
    with Shift(SLOTS, "--boot-ms", 100, pulled=5, extra_config="[journal]\ncheckpoint_every = 100\n") as shift:
        status, answered = work(shift, events)
        said = shift.station.last_words(most=100000)
    reports = said.count("WARNING: ThreadSanitizer")
    if status != 0 or reports:
        wrong.append(f"status {status}, {reports} reports")
        print(said)
    if not events or answered < 100:
        wrong.append(f"{len(events)} events, {answered} answers: it was not asked")
    print(f"note load races: {shift.passed} units passed, {shift.put_back} put back, {answered} answers, {len(events)} events")
    print(f"sweep load races: tried {shift.passed}, violations {len(wrong)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
