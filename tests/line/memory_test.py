"""Where plaintext secrets are not: in the daemon's memory outside of locked pages, its files, its core, its answers.

The needles are the passwords of real labels, which is where a person meets a secret, and the PINs: raw, grouped, in hex,
base64 at every alignment, and UTF-16."""

import base64
import os
import pathlib
import re
import resource
import signal
import unittest

from station import ROOT, Problem, Station, Unit, hardware

HELD = ("inject", "prove", "reset_check", "lock")


def forms(secret):
    """Every form of one secret that is searched for."""
    grouped = b"-".join(secret[i:i + 4] for i in range(0, len(secret), 4))
    for plain in {secret, grouped, secret.lower()}:
        yield plain
        yield plain.hex().encode()
        yield plain.hex().upper().encode()
        yield plain.decode().encode("utf-16-le")
        for shift in range(3):
            yield base64.b64encode(b"\0" * shift + plain)[4 if shift else 0:-4]


def needles_of(secrets):
    return {form: secret for secret in secrets for form in forms(secret)}


def passwords(station):
    """What the labels show."""
    found = set()
    for label in (station.dir / "labels").glob("*.zpl"):
        text = re.sub(rb"_([0-9A-Fa-f]{2})", lambda m: bytes.fromhex(m.group(1).decode()), label.read_bytes())
        found |= {f.replace(b"-", b"") for f in re.findall(rb"[2-9A-HJKMNP-Z]{4}(?:-[2-9A-HJKMNP-Z]{4}){3}", text)}
    return found


def pins(station):
    return {(station.dir / name).read_bytes().strip() for name in ("pin", "so-pin")}


def memory(pid):
    """(name, whether its pages are locked and kept out of core dumps, bytes) of every mapping that can be read."""
    maps, current = [], None
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        head = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+\s*(.*)", line)
        if head:
            current = [int(head[1], 16), int(head[2], 16), head[3], head[4] or "anonymous", set()]
            maps.append(current)
        elif line.startswith("VmFlags:"):
            current[4] = set(line.split()[1:])
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
        for begin, end, rights, name, flags in maps:
            if "r" not in rights or name in ("[vvar]", "[vsyscall]"):
                continue
            try:
                mem.seek(begin)
                data = b""
                while len(data) < end - begin and (part := mem.read(end - begin - len(data))):
                    data += part
            except OSError:
                continue
            yield name, {"lo", "dd"} <= flags, data


def files(station):
    """What is left on the disk, but for labels, the PIN files themselves, and the units' own flash."""
    for path in station.dir.rglob("*"):
        inside = path.relative_to(station.dir).parts[0]
        if path.is_file() and not path.is_symlink() and inside not in ("labels", "flash", "pin", "so-pin", "owner"):
            yield str(path), path.read_bytes()


def answers(station):
    """What every GET of the API says."""
    lots = [lot["lot"] for lot in station.get("/lots")["lots"]]
    runs = station.sql("SELECT id FROM run").split()
    serials = station.sql("SELECT serial FROM run WHERE serial <> ''").split()
    path = None
    for line in (ROOT / "schema" / "openapi.yaml").read_text().splitlines():
        if re.match(r"  /\S+:$", line):
            path = line.strip()[:-1].removeprefix("/api/v1")
        elif line == "    get:" and path not in ("/events", None):
            names = re.findall(r"{[a-z_]+}", path)
            for value in (lots + runs + serials + station.slots) if names else [""]:
                url = re.sub(r"{[a-z_]+}", value, path)
                try:
                    reply = station.http("GET", url)
                    yield url, reply if isinstance(reply, bytes) else repr(reply).encode()
                except Problem as refused:
                    yield url, repr(refused.body).encode()


class Memory(unittest.TestCase):
    def station(self, **options):
        # A core would be written if the daemon did not refuse: so that the test can fail.
        before = resource.getrlimit(resource.RLIMIT_CORE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_CORE, before)
        resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
        s = Station(slots=2, **options)
        self.addCleanup(s.close)
        return s.start()

    def search(self, what, found, secrets):
        """Fails where one of `found` (name, bytes) holds one of the secrets."""
        needles, tried, leaks = needles_of(secrets), 0, []
        for name, data in found:
            tried += len(needles)
            leaks += [f"{name}: {data.count(needle)} x {len(needle)} bytes" for needle in needles if needle in data]
        print(f"sweep {what}: tried {tried}, violations {len(leaks)}")
        self.assertGreater(tried, 0)
        self.assertEqual(leaks, [])

    def search_memory(self, what, s, secrets):
        pages = list(memory(s.daemon.pid))
        self.assertTrue(any(locked for _, locked, _ in pages), "no locked memory: where are the secrets?")
        serial = s.sql("SELECT serial FROM run LIMIT 1").encode()
        self.assertTrue(any(serial in data for _, _, data in pages), "the search finds nothing at all")
        self.search(what, [(name, data) for name, locked, data in pages if not locked], secrets)
        return [data for _, locked, data in pages if locked]

    def everywhere(self, what, s, secrets):
        locked = self.search_memory(f"memory {what}", s, secrets)
        self.search(f"files {what}", files(s), secrets)
        self.search(f"answers {what}", answers(s), secrets)
        return locked

    def test_nothing_is_left_after_a_lot(self):
        s = self.station()
        lot = s.open_lot(quantity=20)["lot"]
        for n in range(3):
            units = [Unit(s, slot, hardware(f"memory{slot}{n}")) for slot in s.slots]
            for unit in units:
                self.assertEqual(s.ended(unit.slot, unit.hardware)["ending"], "passed")
                unit.pull()
                s.emptied(unit.slot)
        secrets = passwords(s)
        self.assertEqual(len(secrets), 6)
        self.everywhere("before the lot is closed", s, secrets | pins(s))
        s.post(f"/lots/{lot}/close")
        locked = self.everywhere("after a lot", s, secrets | pins(s))
        self.search("locked memory after a lot", [("secure heap", data) for data in locked], secrets)

    def test_while_a_label_waits(self):
        s = self.station(simulate=False)
        s.open_lot(quantity=20)
        unit = Unit(s, "1", hardware("waits"))
        s.wait(lambda: s.get("/slots")["pending"], "a label to wait for its scan")
        self.everywhere("while a label waits", s, passwords(s) | pins(s))
        unit.pull()

    def test_nothing_is_left_after_a_crash(self):
        s = self.station()
        s.open_lot(quantity=20)
        units = [Unit(s, slot, hardware(f"crash{slot}")) for slot in s.slots]
        for unit in units:
            s.wait(lambda: s.slot(unit.slot)["step"] in HELD, "a unit to be in the middle")
        limits = pathlib.Path(f"/proc/{s.daemon.pid}/limits").read_text()
        self.assertRegex(limits, r"Max core file size\s+0\s+0\s")
        os.kill(s.daemon.pid, signal.SIGSEGV)
        _, status = os.waitpid(s.daemon.pid, 0)
        s.daemon.returncode = -signal.SIGSEGV
        self.assertEqual(os.WTERMSIG(status), signal.SIGSEGV)
        self.assertFalse(os.WCOREDUMP(status), "a core was written")
        left = list(files(s))
        self.assertTrue(any(name.endswith("-wal") for name, _ in left), "a crash leaves the write-ahead log")
        s.start()
        for unit in units:
            self.assertEqual(s.ended(unit.slot, unit.hardware)["ending"], "passed")
        secrets = passwords(s)
        self.assertEqual(len(secrets), 2)
        self.search("files as the crash left them", left, secrets | pins(s))
        self.everywhere("after a crash", s, secrets | pins(s))


if __name__ == "__main__":
    unittest.main(verbosity=2)
