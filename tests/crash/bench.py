"""A line that is stopped dead again and again, and its operator: seats units, scans labels, reseats what lost contact,
and never touches the ledger. After every stop, and when the line has come to its end, everything is checked."""

import collections
import contextlib
import http.client
import random
import time

import check
from ceremony_test import appoint
from products import PRODUCTS
from station import Problem, hardware
from stops import StoppableStation, StoppableUnit

PATIENCE = 90       # seconds in which the line must come to an end
MOST_RESEATS = 4    # of one unit after one stop
SLOTS = 4
MOST_FOR_A_CHECKPOINT = 12   # units
LOT = 30            # units in a lot, after which one more is refused


class Broken(Exception):
    """An invariant does not hold, or the line does not go on."""


def words_of(entry):
    return f"{entry['type']} {entry['step']}" if entry["type"].startswith("step.") else entry["type"]


class Bench:
    def __init__(self, name):
        self.name, self.numbers = name, 0   # of units, so that each has a hardware id of its own
        self.station = StoppableStation(slots=SLOTS, extra_config="[journal]\ncheckpoint_every = 50\n")
        self.counts = collections.Counter()
        self.last_entries, self.acknowledged, self.before = collections.Counter(), [], None
        self.reached = None   # boundaries, by what was settled last
        self.exchanged = collections.Counter()   # the step at which a unit was taken out
        self.cut = set()   # units
        self.station.control.arm()
        self.station.start()
        self.officers = None   # the tokens of two
        self.lots = {}         # that are open, by product
        self.open_lot()

    def close(self, keep=False):
        self.station.close(keep)

    # --- people's work

    def order(self, product="lamp"):
        text, templates = PRODUCTS[product].files
        first = 1 + 1000 * len(self.station.get("/lots")["lots"])
        order = self.station.order(text, quantity=LOT, spares=0,
                                   serials=[{"first": f"SN-{first:06}", "last": f"SN-{first + 999:06}"}])
        return {"product": (text, templates), "order": order, "signature": self.station.sign(order)}

    def open_lot(self, product="lamp"):
        self.lots[product] = self.station.open_lot(**self.order(product))["lot"]

    def close_lot(self, product="lamp"):
        self.station.post(f"/lots/{self.lots.pop(product)}/close")

    def fill_lot(self, product):
        """One unit more than the owner ordered is refused."""
        while self.admitted(product) < LOT:
            self.pass_one(product)
        extra = self.seat(product=product)
        view = self.station.ended(extra.slot, extra.hardware)
        if view["code"] != "lot.full":
            raise Broken(f"quota_held: one unit more than ordered ended {view['ending']} {view['code']}")
        extra.pull()

    def make_room(self, units, product="lamp"):
        if product not in self.lots:
            self.open_lot(product)
        if self.admitted(product) + units > LOT:
            self.fill_lot(product)
            self.close_lot(product)
            self.open_lot(product)

    def admitted(self, product):
        return self.station.get(f"/lots/{self.lots[product]}")["admitted"]

    def pass_one(self, product="lamp"):
        unit = self.seat(product=product)
        self.serve_to_the_end([unit])
        unit.pull()

    def seat(self, stop=None, options=(), product="lamp"):
        self.numbers += 1
        slot = self.station.slots[self.numbers % SLOTS]
        self.station.emptied(slot)
        return self.unit(slot, f"{self.name}-{self.numbers}", product, stop, options)

    def unit(self, slot, name, product, stop=None, options=()):
        made = PRODUCTS[product]
        return StoppableUnit(self.station, slot, hardware(name), stop, (*made.options, *options), made.model)

    def scan_what_waits(self):
        line = self.station.get("/slots")
        for pending in line["pending"]:
            if pending["symbol"]:
                self.scan(pending)
        return line

    def scan(self, pending):
        """The label in hand is scanned; one that did not come out, or only in part, is voided and comes again."""
        wanted = tuple(pending["symbol"].split(":")[1:])
        files = [check.Label(path) for path in (self.station.dir / "labels").glob("*.zpl")]
        there = any(label.whole and label.symbol == (wanted[0], wanted[1], int(wanted[2])) for label in files)
        try:
            if there:
                self.station.post("/scan", {"unit": pending["hardware"], "symbol": pending["symbol"]})
            else:
                self.station.post("/labels/void", {"symbol": pending["symbol"], "reason": "nothing came out"})
                self.counts["voids"] += 1
        except Problem as refused:   # a crash may have kept the answer from us, and not the act
            if refused.code not in ("scan.already", "scan.void", "run.ended", "ledger.duplicate"):
                raise Broken(f"labels_counted: {pending['symbol']}: {refused}") from refused
            return
        self.acknowledged.append((*wanted[:2], int(wanted[2]), "applied" if there else "void"))

    def reseat(self, unit):
        """Taken out and put in again; one whose power was cut may be back before anybody saw it go."""
        dead = unit.process.poll() is not None
        unit.pull()
        if not dead or self.numbers % 2:
            self.station.emptied(unit.slot)
        unit.insert()
        self.counts["reseats"] += 1

    def serve(self, units, seconds=None):
        """Until every unit has ended as it is to end, or for so long: True. False where the daemon has died meanwhile."""
        began, reseats, left, line = time.monotonic(), 0, list(units), {}
        while left and (seconds is None or time.monotonic() < began + seconds):
            if self.station.daemon.poll() is not None:
                return False
            try:
                line = self.scan_what_waits()
                views = {view["slot"]: view for view in line["slots"]}
                reseats += sum(self.attend(unit, views[unit.slot], left) for unit in list(left))
            except (OSError, http.client.HTTPException):
                self.station.daemon.wait(10)   # its answers end when it does
            except AssertionError as stuck:
                if self.station.daemon.poll() is None:
                    raise Broken(f"runs_known: {stuck}") from stuck
            if time.monotonic() > began + PATIENCE or reseats > MOST_RESEATS * len(units):
                raise Broken(f"runs_known: the line does not come to its end: {line}")
            time.sleep(0.01)
        return True

    def attend(self, unit, view, left):
        """What the tile of its slot asks for; whether the unit was seated again."""
        mine = (view["hardware"] or "").endswith(unit.hardware) and view["state"] == "ended"
        if mine and view["ending"] == unit.ends:
            left.remove(unit)
        elif mine and view["ending"] not in (None, "retry"):
            raise Broken(f"runs_known: unit {unit.hardware} ended {view['ending']} {view['code']}")
        elif mine or unit.process.poll() is not None:
            self.reseat(unit)
            return True
        return False

    # --- after a stop

    def check(self, served):
        state, found = self.look(served)
        if found:   # a unit may be at work on what the daemon said last
            time.sleep(0.5)
            state, found = self.look(served)
        if found:
            raise Broken("; ".join(f"{invariant}: {what}" for invariant, what in found))
        self.before = state
        self.counts["checks"] += 1
        return state

    def look(self, served):
        state = check.State(self.station.dir, self.station.notes, served, self.cut)
        found = check.violations(state, self.before)
        told = {(row["serial"], row["place"], row["attempt"], row["event"]) for row in state.ledger.label_event}
        found += [("nothing_vanished", f"{act}: was acknowledged, and is gone") for act in self.acknowledged
                  if act not in told]
        return state, found

    def restart(self, stop=None):
        """The daemon is dead: what it left is looked at, and it is started again."""
        self.counts["stops"] += 1
        state = self.check(served=False)
        self.last_entries[words_of(state.ledger.entries[-1])] += 1
        while True:
            self.station.control.arm(stop)
            self.counts["restarts"] += 1
            with contextlib.suppress(AssertionError):
                self.station.start()
            if self.station.daemon.poll() is None:
                return
            self.must_be_ours()
            self.counts["stops"] += 1
            self.check(served=False)
            stop = None

    # --- what is tried: each a stop, and the way back. Whether it came to be is the answer.

    def passage(self, stop, then="", unit_stop=None, product="lamp"):
        """A stop in one unit's passage. `then` is what happens before the daemon is back: nothing; the unit's power is
        cut, too; or another unit is put into its place, and the first comes back elsewhere. `unit_stop` is one of the
        unit itself, whose power comes back as soon as somebody looks; with `then`, `exchange` says what becomes of it."""
        if unit_stop and then:
            return self.exchange(unit_stop, then, product)
        self.make_room(2 if then == "swap" else 1, product)
        self.station.control.arm(stop)
        unit = self.seat(unit_stop, product=product)
        self.cut.update([unit.hardware] if unit_stop else [])
        units = [unit]
        died = not self.serve(units)
        if died:
            self.must_be_ours()
            if then == "cut":
                self.cut.add(unit.hardware)
                unit.process.kill()
                unit.process.wait()
            elif then == "swap":
                unit.pull()
                units.insert(0, self.unit(unit.slot, f"{self.name}-{self.numbers}-other", product))
            self.restart()
            self.serve_to_the_end(units[:1])
            if then == "swap":
                unit.insert(self.station.slots[(self.numbers + 1) % SLOTS])
                self.serve_to_the_end([unit])
        cut = bool(unit_stop) and unit.control.fired()
        self.counts["units cut"] += bool(cut) + (died and then == "cut")
        self.counts["stops"] += bool(cut)
        self.counts["swapped"] += died and then == "swap"
        self.settle(units)
        return died or cut

    def exchange(self, unit_stop, then, product):
        """The station lives, a unit's power is cut, and another one is put into its slot: a new one (`swap`), or one that
        has passed (`swap passed`). The first comes back elsewhere."""
        self.make_room(2, product)
        other = self.passed(product) if then == "swap passed" else None
        self.station.control.arm()
        unit = self.seat(unit_stop, product=product)
        self.cut.add(unit.hardware)
        cut = self.serve_until_cut(unit)
        if cut:
            self.counts["stops"] += 1
            self.counts["units cut"] += 1
            self.put_into_its_place(unit, other, product)
            unit.insert(self.station.slots[(self.numbers + 1) % SLOTS])
        self.serve_to_the_end([unit])
        self.settle([unit])
        return cut

    def passed(self, product):
        unit = self.seat(product=product)
        self.serve_to_the_end([unit])
        self.settle([unit])
        self.station.emptied(unit.slot)
        return unit

    def serve_until_cut(self, unit):
        """False where it passes first."""
        until = time.monotonic() + PATIENCE
        while unit.process.poll() is None:
            line = self.scan_what_waits()
            view = next(view for view in line["slots"] if view["slot"] == unit.slot)
            if (view["hardware"] or "").endswith(unit.hardware) and view["ending"] == "passed":
                return False
            if time.monotonic() > until:
                raise Broken(f"runs_known: the line does not come to its end: {line}")
            time.sleep(0.01)
        return True

    def put_into_its_place(self, unit, other, product):
        """As often as not before anybody saw the first one go, which is judged while it lies beside the fixture."""
        unit.pull()
        if self.numbers % 2:
            self.station.emptied(unit.slot)
        if other:
            other.insert(unit.slot)
        else:
            other = self.unit(unit.slot, f"{self.name}-{self.numbers}-other", product)
        self.serve_to_the_end([other])
        ledger = self.check(served=True).ledger
        self.exchanged[next((run["next"] for run in ledger.runs_of(unit.hardware)), "identify")] += 1
        self.counts["swapped"] += 1
        other.pull()

    def start(self, stop):
        """Killed in mid-run, and stopped again while it comes back."""
        self.make_room(1)
        unit = self.seat()
        self.serve([unit], random.Random(stop.seed).uniform(0.1, 0.6))
        self.station.daemon.kill()
        self.station.daemon.wait()
        before = self.counts["stops"]
        self.restart(stop)
        self.serve_to_the_end([unit])
        self.settle([unit])
        return self.counts["stops"] > before + 1

    def lot_opened(self, stop):
        self.close_lot()
        order = self.order()
        self.station.control.arm(stop)
        died = not self.answers(lambda: self.station.open_lot(**order))
        if died:
            self.must_be_ours()
            self.restart()
        lots = [lot for lot in self.station.get("/lots")["lots"]
                if lot["state"] == "open" and lot["lot"] not in self.lots.values()]
        if not lots:
            lots = [self.station.open_lot(**order)]
        self.lots["lamp"] = lots[0]["lot"]
        self.settle([])
        return died

    def lot_closed(self, stop):
        self.station.control.arm(stop)
        lot = f"/lots/{self.lots['lamp']}"
        close = f"{lot}/close"
        died = not self.answers(lambda: self.station.post(close))
        if died:
            self.must_be_ours()
            self.restart()
        if self.station.get(lot)["state"] != "closed":
            self.station.post(close)
        self.settle([])
        self.open_lot()
        return died

    def waiting(self, unit):
        """Its label, when it has come so far."""
        find = lambda: [label for label in self.station.get("/slots")["pending"] if label["hardware"].endswith(unit.hardware)]
        return self.station.wait(find, "a label to scan")[0]

    def abandon(self, label):
        self.station.post(f"/runs/{label['run']}/abandon", {"reason": "end of shift"})

    def run_abandoned(self, stop):
        """A lead gives up a unit that waits for its label elsewhere: what it was given is burnt."""
        self.make_room(1)
        unit = self.seat()
        label = self.waiting(unit)
        unit.pull()
        self.station.emptied(unit.slot)
        self.station.control.arm(stop)
        before = self.counts["stops"]
        given_up = lambda: self.station.get(f"/runs/{label['run']}")["ending"] or self.abandon(label)
        self.surely(given_up)
        self.settle([])
        return self.counts["stops"] > before

    def log_carried_over(self, stop):
        """SQLite's own checkpoint, in the midst of a unit's passage: one comes with every so many of them."""
        self.make_room(MOST_FOR_A_CHECKPOINT)
        before = self.counts["stops"]
        self.station.control.arm(stop)
        units = []
        while self.counts["stops"] == before and len(units) < MOST_FOR_A_CHECKPOINT:
            if self.station.control.read()["counts"]["checkpoint"]:
                break   # one that had fewer boundaries
            units.append(self.seat())
            self.serve_to_the_end(units[-1:])
            units[-1].pull()
        self.settle([])
        return self.counts["stops"] > before

    def ended_in_order(self, stop):
        """The same when the station is ended as it should be."""
        self.make_room(2)
        self.pass_one()
        self.station.control.arm(stop)
        self.station.daemon.terminate()
        self.station.daemon.wait(30)
        reached = self.station.control.read()
        if not reached["fired"] and self.station.daemon.returncode:
            self.own_end()
        if reached["fired"]:
            self.restart()
        else:
            self.station.control.arm()
            self.station.start()
        self.pass_one()
        self.settle([])
        self.reached = reached
        return bool(reached["fired"])

    def held(self, stop):
        """A unit does not prove what it got: it is held. Two officers release it, and it comes back, mended."""
        return self.comes_back(stop, "prove-wrong", "quarantine", self.release)

    def refused(self, stop):
        """A unit's firmware is too old: nothing is made for it until it comes back with a newer one."""
        return self.comes_back(stop, "old-firmware", "rework", lambda unit: None)

    def comes_back(self, stop, word, ending, between):
        self.make_room(1)
        self.appoint_officers()
        before = self.counts["stops"]
        self.station.control.arm(stop)
        unit = self.seat(options=("--misbehave", word))
        unit.ends = ending
        self.serve_to_the_end([unit])
        unit.pull()
        self.surely(lambda: self.station.emptied(unit.slot))
        self.check(served=True)   # as it ended, before anything else is done about it
        self.surely(lambda: between(unit))
        unit.mend()
        unit.insert()
        self.serve_to_the_end([unit])
        self.settle([unit])
        return self.counts["stops"] > before

    def appoint_officers(self):
        if self.officers is None:
            files = appoint(self.station, "ada", "ben")
            self.officers = [file.read_text().strip() for file in files.values()]

    def release(self, unit):
        """As far as it has not come already."""
        about = f"demo-otp:{unit.hardware}"
        acts = [act for act in self.station.get("/acts?all=true")["acts"] if act["subject"] == about]
        if not acts:
            ask = {"kind": "unit.release", "subject": about, "reason": "it was mended"}
            acts = [self.station.post("/acts", ask, self.officers[0])]
        if acts[0]["state"] != "done":
            self.station.post(f"/acts/{acts[0]['act']}/confirm", {}, self.officers[1])

    def load(self, stop, seconds):
        """Every slot has a unit, under way since different times; all is stopped at once."""
        self.make_room(SLOTS)
        self.station.control.arm(stop)
        units = []
        for _ in range(SLOTS):
            if not self.answers(lambda: units.append(self.seat())) or not self.serve(units, seconds / SLOTS):
                break
        if not stop and self.station.daemon.poll() is None:
            self.station.daemon.kill()
            self.station.daemon.wait()
        died = self.station.daemon.poll() is not None or not self.serve(units)
        if died:
            if stop:
                self.must_be_ours()
            self.restart()
            self.serve_to_the_end(units)
        self.settle(units)
        return died

    def surely(self, ask):
        """A station that dies over it is started again and asked again."""
        while not self.answers(ask):
            self.must_be_ours()
            self.restart()

    def answers(self, ask):
        """False where the daemon died over it."""
        try:
            ask()
        except (OSError, http.client.HTTPException):
            self.station.daemon.wait(10)
            return False
        return True

    def settle(self, units):
        if self.station.control.disarm():   # reached when the last unit had passed already
            self.station.daemon.wait(10)
            self.restart()
        self.reached = self.station.control.read()
        self.station.control.arm()
        self.check(served=True)
        for unit in units:
            unit.pull()

    def serve_to_the_end(self, units):
        while not self.serve(units):
            self.must_be_ours()
            self.restart()

    def must_be_ours(self):
        if not self.station.control.fired():
            self.own_end()

    def own_end(self):
        status = self.station.daemon.poll()
        raise Broken(f"runs_known: mintmarkd ended by itself, status {status}: {self.station.last_words()[-600:]}")
