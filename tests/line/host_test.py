"""The daemon as a guest of its machine: sandboxed, watched, alone with its ledger and its port."""

import pathlib
import re
import select
import signal
import socket
import subprocess
import unittest

from ledger_test import refusal
from station import ROOT, Station

SERVICE = ROOT / "deploy/systemd/mintmarkd.service"


class Sandbox(unittest.TestCase):
    def test_the_service_is_exposed_to_little(self):
        said = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=20", str(SERVICE)],
                              text=True, capture_output=True)
        verdict = re.search(r"Overall exposure level for .*: ([0-9.]+)", said.stdout)
        self.assertIsNotNone(verdict, said.stderr)
        print("note systemd-analyze security:", verdict[1])
        self.assertEqual(said.returncode, 0, said.stdout[-600:])
        self.assertLessEqual(float(verdict[1]), 2.0)

    def test_the_service_says_who_runs_it_and_when_it_is_dead(self):
        lines = SERVICE.read_text().splitlines()
        for line in ("User=mintmark", "Type=notify", "LimitCORE=0", "Restart=on-failure"):
            self.assertIn(line, lines)
        self.assertTrue(any(re.fullmatch(r"WatchdogSec=\d+", line) for line in lines))
        self.assertTrue(any(line.startswith("LoadCredential=token-pin:") for line in lines))


class Manager:
    """What systemd is to a daemon of Type=notify with a watchdog."""

    def __init__(self, station, microseconds):
        self.path = station.dir / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.socket.settimeout(20)
        station.env = {**station.env, "NOTIFY_SOCKET": str(self.path), "WATCHDOG_USEC": str(microseconds)}

    def hears(self, word):
        while True:
            said = self.socket.recv(256).decode()
            if word in said.splitlines():
                return

    def silent(self, seconds):
        """Whether nothing more comes, once all is read that had come already."""
        while select.select([self.socket], [], [], 0)[0]:
            self.socket.recv(256)
        return not select.select([self.socket], [], [], seconds)[0]


class Daemon(unittest.TestCase):
    def setUp(self):
        self.station = Station(slots=1)
        self.addCleanup(self.station.close)

    def test_it_tells_its_manager_that_it_lives(self):
        manager = Manager(self.station, 400_000)
        self.addCleanup(manager.socket.close)
        self.station.start()
        manager.hears("READY=1")
        for _ in range(3):
            manager.hears("WATCHDOG=1")
        self.station.stop()
        manager.hears("STOPPING=1")

    def test_the_pin_is_a_credential(self):
        credentials = self.station.dir / "credentials"
        credentials.mkdir(mode=0o700)
        (self.station.dir / "pin").rename(credentials / "token-pin")
        text = self.station.config.read_text()
        self.station.config.write_text(re.sub(r"&pin-source=file:[^\"]*", "", text))
        self.station.env = {**self.station.env, "CREDENTIALS_DIRECTORY": str(credentials)}
        self.station.start()
        limits = pathlib.Path(f"/proc/{self.station.daemon.pid}/limits").read_text()
        self.assertRegex(limits, r"Max core file size +0 +0 ")

    def test_one_daemon_for_a_ledger_and_for_a_port(self):
        self.station.start()
        self.station.open_lot()
        self.assertIn("[ledger.locked", refusal(self.station))
        other = Station(slots=1)
        self.addCleanup(other.close)
        (other.dir / "mintmarkd.log").touch()
        other.config.write_text(other.config.read_text().replace(f":{other.port}", f":{self.station.port}"))
        self.assertIn("[http.listen", refusal(other))
        self.station.passes("beside")

    def test_a_lock_does_not_outlive_its_daemon(self):
        self.station.start()
        self.station.open_lot()
        self.station.daemon.send_signal(signal.SIGKILL)
        self.station.daemon.wait()
        self.assertTrue((self.station.dir / "mintmark.sock").exists(), "left behind")
        self.station.start()
        self.station.passes("after")


if __name__ == "__main__":
    unittest.main()
