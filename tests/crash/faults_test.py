"""Disks that are full, fail or are taken away, and tokens that are full, while units are under way: the station stops
issuing and says what happened, and when it is mended the line goes on, with the units where they are."""

import contextlib
import errno
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from bench import Bench
from host_test import Manager
from station import Problem
from stops import TRACE, Stop

CKR_DEVICE_MEMORY = 0x31
HELD = ("inject", "prove", "reset_check", "lock")   # the unit is in its slot, and has its secrets
ROOT = [] if os.geteuid() == 0 else ["sudo"]


def as_root(*words, check=True):
    return subprocess.run([*ROOT, *map(str, words)], check=check, capture_output=not check)


class Image:
    """A file system in a file, under a loop device of the kernel's own nodes: a machine's root without udev has none."""

    def __init__(self, test, megabytes=128):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="mintmark-image-"))
        test.addCleanup(shutil.rmtree, self.dir)
        self.disk, nodes, file = (self.dir / name for name in ("disk", "nodes", "file"))
        for mountpoint in (self.disk, nodes):
            mountpoint.mkdir()
        as_root("mount", "-t", "devtmpfs", "none", nodes)
        test.addCleanup(as_root, "umount", nodes)
        with open(file, "wb") as image:
            image.truncate(megabytes << 20)
        subprocess.run(["/usr/sbin/mkfs.ext4", "-q", "-E", f"root_owner={os.geteuid()}:{os.getegid()}", file], check=True)
        self.device = self.free_device(nodes, file)
        test.addCleanup(as_root, "/usr/sbin/losetup", "-d", self.device)
        self.mount()
        test.addCleanup(as_root, "umount", self.disk)

    def free_device(self, nodes, file):
        for device in sorted(nodes.glob("loop[0-9]*")):
            if as_root("/usr/sbin/losetup", device, file, check=False).returncode == 0:
                return device
        raise AssertionError("no loop device is free")

    def mount(self):
        as_root("mount", "-t", "ext4", self.device, self.disk)

    def fail(self):
        """What ext4 does itself after an error of its device. A plain remount is refused while files are open."""
        as_root("mount", "-o", "remount,abort", self.disk)

    def mend(self):
        as_root("umount", self.disk)
        self.mount()


def fill(disk, leave=0):
    """Writes until so many bytes are left, or none."""
    with contextlib.suppress(OSError), open(disk / "ballast", "ab", buffering=0) as ballast:
        while os.statvfs(disk).f_bavail * os.statvfs(disk).f_bsize > leave or not leave:
            ballast.write(bytes(1 << 14))


class Faults(unittest.TestCase):
    def bench(self, name):
        bench = Bench(name)
        self.addCleanup(bench.close)
        bench.pass_one()
        return bench

    def bench_on(self, disk, name):
        """Everything of the station is there. The units are elsewhere, with the sockets that they sit in."""
        before, tempfile.tempdir = tempfile.tempdir, str(disk)
        try:
            bench = Bench(name)
        finally:
            tempfile.tempdir = before
        elsewhere = pathlib.Path(tempfile.mkdtemp(prefix="mintmark-units-"))
        self.addCleanup(shutil.rmtree, elsewhere)
        self.addCleanup(bench.close)
        for name in ("flash", "slots"):
            (elsewhere / name).mkdir()
            shutil.rmtree(bench.station.dir / name)
            (bench.station.dir / name).symlink_to(elsewhere / name)
        bench.station.unit_log.close()
        bench.station.unit_log = open(elsewhere / "units.log", "ab")
        bench.pass_one()
        return bench

    def counts(self, bench):
        """How many boundaries of each kind a unit's passage has."""
        bench.station.control.arm()
        bench.pass_one()
        return bench.station.control.read()["counts"]

    def view(self, bench, unit):
        return bench.station.slot(unit.slot)

    def under_way(self, bench, *options):
        bench.make_room(1)
        unit = bench.seat(options=options)
        bench.station.wait(lambda: self.view(bench, unit)["step"] in HELD, "it to be under way")
        return unit

    def reason(self, bench):
        return bench.station.get("/health").get("reason")

    def passed(self, bench):
        return bench.station.sql("SELECT count(*) FROM run WHERE ending = 'passed'")

    def under_fault(self, bench, stop, codes):
        """A unit meets the fault: its tile says so, and nothing passes. Then it is mended, and the unit passes where it
        sits."""
        bench.make_room(1)
        bench.station.control.arm(stop)
        unit = bench.seat()

        def stuck():
            with contextlib.suppress(Problem):
                for pending in bench.station.get("/slots")["pending"]:
                    bench.station.post("/scan", {"unit": pending["hardware"], "symbol": pending["symbol"]})
            view = self.view(bench, unit)
            return view if bench.station.control.fired() and view["state"] in ("paused", "ended") else None
        view = bench.station.wait(stuck, f"{stop} to show")
        self.assertEqual((view["state"], view["ending"]), ("paused", None), view)
        self.assertIn(view["code"], codes)
        health = bench.station.get("/health")
        self.assertEqual(health["status"], "degraded")
        self.assertIn(health["reason"], codes)
        bench.station.control.arm()
        before = bench.counts["reseats"]
        bench.serve_to_the_end([unit])
        self.assertEqual(bench.counts["reseats"], before, "it went on where it was")
        bench.settle([unit])
        self.assertEqual(bench.station.get("/health")["status"], "ok")

    def restarted(self, bench, unit):
        """Killed and started again, it comes to its end with the unit."""
        bench.station.daemon.kill()
        bench.station.daemon.wait()
        bench.restart()
        bench.serve_to_the_end([unit])
        bench.settle([unit])

    def test_a_ledger_that_cannot_be_written(self):
        bench, tried = self.bench("io"), 0
        counts = self.counts(bench)
        for kind in ("page", "sync"):
            for error, code in ((errno.EIO, "disk.failed"), (errno.EROFS, "disk.failed"), (errno.ENOSPC, "disk.full")):
                for part in (0, 0.25, 0.5, 0.7):   # of a passage, while the unit is in its slot
                    stop = Stop(kind, 1 + int(part * counts[kind]), "fail", error=error)
                    with self.subTest(str(stop), error=error):
                        self.under_fault(bench, stop, (code,))
                        tried += 1
        print(f"sweep faults of the ledger's disk: tried {tried}, violations {24 - tried}")

    def test_a_ledger_that_cannot_be_read(self):
        """Whoever asks is told, no unit passes, and when it can be read again a start goes on with nothing lost."""
        bench = self.bench("unread")
        for n in (1, 20):
            unit, before = self.under_way(bench, "--boot-ms", "1000"), self.passed(bench)
            bench.station.control.arm(Stop("read", n, "fail", error=errno.EIO))

            def told():
                with contextlib.suppress(Problem):
                    bench.station.get("/slots")
                    return ""
                with self.assertRaises(Problem) as refused:
                    bench.station.get("/slots")
                return refused.exception.code
            self.assertEqual(bench.station.wait(told, "the disk to show"), "disk.failed")
            time.sleep(1)
            self.assertEqual(self.passed(bench), before)
            bench.station.control.arm()
            self.restarted(bench, unit)

    def test_a_ledger_that_cannot_be_read_at_the_start(self):
        bench = self.bench("unread-start")
        unit = self.under_way(bench)
        for _ in range(2):   # the first shows how many reads there are
            bench.station.daemon.kill()
            bench.station.daemon.wait()
            bench.restart(Stop("read", TRACE, "fail", error=errno.EIO))
        reads = bench.station.control.read()["counts"]["read"]
        bench.station.daemon.kill()
        bench.station.daemon.wait()
        for part in (0, 0.25, 0.5, 0.75):
            bench.station.control.arm(Stop("read", 1 + int(part * reads), "fail", error=errno.EIO))
            self.assertIn("[disk.failed", bench.station.refusal())
        bench.restart()
        bench.serve_to_the_end([unit])
        bench.settle([unit])

    def test_a_spool_that_cannot_be_written(self):
        bench = self.bench("spool")
        for n in range(1, 6):
            with self.subTest(n=n):
                bench.make_room(1)
                bench.station.control.arm(Stop("label", n, "fail", error=errno.ENOSPC))
                unit = bench.seat()
                health = bench.station.get("/health")
                until = time.monotonic() + 20
                while health["status"] == "ok" and time.monotonic() < until:
                    bench.serve([unit], 0.1)
                    health = bench.station.get("/health")
                self.assertEqual((health["status"], health.get("reason")), ("degraded", "label.sink"))
                bench.station.control.arm()
                bench.serve_to_the_end([unit])
                bench.settle([unit])

    def test_killed_while_the_disk_fails(self):
        bench = self.bench("killed")
        pages = self.counts(bench)["page"]
        for part in (0, 0.2, 0.5, 0.7):
            bench.make_room(1)
            bench.station.control.arm(Stop("page", 1 + int(part * pages), "fail", error=errno.EIO))
            unit = bench.seat()
            until = time.monotonic() + 20
            while not bench.station.control.fired() and time.monotonic() < until:
                bench.serve([unit], 0.1)
            self.assertTrue(bench.station.control.fired())
            self.restarted(bench, unit)

    def test_given_up_while_the_disk_fails(self):
        """The run's end is on the disk; that the slot has seen it end is not. The slot is free all the same."""
        bench = self.bench("given-up")
        bench.make_room(2)
        unit = bench.seat(options=("--boot-ms", "2000"))
        run = bench.station.wait(lambda: (lambda v: v["step"] == "prove" and v["run"])(self.view(bench, unit)),
                                 "it to restart")
        bench.station.control.arm(Stop("sync", 2, "fail", error=errno.EIO))
        bench.abandon({"run": run})
        view = bench.station.wait(lambda: (lambda v: v["state"] == "ended" and v)(self.view(bench, unit)), "it to end")
        self.assertTrue(bench.station.control.fired())
        self.assertEqual(view["code"], "run.abandoned")
        bench.station.control.arm()
        unit.pull()
        bench.numbers -= 1   # the same slot again
        other = bench.seat()
        bench.serve_to_the_end([other])
        bench.settle([other])

    def test_a_label_that_may_have_come_out(self):
        """Killed when the attempt is counted and nothing is printed yet: whoever has it in the hand is asked, or has not."""
        bench = self.bench("uncertain")
        bench.make_room(1)
        bench.station.control.arm(Stop("label", 1, "before"))
        unit = bench.seat()
        self.assertFalse(bench.serve([unit]))
        bench.must_be_ours()
        bench.restart()
        self.assertTrue(bench.waiting(unit)["uncertain"])
        bench.serve_to_the_end([unit])
        self.assertEqual(bench.counts["voids"], 1)
        bench.settle([unit])

    def test_a_full_disk(self):
        disk = pathlib.Path(tempfile.mkdtemp(prefix="mintmark-disk-"))
        as_root("mount", "-t", "tmpfs", "-o", f"size=96m,mode=0700,uid={os.geteuid()}", "none", disk)
        self.addCleanup(disk.rmdir)
        self.addCleanup(as_root, "umount", disk)
        bench = self.bench_on(disk, "full")
        bench.make_room(1)
        fill(disk, 4 << 20)   # most of it before, and the rest in no time
        unit = bench.seat()
        bench.station.wait(lambda: self.view(bench, unit)["step"] in HELD, "it to be under way")
        fill(disk)
        view = bench.station.wait(lambda: (lambda v: v["code"] and v)(self.view(bench, unit)), "the full disk to show")
        self.assertEqual((view["state"], view["code"]), ("paused", "disk.full"))
        time.sleep(1)
        (disk / "ballast").unlink()
        bench.serve_to_the_end([unit])
        self.assertEqual(bench.counts["reseats"], 0)
        bench.settle([unit])

    @staticmethod
    def doctor_on_the_disk(station):
        said = station.mintmark("doctor", check=False).stdout
        return next(line for line in said.splitlines() if line.startswith("WRONG disk"))

    def test_a_disk_that_becomes_read_only(self):
        """Under open files, as ext4 makes it. Nothing can be stored, the station does not start, and what it had
        acknowledged is there when the disk is mended."""
        image = Image(self)
        bench = self.bench_on(image.disk, "read-only")
        station, order = bench.station, bench.order()
        unit = self.under_way(bench)
        subprocess.run(["sync", "-f", image.disk], check=True)   # the token's files, which SoftHSM2 does not
        image.fail()
        view = station.wait(lambda: (lambda v: v["code"] and v)(self.view(bench, unit)), "the disk to show")
        self.assertEqual((view["state"], view["code"]), ("paused", "disk.failed"))
        self.assertEqual(station.get("/health")["reason"], "disk.failed")
        with self.assertRaises(Problem) as refused:
            station.open_lot(**order)
        self.assertEqual(refused.exception.code, "token.full")   # its files are there, too
        backup = station.mintmark("ledger", "backup", station.dir / "copy.db", check=False)
        self.assertIn("[disk.failed", backup.stderr)
        export = station.mintmark("export", station.dir / "evidence", check=False)
        self.assertIn("[disk.failed", export.stderr)
        self.assertIn("Read-only file system", self.doctor_on_the_disk(station))
        station.daemon.kill()
        station.daemon.wait()
        self.assertIn("Read-only file system", self.doctor_on_the_disk(station))
        self.assertIn("Read-only file system", station.refusal())
        image.mend()
        bench.restart()
        bench.serve_to_the_end([unit])
        bench.settle([unit])
        bench.close_lot()
        bench.lots["lamp"] = station.open_lot(**order)["lot"]
        bench.pass_one()
        bench.settle([])

    def test_a_ledger_that_is_taken_away(self):
        """Its file is removed, or an older copy put in its place: nothing more is issued until the daemon has started anew,
        with the files that it had."""
        bench = self.bench("moved")
        home = bench.station.dir
        for name, copy in (("ledger.db", False), ("ledger.db", True), ("ledger.db-wal", False)):
            with self.subTest(name, copy=copy):
                unit = self.under_way(bench)
                os.rename(home / name, home / "aside")
                if copy:
                    shutil.copy(home / "aside", home / name)
                view = bench.station.wait(lambda: (lambda v: v["code"] and v)(self.view(bench, unit)), "it to show")
                self.assertEqual(view["code"], "ledger.replaced")
                health = lambda: bench.station.get("/health").get("reason")
                bench.station.wait(lambda: health() == "ledger.replaced", "health to say so")
                os.rename(home / "aside", home / name)
                self.restarted(bench, unit)

    def test_a_token_that_is_full(self):
        bench = self.bench("token")
        bench.close_lot()
        order = bench.order()
        bench.station.control.arm(Stop("token", 1, "fail", error=CKR_DEVICE_MEMORY, only="C_GenerateKey"))
        with self.assertRaises(Problem) as refused:
            bench.station.open_lot(**order)
        self.assertEqual(refused.exception.code, "token.full")
        bench.station.control.arm()
        bench.lots["lamp"] = bench.station.open_lot(**order)["lot"]
        bench.pass_one()
        bench.settle([])

    def test_a_token_without_room_for_the_anchor(self):
        """A checkpoint is due in the middle of the line, and the token cannot keep it: nothing more is issued until it
        can, and then it is kept there."""
        bench = self.bench("anchor")
        bench.make_room(4)
        bench.station.control.arm(Stop("token", 1, "fail", error=CKR_DEVICE_MEMORY, only="C_CreateObject"))
        while not bench.station.control.fired():
            unit = bench.seat()
            bench.serve([unit], 2)
            unit.pull()
        bench.station.wait(lambda: self.reason(bench) == "token.full", "the token to show")
        unit, before = bench.seat(), self.passed(bench)
        view = bench.station.wait(lambda: (lambda v: v["code"] and v)(self.view(bench, unit)), "it to wait")
        self.assertEqual((view["state"], view["code"]), ("paused", "token.full"))
        until = time.monotonic() + 4
        while time.monotonic() < until:
            self.assertEqual((self.reason(bench), self.passed(bench)), ("token.full", before))
            time.sleep(0.05)
        bench.station.control.arm()
        bench.serve_to_the_end([unit])
        bench.settle([unit])
        newest = bench.station.sql("SELECT max(size) FROM checkpoint")
        self.assertIn(f"is in the token, up to entry {newest},", bench.station.mintmark("doctor", check=False).stdout)

    def test_a_loop_that_hangs(self):
        """A device's driver does not come back: the pings that keep a watchdog quiet end, though the process lives;
        killed for it, as systemd does, and started again, the station goes on."""
        bench = self.bench("hangs")
        station = bench.station
        station.stop()
        manager = Manager(station, 400_000)
        self.addCleanup(manager.socket.close)
        station.start()
        unit = self.under_way(bench, "--boot-ms", "1000")
        self.assertFalse(manager.silent(2))
        station.control.arm(Stop("device", 1, "hang"))
        station.wait(station.control.fired, "the loop to hang")
        self.assertTrue(manager.silent(2))
        self.assertIsNone(station.daemon.poll())
        station.daemon.send_signal(signal.SIGABRT)
        self.assertEqual(station.daemon.wait(20), -signal.SIGABRT)
        bench.restart()
        manager.hears("READY=1")
        manager.hears("WATCHDOG=1")
        bench.serve_to_the_end([unit])
        bench.settle([unit])

    def test_a_key_without_its_lot(self):
        """Killed when the lot's key is made, and the lot is not yet committed: the next start destroys it."""
        bench = self.bench("stray")
        bench.close_lot()
        tokens = lambda: sum(1 for _ in (bench.station.dir / "token").rglob("*.object"))
        before, order = tokens(), bench.order()
        bench.station.control.arm(Stop("token", 1, only="C_GenerateKey"))
        self.assertFalse(bench.answers(lambda: bench.station.open_lot(**order)))
        bench.must_be_ours()
        self.assertEqual(tokens(), before + 1)
        bench.restart()
        bench.station.wait(lambda: tokens() == before, "the key to be destroyed")
        bench.lots["lamp"] = bench.station.open_lot(**order)["lot"]
        bench.pass_one()
        bench.settle([])


if __name__ == "__main__":
    unittest.main(verbosity=2)
