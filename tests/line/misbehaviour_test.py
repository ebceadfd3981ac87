"""Every way in which a unit can be bad ends as the table of endings says, with a code of its own."""

import unittest

from station import SLOW, Problem, Station, Unit, hardware

# word -> options, ending, code, whether it is the firmware (then the lot pauses)
BAD = {
    "accepts-decoy": ((), "quarantine", "login.decoy_accepted", False),
    "accepts-empty": ((), "quarantine", "login.empty_accepted", False),
    "accepts-default": ((), "quarantine", "login.default_accepted", False),
    "ok-without-storing": ((), "quarantine", "inject.not_stored", False),
    "prove-wrong": ((), "quarantine", "prove.failed", False),
    "answers-for-another": ((), "quarantine", "unit.answers_for_another", False),
    "second-key": ((), "quarantine", "hwid.second_key", False),
    "bad-signature": ((), "quarantine", "hwid.cannot_sign", False),
    "lock-leaves-provisioning": ((), "quarantine", "lock.provisioning_open", False),
    "lock-leaves-debug": ((), "quarantine", "lock.debug_open", False),
    "lock-not-kept": ((), "quarantine", "lock.provisioning_open", False),
    "old-firmware": ((), "rework", "unit.old_firmware", False),
    "wrong-model": ((), "rework", "unit.wrong_model", False),
    "boot-open": ((), "rework", "unit.boot_open", False),
    "reset-to-default": ((), "quarantine", "reset.universal_default", True),
    "reset-keeps-user-password": ((), "quarantine", "reset.user_password_kept", True),
    "reset-keeps-marker": ((), "quarantine", "reset.marker_kept", True),
    "reset-loses-identity": ((), "quarantine", "reset.identity_lost", True),
    "reset-changes-identity": ((), "quarantine", "reset.identity_changed", True),
    "reset-own-refused": ((), "quarantine", "reset.own_refused", True),
}
SET_UP = {
    "setup-feature-open": ((), "quarantine", "reset.feature_open", True),
    "setup-accepts-weak": ((), "quarantine", "reset.weak_accepted", True),
}
# The line is bad, the unit is not: a repeated request heals it.
HEALS = {"corrupt-frames": ("--every", "7"), "drop-frames": ("--every", "9"), "repeat-answers": (),
         "slow": ("--slow-ms", "100")}
# Contact that never gets better: retry, again and again, then rework.
NEVER = {"die-in-inject-always": "contact.lost", "not-restarting": "contact.timeout", "old-bid": "contact.timeout"}


class Misbehaviour(unittest.TestCase):
    def setUp(self):
        self.station = Station().start()
        self.addCleanup(self.station.close)

    def check(self, word, row, slot, lot, options=()):
        more, ending, code, firmware = row
        unit = Unit(self.station, slot, hardware(word), "--misbehave", word, *more, *options)
        view = self.station.ended(slot, unit.hardware)
        self.assertEqual((view["ending"], view["code"]), (ending, code), word)
        unit_of = f"(SELECT id FROM unit WHERE hw='{unit.hardware}')"
        run = self.station.sql(f"SELECT count(*) FROM run WHERE unit={unit_of} AND ending='{ending}' AND code='{code}'")
        self.assertEqual(run, "1", word)
        state = self.station.get(f"/lots/{lot}")["state"]
        self.assertEqual(state, "paused" if firmware else "open", word)
        if firmware:
            self.station.post(f"/lots/{lot}/resume")
        burnt = self.station.sql(f"SELECT count(*) FROM fingerprint f WHERE unit={unit_of} AND class='password' AND "
                                 "NOT EXISTS (SELECT 1 FROM burn b WHERE b.fingerprint=f.id)")
        self.assertEqual(burnt, "0", f"{word}: its credential is not burnt")
        self.assertEqual(self.station.sql("SELECT count(*) FROM run_seal"), "0", word)
        self.assertFalse((self.station.dir / "labels" / f"{view['serial']}.zpl").exists(), word)
        unit.pull()
        self.station.emptied(slot)

    def test_each_ends_with_its_own_code(self):
        lot = self.station.open_lot()["lot"]
        tried = 0
        for i, (word, row) in enumerate(BAD.items()):
            with self.subTest(word):
                self.check(word, row, self.station.slots[i % 4], lot)
                tried += 1
        print(f"sweep misbehaviour: tried {tried}, violations {len(BAD) - tried}")

    def test_set_up_state(self):
        product = self.station.product(edits=[
            ('policy = "own_credential"', 'policy = "set_up_state"\nfeature = "relay"'),
            ('capabilities = ["enrol", "inject", "prove", "login", "marker", "factory-reset", "lock"]',
             'capabilities = ["enrol", "login", "feature", "marker", "factory-reset", "lock"]'),
            ('[password]\nname = "admin"\nlength = 16           # of 31 symbols that nobody confuses: 79 bits\n'
             'lockout = 10          # failed logins in a row that the firmware allows\n'
             'known_defaults = ["admin", "password"]\n', "")],
            template=(b"^XA\n^CI28\n^FO40,40^A0N,40,40^FH^FD{{serial}}^FS\n"
                      b"^FO40,120^BXN,6,200^FH^FD{{control}}^FS\n^XZ\n"))
        lot = self.station.open_lot(product)["lot"]
        options = ("--reset-policy", "set_up_state")
        good = Unit(self.station, "1", hardware("set-up"), *options)
        view = self.station.ended("1", good.hardware)
        self.assertEqual((view["ending"], view["code"]), ("passed", None))
        good.pull()
        self.station.emptied("1")
        for word, row in SET_UP.items():
            with self.subTest(word):
                self.check(word, row, "1", lot, options)

    def test_a_bad_line_heals(self):
        self.station.open_lot()
        units = {word: Unit(self.station, slot, hardware(word), "--misbehave", word, *options)
                 for slot, (word, options) in zip(self.station.slots, HEALS.items())}
        for word, unit in units.items():
            with self.subTest(word):
                view = self.station.ended(unit.slot, unit.hardware, 120)
                self.assertEqual((view["ending"], view["code"]), ("passed", None))

    def test_lost_contact_is_retried_then_rework(self):
        self.station.open_lot()
        units = {word: Unit(self.station, slot, hardware(word), "--misbehave", word)
                 for slot, word in zip(self.station.slots, NEVER)}
        for attempt in (1, 2, 3):
            for word, unit in units.items():
                with self.subTest(word, attempt=attempt):
                    view = self.station.ended(unit.slot, unit.hardware, seconds=90)
                    wanted = ("rework", "attempts.exhausted") if attempt == 3 else ("retry", NEVER[word])
                    self.assertEqual((view["ending"], view["code"]), wanted)
                    unit.pull()
            for unit in units.values():
                self.station.emptied(unit.slot)
                if attempt < 3:
                    unit.insert()

    def test_dies_in_mid_inject_and_goes_on(self):
        self.station.open_lot()
        unit = Unit(self.station, "1", hardware("dies"), "--misbehave", "die-in-inject")
        view = self.station.ended("1")
        self.assertEqual((view["ending"], view["code"]), ("retry", "contact.lost"))
        unit.pull()
        self.station.emptied("1")
        unit.insert("2")   # in another slot, too: the run is found by hardware id
        view = self.station.ended("2", unit.hardware)
        self.assertEqual((view["ending"], view["code"]), ("passed", None))
        runs = self.station.sql(f"SELECT count(*) FROM run r JOIN unit u ON u.id=r.unit WHERE u.hw='{unit.hardware}'")
        self.assertEqual(runs, "1")

    def test_garbage_is_trouble_and_begins_nothing(self):
        self.station.open_lot()
        for slot, word in (("1", "garbage"), ("2", "corrupt-always")):
            Unit(self.station, slot, hardware(word), "--misbehave", word)
        for slot in ("1", "2"):
            self.station.wait(lambda s=slot: self.station.slot(s)["code"] == "contact.garbage", "trouble", 60)
            self.assertEqual(self.station.slot(slot)["state"], "trouble")
        self.assertEqual(self.station.sql("SELECT count(*) FROM run"), "0")

    def test_known_default_hardware_ids(self):
        self.station.open_lot()
        for slot, options in (("1", ("--misbehave", "known-default-hwid")), ("2", ())):
            wanted = None if options else "0123456789abcdef"
            Unit(self.station, slot, wanted or hardware("x"), *options)
            view = self.station.ended(slot)
            self.assertEqual((view["ending"], view["code"]), ("quarantine", "hwid.known_default"))

    def test_clones(self):
        self.station.open_lot()
        first = Unit(self.station, "1", hardware("clone"), "--boot-ms", str(400 * SLOW))
        self.station.wait(lambda: self.station.slot("1")["step"] in ("inject", "prove"), "the first to be under way")
        twin = Unit(self.station, "2", hardware("clone"), flash="twin")
        twin_view = self.station.ended("2", first.hardware)
        self.assertEqual((twin_view["ending"], twin_view["code"]), ("quarantine", "hwid.two_slots"))
        view = self.station.ended("1", first.hardware)
        self.assertEqual((view["ending"], view["code"]), ("quarantine", "hwid.two_slots"))
        for unit in (first, twin):
            unit.pull()
            self.station.emptied(unit.slot)
        # Quarantine holds.
        first.insert()
        self.assertEqual(self.station.ended("1", first.hardware)["code"], "unit.quarantined")

    def test_a_passed_unit_comes_back_and_its_clone_too(self):
        self.station.open_lot()
        unit = Unit(self.station, "1", hardware("back"))
        self.assertEqual(self.station.ended("1", unit.hardware)["ending"], "passed")
        unit.pull()
        self.station.emptied("1")
        unit.insert("2")
        view = self.station.ended("2", unit.hardware)
        self.assertEqual((view["ending"], view["code"]), ("passed", "unit.already_passed"))
        unit.pull()
        self.station.emptied("2")
        (self.station.dir / "flash" / unit.hardware).unlink()   # the same id, another chip
        unit.insert()
        view = self.station.ended("2", unit.hardware)
        self.assertEqual((view["ending"], view["code"]), ("quarantine", "hwid.cannot_sign"))

    def test_three_in_a_row_pause_the_slot(self):
        self.station.open_lot()
        for n in range(3):
            unit = Unit(self.station, "1", hardware(f"old{n}"), "--misbehave", "old-firmware")
            self.assertEqual(self.station.ended("1", unit.hardware)["code"], "unit.old_firmware")
            unit.pull()
            self.station.emptied("1")
        good = Unit(self.station, "1", hardware("good"))
        self.station.wait(lambda: self.station.slot("1")["state"] == "paused", "the slot to pause")
        self.assertEqual(self.station.slot("1")["code"], "slot.three_in_a_row")
        self.station.post("/slots/1/resume")
        self.assertEqual(self.station.ended("1", good.hardware)["ending"], "passed")

    def test_a_pass_after_a_restart_ends_the_streak_of_its_slot(self):
        s = self.station
        s.open_lot()
        s.stop()
        s.config.write_text(s.config.read_text().replace("simulate = true", "simulate = false"))
        s.start()
        for n in range(3):
            old = Unit(s, "1", hardware(f"old{n}"), "--misbehave", "old-firmware")
            self.assertEqual(s.ended("1", old.hardware)["code"], "unit.old_firmware", n)
            old.pull()
            s.emptied("1")
            good = Unit(s, "1", hardware(f"good{n}"))
            label = s.wait(lambda: s.get("/slots")["pending"], "a label")[0]
            good.pull()
            s.emptied("1")
            s.stop()
            s.start()
            s.wait(lambda: s.get("/slots")["pending"], "the label again")
            s.post("/scan", {"unit": label["hardware"], "symbol": label["symbol"]})
            s.wait(lambda: s.get(f"/runs/{label['run']}")["ending"] == "passed", "its pass")


if __name__ == "__main__":
    unittest.main(verbosity=2)
