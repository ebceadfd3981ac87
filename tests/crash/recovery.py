"""`mintmark ledger recover` under a stop: an older copy of the ledger is put back, two officers go on from it, are stopped
in that, and do it again."""

import signal
import shutil

import check
from bench import Broken

FILES = ("ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.db.head")


class Backup:
    """The ledger as it is now, and all else that belongs to this moment."""

    def __init__(self, bench):
        self.bench, self.dir = bench, bench.station.dir / f"backup-{bench.numbers}"
        self.dir.mkdir()
        self.before, self.acknowledged = bench.check(served=True), len(bench.acknowledged)
        self.notes = bench.station.notes.stat().st_size
        bench.station.mintmark("ledger", "backup", self.dir / "ledger.db")

    def put_back(self, lost):
        """`lost` is the unit that was made since: it and its label are out of the house."""
        station, bench = self.bench.station, self.bench
        for name in FILES:
            (station.dir / name).unlink(missing_ok=True)
        shutil.copy(self.dir / "ledger.db", station.dir)
        (station.dir / "flash" / lost.hardware).unlink()
        for label in lost.labels:
            label.unlink()
        with open(station.notes, "r+b") as notes:
            notes.truncate(self.notes)
        bench.before, bench.acknowledged = self.before, bench.acknowledged[:self.acknowledged]


class Lost:
    """A unit that passed, and what it was given."""

    def __init__(self, bench):
        labels = bench.station.dir / "labels"
        before = set(labels.iterdir())
        self.hardware = bench.passed("lamp").hardware
        self.labels = set(labels.iterdir()) - before
        ledger = bench.before.ledger
        run = ledger.runs_of(self.hardware)[0]
        self.serial = run["serial"]
        self.fingerprints = {row["value"].hex() for row in ledger.fingerprint if row["unit"] == run["unit"]}


def recovered(bench, stop):
    station = bench.station
    bench.make_room(3)
    bench.appoint_officers()
    unit = bench.seat()
    bench.waiting(unit)   # its run is open in the copy
    unit.pull()
    station.emptied(unit.slot)
    backup = Backup(bench)
    lost = Lost(bench)
    export = station.dir / f"export-{bench.numbers}"
    station.mintmark("export", export)
    station.stop()
    backup.put_back(lost)
    words = ("ledger", "recover", "--officer", station.dir / "ada.token", "--second-officer", station.dir / "ben.token",
             "--reason", "the disk broke", "--journal", export)
    station.control.arm(stop)
    died = recover(bench, words)
    reached = station.control.read()
    if died:
        bench.counts["stops"] += 1
        bench.check(served=False)
        station.control.arm()
        if recover(bench, words):
            raise Broken("runs_known: the recovery was stopped twice")
    station.control.arm()
    station.start()
    bench.lots.clear()
    state = bench.check(served=True)
    found = list(check.lost_is_spent(state, lost.hardware, lost.serial, lost.fingerprints))
    if found:
        raise Broken("; ".join(f"lost_is_spent: {what}" for what in found))
    bench.make_room(1)
    bench.pass_one()
    bench.settle([])
    bench.reached = reached
    return died


def recover(bench, words):
    """Whether it was stopped. Done once more it may find nothing to do."""
    done = bench.station.watched(*words)
    if done.returncode == -signal.SIGKILL and bench.station.control.fired():
        return True
    if done.returncode and "ledger.not_rolled_back" not in done.stderr:
        raise Broken(f"runs_known: a recovery that was stopped cannot be done again: {done.returncode} {done.stderr}")
    return False
