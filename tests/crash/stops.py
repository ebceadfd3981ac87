"""The object that stops a process, seen from the sweep: control.hpp's page, and the processes under it."""

import contextlib
import dataclasses
import mmap
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
import time

from station import BUILD, Station, Unit

OBJECT = BUILD / "tests" / "crash" / "mintmark_stop.so"
KINDS = ("device", "page", "sync", "label", "file", "token", "read", "checkpoint")
HOWS = ("before", "after", "torn", "fail", "hang")
CUTS = ("none", "lose", "some", "tear")
HEAD = struct.Struct("7I32sI8II64s")   # armed ... times, only, fired, counts, steps, what
TRACE = 1 << 16
HOME = tempfile.gettempdir()   # what watches a station stays here when the station is on a disk of its own


@dataclasses.dataclass(frozen=True)
class Stop:
    """The `occurrence`th boundary of a kind, and what happens there."""
    kind: str
    occurrence: int
    how: str = "after"
    cut: str = "none"
    seed: int = 0
    error: int = 0
    times: int = 0
    only: str = ""

    def __str__(self):
        power = "" if self.cut == "none" else f", power cut ({self.cut})"
        return f"{self.how} {self.kind} {self.occurrence}{power}"


class Control:
    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.path.write_bytes(bytes(HEAD.size + TRACE))
        with open(self.path, "r+b") as file:
            self.page = mmap.mmap(file.fileno(), 0)

    def arm(self, stop=None):
        """From here on, boundaries are counted from 1; without a stop they are only counted."""
        self.page[:HEAD.size] = bytes(HEAD.size)
        if stop:
            self.page[4:60] = struct.pack("6I32s", stop.occurrence, HOWS.index(stop.how), CUTS.index(stop.cut),
                                          stop.seed, stop.error, stop.times, stop.only.encode())
            self.page[:4] = struct.pack("I", 1 + KINDS.index(stop.kind))

    def disarm(self):
        """No stop is reached from here on. Whether one was before is known: it may still be under way."""
        self.page[:4] = bytes(4)
        time.sleep(0.02)
        return self.fired()

    def read(self):
        values = HEAD.unpack(self.page[:HEAD.size])
        steps = min(values[17], TRACE)
        return {"fired": values[8], "counts": dict(zip(KINDS, values[9:17])), "what": values[18].rstrip(b"\0").decode(),
                "trace": [KINDS[kind] for kind in self.page[HEAD.size:HEAD.size + steps]]}

    def fired(self):
        return self.read()["fired"]


class StoppableStation(Station):
    """A station whose daemon runs under the object, which is also its PKCS#11 module."""

    def __init__(self, **options):
        super().__init__(demo=False, **options)
        self.watch = pathlib.Path(tempfile.mkdtemp(prefix="mintmark-watch-", dir=HOME))
        self.control = Control(self.watch / "control")
        self.notes = self.watch / "notes"
        text = self.config.read_text()
        self.config.write_text(text.replace("/usr/lib/softhsm/libsofthsm2.so", str(OBJECT)))

    def start(self):
        with self.under_the_object():
            return super().start()

    def watched(self, *words):
        """One command of the station's, which may be stopped as the daemon may."""
        with self.under_the_object():
            return self.mintmark(*words, check=False)

    @contextlib.contextmanager
    def under_the_object(self):
        quiet = self.env
        self.env = {**quiet, "LD_PRELOAD": str(OBJECT), "MINTMARK_STOP": str(self.control.path),
                    "MINTMARK_STOP_DIR": str(self.dir), "MINTMARK_STOP_NOTES": str(self.notes)}
        try:
            yield
        finally:
            self.env = quiet

    def refusal(self):
        """Why the daemon does not start, as who started it hears it."""
        with self.under_the_object():
            said = subprocess.run([str(BUILD / "mintmarkd"), "--config", str(self.config)], env=self.env, text=True,
                                  capture_output=True, timeout=60)
        assert said.returncode == 1, f"mintmarkd ended with {said.returncode}: {said.stderr}"
        return said.stderr

    def close(self, keep=False):
        super().close(keep)
        if keep:
            print("kept:", self.watch)
        else:
            shutil.rmtree(self.watch)


class StoppableUnit(Unit):
    """A unit whose flash and line are under an object of their own."""

    def __init__(self, station, slot, hardware, stop=None, options=(), model="LAMP-3"):
        self.control = Control(station.watch / f"unit-{hardware}")
        self.control.arm(stop)
        self.ends = "passed"
        super().__init__(station, slot, hardware, *options, model=model)

    def mend(self):
        """It behaves from its next start on."""
        at = self.command.index("--misbehave")
        del self.command[at:at + 2]
        self.ends = "passed"

    def environment(self):
        return {**os.environ, "LD_PRELOAD": str(OBJECT), "MINTMARK_STOP": str(self.control.path),
                "MINTMARK_STOP_DIR": str(self.station.dir / "flash")}
