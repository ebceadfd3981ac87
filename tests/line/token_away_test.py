"""The token goes away in mid-run and comes back: runs wait or stop as configured, everybody is told, and the work goes
on by itself. The token is SoftHSM2, whose directory is moved away."""

import json
import os
import socket
import threading
import unittest

from station import Station, Unit, UnixConnection, hardware

HELD = ("prove", "reset_check", "lock")   # the unit is in the middle of it


class Events:
    """What an event stream said of the station, in order."""

    def __init__(self, station):
        self.tokens, self.connection = [], UnixConnection(station.dir / "mintmark.sock")
        self.connection.request("GET", "/api/v1/events")
        self.socket = self.connection.sock
        self.reply = self.connection.getresponse()
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.reply.close()
        self.socket.close()

    def read(self):
        name = ""
        try:
            for line in self.reply:
                if line.startswith(b"event:"):
                    name = line.split(b":", 1)[1].strip().decode()
                elif line.startswith(b"data:") and name == "station":
                    station = json.loads(line.split(b":", 1)[1])
                    self.tokens.append((station["token"], station["token_code"]))
        except (OSError, ValueError, AttributeError):
            pass


class TokenAway(unittest.TestCase):
    def station(self, slots=3, when_away=None):
        s = Station(slots=slots)
        self.addCleanup(s.close)
        if when_away:
            s.config.write_text(s.config.read_text().replace("[http]", f'when_away = "{when_away}"\n[http]'))
        s.start()
        s.open_lot(quantity=20)
        return s

    def away(self, s):
        os.rename(s.dir / "token", s.dir / "token-gone")

    def back(self, s):
        os.rename(s.dir / "token-gone", s.dir / "token")

    def token(self, s):
        return s.get("/slots")["station"]["token"]

    def says(self, s, word):
        s.wait(lambda: self.token(s) == word, f"the token to be {word}")

    def in_the_middle(self, s, *units):
        for unit in units:
            s.wait(lambda: s.slot(unit.slot)["step"] in HELD, f"slot {unit.slot} to be in the middle")

    def paused(self, s, *slots):
        for slot in slots:
            view = s.wait(lambda: (lambda v: v if v["state"] == "paused" else None)(s.slot(slot)), f"slot {slot} to pause")
            self.assertIn(view["code"], ("token.away", "token.missing"), view)

    def passed_at_once(self, s, *units):
        for unit in units:
            view = s.ended(unit.slot, unit.hardware, seconds=90)
            self.assertEqual(view["ending"], "passed", view)
        self.assertEqual(s.sql("SELECT count(*) FROM run"), str(len(units)), "one run for each unit")
        self.assertEqual(s.sql("SELECT max(attempts) FROM run"), "0", "no contact fault")
        self.assertEqual(s.sql("SELECT max(attempt) FROM label_attempt"), "1", "no label twice")

    def test_runs_wait_in_their_slots_and_go_on(self):
        s = self.station(slots=4)
        events = Events(s)
        self.addCleanup(events.close)
        units = [Unit(s, slot, hardware(f"wait{slot}")) for slot in ("1", "2", "3")]
        self.in_the_middle(s, *units)
        self.away(s)
        self.paused(s, "1", "2", "3")
        serials = [s.slot(n)["serial"] for n in ("1", "2", "3")]
        self.assertTrue(all(serials), "a waiting run keeps its serial in sight")
        late = Unit(s, "4", hardware("late"))
        self.paused(s, "4")
        health = s.get("/health")
        self.assertEqual(health["status"], "degraded")
        self.assertIn(health["reason"], ("token.away", "token.missing"))
        self.assertEqual(self.token(s), "away")
        check = next(c for c in s.get("/doctor")["checks"] if c["name"] == "token")
        self.assertFalse(check["ok"])
        self.assertIn("wait in their slots", check["says"])
        self.back(s)
        self.passed_at_once(s, *units, late)
        self.assertEqual([s.slot(n)["serial"] for n in ("1", "2", "3")], serials)
        self.says(s, "ok")
        self.assertEqual(s.get("/health")["status"], "ok")
        s.wait(lambda: ("ok", None) in events.tokens and any(t == "away" and code for t, code in events.tokens),
               "events to tell of the absence and of its end")

    def test_slots_stop_where_the_station_says_so(self):
        s = self.station(slots=2, when_away="stop")
        stays, leaves = Unit(s, "1", hardware("stays")), Unit(s, "2", hardware("leaves"))
        self.in_the_middle(s, stays, leaves)
        self.away(s)
        self.paused(s, "1", "2")
        self.assertIn("let their units go", next(c["says"] for c in s.get("/doctor")["checks"] if c["name"] == "token"))
        leaves.pull()
        s.emptied("2")
        self.back(s)
        self.assertEqual(s.ended("1", stays.hardware, seconds=90)["ending"], "passed")
        leaves.insert()
        self.passed_at_once(s, stays, leaves)

    def test_a_unit_that_leaves_meanwhile_keeps_its_run(self):
        s = self.station(slots=1)
        unit = Unit(s, "1", hardware("leaves"))
        self.in_the_middle(s, unit)
        run = s.slot("1")["run"]
        self.away(s)
        self.paused(s, "1")
        unit.pull()
        s.emptied("1")
        stranger = Unit(s, "1", hardware("stranger"))   # in the slot where the run waited
        self.paused(s, "1")
        self.back(s)
        self.assertEqual(s.ended("1", stranger.hardware, seconds=90)["ending"], "passed")
        stranger.pull()
        s.emptied("1")
        unit.insert()
        self.assertEqual(s.ended("1", unit.hardware, seconds=90)["ending"], "passed")
        self.assertEqual(s.get(f"/runs/{run}")["ending"], "passed", "the same run, resumed")

    def test_an_idle_station_notices_too(self):
        s = self.station(slots=1)
        self.away(s)
        self.says(s, "away")
        self.back(s)
        self.says(s, "ok")

    def test_a_pin_that_no_longer_fits_is_tried_once(self):
        s = self.station(slots=1)
        self.away(s)
        self.says(s, "away")
        (s.dir / "pin").write_text("0000\n")
        self.back(s)
        pin = ("token.pin", "token.pin_marked")   # refused; and then not even tried
        code = lambda: s.get("/slots")["station"]["token_code"]
        s.wait(lambda: code() in pin, "the PIN to be refused")
        self.assertTrue((s.dir / "pin-refused").exists())
        refused = (s.dir / "pin-refused").read_text()
        unit = Unit(s, "1", hardware("pin"))
        s.wait(lambda: s.slot("1")["code"] in pin, "the slot to say why it waits")
        self.assertEqual((s.dir / "pin-refused").read_text(), refused, "no second try")
        self.assertIn(code(), pin)
        unit.pull()


if __name__ == "__main__":
    unittest.main(verbosity=2)
