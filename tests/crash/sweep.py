#!/usr/bin/env python3
"""Stops a station dead, and its units, at every boundary of what they do; starts it again, lets the line come to its end,
and holds everything against the invariants each time (check.py).

    sweep.py [--soak] [--shard k/n] [--only WORD] [--jobs N] [--list]

Without --soak every boundary of one unit's whole passage is stopped at once or more often, each in one of the ways in
which a machine can stop there, and some of each kind in every other scene. With it, in all of those ways, in every scene,
and at random instants under load. MINTMARK_BIN is a build without sanitizers; MINTMARK_KEEP=1 keeps the directory of a station that broke an invariant."""

import argparse
import collections
import dataclasses
import multiprocessing
import os
import random
import signal
import sys
import time
import traceback

import check
import recovery
from bench import Bench, Broken, words_of
from stops import Stop

UNITS_ON_A_BENCH = 80     # then another station: what is checked grows with each unit
UNIT_STEPS = {"enrol", "inject", "prove", "reset_check", "lock"}   # that a unit takes part in, and keeps something of
OTHER_PRODUCTS = ("router", "spot")
LEAST = 150               # stops, where all of them are tried


@dataclasses.dataclass(frozen=True)
class Trial:
    scene: str
    stop: Stop | None
    then: str = ""
    unit_stop: Stop | None = None
    product: str = "lamp"

    def __str__(self):
        words = [self.scene if self.product == "lamp" else f"{self.scene} of a {self.product}", str(self.stop) if self.stop else "", f"unit: {self.unit_stop}" if self.unit_stop else "",
                 f"then {self.then}" if self.then else ""]
        return ", ".join(word for word in words if word)

    def kind(self):
        if self.stop:
            return self.stop.kind
        exchanged = ", another one in its place" if self.then else ""
        return f"unit's {self.unit_stop.kind}{exchanged}" if self.unit_stop else "random"

    def run(self, bench):
        if self.scene == "passage":
            return bench.passage(self.stop, self.then, self.unit_stop, self.product)
        if self.scene == "recovered":
            return recovery.recovered(bench, self.stop)
        if self.scene == "load":
            return bench.load(self.stop, random.Random(str(self)).uniform(0.2, 2.5))
        return getattr(bench, self.scene)(self.stop)


# --- what there is to stop at

ENDING = (signal.SIGINT, signal.SIGTERM)

# A step's end and the beginning of the next, or the pass; what only the ledger takes part in, and its end.
SAME_COMMIT = ("step.begin", "run.end", "step.end reserve", "step.end mint")


def boundaries(bench):
    """How many of each kind one unit's passage has, in the station and in the unit, and each other scene; and what a
    passage writes into the journal."""
    found, control = {}, bench.station.control
    bench.pass_one()   # the first of a lot makes rows that no other makes
    control.arm()
    unit = bench.seat()
    bench.serve_to_the_end([unit])
    found["passage"], found["unit"] = control.read(), unit.control.read()
    unit.pull()
    bench.check(served=True)
    entries = check.Ledger(bench.station.dir, served=True).entries
    mine = [words_of(entry) for entry in entries if entry.get("run") == entries[-1].get("run")]
    # Nothing can stop between two entries of one commit.
    found["entries"] = {words for words, after in zip(mine, mine[1:] + [""]) if not after.startswith(SAME_COMMIT)}
    control.arm()
    bench.close_lot()
    found["lot_closed"] = control.read()
    order = bench.order()
    control.arm()
    bench.lots["lamp"] = bench.station.open_lot(**order)["lot"]
    found["lot_opened"] = control.read()
    unit = bench.seat()
    label = bench.waiting(unit)
    unit.pull()
    bench.station.emptied(unit.slot)
    control.arm()
    bench.abandon(label)
    found["run_abandoned"] = control.read()
    for product in OTHER_PRODUCTS:
        bench.make_room(2, product)
        bench.pass_one(product)
        control.arm()
        unit = bench.passed(product)
        found[product] = {"counts": bench.reached["counts"], "unit": unit.control.read()["counts"]}
    for scene in ("held", "refused", "log_carried_over", "ended_in_order"):
        getattr(bench, scene)(None)
        found[scene] = bench.reached
    bench.station.daemon.kill()
    bench.station.daemon.wait()
    control.arm()
    bench.station.start()
    found["start"] = control.read()
    recovery.recovered(bench, None)
    found["recovered"] = bench.reached
    return found


def must_be_there(found):
    """A scene without boundaries would be a scene that nothing stops."""
    special = {"entries": (), "unit": ("device", "file"), "log_carried_over": ("checkpoint",),
               "passage": ("device", "page", "label", "token")}
    for scene, counted in found.items():
        for kind in special.get(scene, ("page",)):
            if not counted["counts"][kind]:
                raise Broken(f"{scene} has no boundary of kind {kind}")


def page_in_each_commit(trace, chosen):
    """The number of one page written between each sync and the one before."""
    out, pages, first = [], 0, 1
    for kind in trace:
        if kind == "page":
            pages += 1
        elif kind == "sync" and pages >= first:
            out.append(chosen.randint(first, pages))
            first = pages + 1
    return out


def every_boundary(found):
    """Each boundary of a passage once, each commit in each of its moments; some of each other scene."""
    chosen = random.Random(1)
    counts = found["passage"]["counts"]
    for n in range(1, counts["device"] + 1):
        yield Trial("passage", Stop("device", n, ("after", "torn")[n % 2]), ("", "", "cut", "swap")[n % 4])
    for n in range(1, counts["sync"] + 1):
        yield Trial("passage", Stop("sync", n, "before", "lose", n))
        yield Trial("passage", Stop("sync", n, "before", ("some", "tear")[n % 2], n), ("", "cut", "swap")[n % 3])
        yield Trial("passage", Stop("sync", n, "after", ("lose", "none")[n % 2], n))
    for n in page_in_each_commit(found["passage"]["trace"], chosen):
        yield Trial("passage", Stop("page", n, ("after", "torn", "before")[n % 3], ("none", "some")[n % 2], n))
    for n in range(1, counts["label"] + 1):
        yield Trial("passage", Stop("label", n, ("before", "torn")[n % 2], ("none", "some")[n // 2 % 2], n))
        yield Trial("passage", Stop("label", n, "after", ("some", "lose")[n % 2], n))
    for n in range(1, counts["token"] + 1):
        yield Trial("passage", Stop("token", n, "after"))
    unit = found["unit"]["counts"]
    for n in range(1, unit["file"] + 1, 13):
        yield Trial("passage", None, "", Stop("file", n, "after", ("none", "some")[n % 2], n))
    for m, n in enumerate(range(9, unit["file"] + 1, 13)):
        yield Trial("passage", None, ("swap", "swap passed")[m % 2], Stop("file", n, "after", ("none", "some")[n // 2 % 2], n))
    for m, n in enumerate(range(9, unit["device"] + 1, 16)):
        yield Trial("passage", None, ("swap", "swap passed")[m % 2], Stop("device", n, ("after", "torn")[m // 2 % 2]))
    for n in range(1, counts["device"], 4):
        yield Trial("passage", Stop("device", n), "", Stop("device", n, "torn"))
    yield from other_scenes(found, chosen, 24)
    for scene, each in (("held", 2), ("refused", 1), ("ended_in_order", 1)):
        yield from some_of_each_kind(all_of(scene, found), chosen, each)
    yield from chosen.sample(checkpoints(found), 2)
    yield from some_of_each_kind(all_of("recovered", found), chosen, 1)
    # Between its commit and what it does in the token.
    yield Trial("recovered", Stop("sync", (found["recovered"]["counts"]["sync"] + 1) // 2, "after", "lose"))
    for product in OTHER_PRODUCTS:
        yield from some_of_each_kind(passages_of(product, found), chosen, 1)


def every_way(found, random_stops):
    """All of it: every boundary in every way, and at random instants under load."""
    chosen = random.Random(2)
    counts = found["passage"]["counts"]
    for then in ("", "cut", "swap"):
        for n in range(1, counts["device"] + 1):
            for how in ("before", "after", "torn"):
                yield Trial("passage", Stop("device", n, how), then)
        for n in range(1, counts["sync"] + 1):
            for how, cut in (("before", "lose"), ("before", "some"), ("before", "tear"), ("after", "lose"), ("after", "none")):
                yield Trial("passage", Stop("sync", n, how, cut, chosen.randint(0, 10**6)), then)
    for n in range(1, counts["page"] + 1):
        for how, cut in (("after", "none"), ("torn", "none"), ("after", "some"), ("after", "lose")):
            yield Trial("passage", Stop("page", n, how, cut, chosen.randint(0, 10**6)))
    for n in range(1, counts["label"] + 1):
        for how in ("before", "after", "torn"):
            for cut in ("none", "lose", "some", "tear"):
                yield Trial("passage", Stop("label", n, how, cut, n))
    for n in range(1, counts["token"] + 1):
        for how in ("before", "after"):
            yield Trial("passage", Stop("token", n, how), ("", "cut")[n % 2])
    unit = found["unit"]["counts"]
    for then in ("", "swap", "swap passed"):
        for n in range(1, unit["file"] + 1):
            for how, cut in (("after", "none"), ("after", "some"), ("before", "lose")):
                yield Trial("passage", None, then, Stop("file", n, how, cut, n))
        for n in range(1, unit["device"] + 1):
            for how in ("after", "torn"):
                yield Trial("passage", None, then, Stop("device", n, how))
    for n in range(1, counts["device"] + 1):
        for how in ("after", "torn"):
            yield Trial("passage", Stop("device", n), "", Stop("device", n, how))
    yield from other_scenes(found, chosen, 10**6)
    for scene in ("held", "refused", "ended_in_order", "recovered"):
        yield from all_of(scene, found)
    yield from checkpoints(found)
    for product in OTHER_PRODUCTS:
        yield from passages_of(product, found)
    for n in range(random_stops):
        kind = chosen.choice((None, None, "device", "page", "sync", "token"))
        stop = kind and Stop(kind, chosen.randint(1, 4 * counts[kind]), chosen.choice(("before", "after", "torn")),
                             chosen.choice(("none", "lose", "some", "tear")), n)
        yield Trial("load", stop)


def other_scenes(found, chosen, most):
    """A second stop while the station comes back; stops in the opening and the closing of a lot, and when a run is given
    up."""
    for scene in ("start", "lot_opened", "lot_closed", "run_abandoned"):
        trials = all_of(scene, found)
        if most < len(trials):   # as many of the disk as of the token, which keeps what it keeps
            disk = [trial for trial in trials if trial.stop.kind != "token"]
            rest = [trial for trial in trials if trial.stop.kind == "token"]
            disk = disk if len(disk) <= most // 2 else chosen.sample(disk, most // 2)
            trials = disk + chosen.sample(rest, min(most - len(disk), len(rest)))
        yield from trials


def all_of(scene, found):
    return [Trial(scene, Stop(kind, n, how, cut, n)) for kind, count in found[scene]["counts"].items()
            for n in range(1, count + 1) for how, cut in (("after", "none"), ("before", "some"))
            if cut == "none" or kind != "token"]


def checkpoints(found):
    return [Trial("log_carried_over", Stop("checkpoint", n, how, cut, n))
            for n in range(1, found["log_carried_over"]["counts"]["checkpoint"] + 1)
            for how, cut in (("after", "none"), ("torn", "some"), ("before", "lose"))]


def passages_of(product, found):
    """Every boundary of one of its units' passages, and of the unit itself, once or twice."""
    out = []
    ways = {"device": (("after", "none"), ("torn", "none")), "sync": (("before", "some"), ("after", "lose")),
            "token": (("after", "none"),), "page": (("torn", "some"),), "label": (("torn", "none"), ("after", "lose"))}
    for kind, count in found[product]["counts"].items():
        out += [Trial("passage", Stop(kind, n, how, cut, n), ("", "cut", "swap")[n % 3], product=product)
                for n in range(1, count + 1) for how, cut in ways.get(kind, ())]
    for kind in ("device", "file"):
        out += [Trial("passage", None, ("", "swap", "swap passed")[n % 3], Stop(kind, n, "after", cut, n), product)
                for n in range(1, found[product]["unit"][kind] + 1) for cut in ("none", "some")[:1 + (kind == "file")]]
    return out


def some_of_each_kind(trials, chosen, each):
    by_kind = collections.defaultdict(list)
    for trial in trials:
        by_kind[trial.kind()].append(trial)
    for some in by_kind.values():
        yield from chosen.sample(some, min(each, len(some)))


# --- doing it

@dataclasses.dataclass
class Report:
    tried: int = 0
    missed: int = 0
    violations: list = dataclasses.field(default_factory=list)
    counts: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    last_entries: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    exchanged: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    kinds: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    endings: collections.Counter = dataclasses.field(default_factory=collections.Counter)

    def add(self, other):
        for field in dataclasses.fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))


def end_of(bench, report):
    """What the bench's ledger says of all that it went through."""
    report.counts.update(bench.counts)
    report.last_entries.update(bench.last_entries)
    report.exchanged.update(bench.exchanged)
    if bench.before is None:
        return
    report.counts["resumed"] += len(bench.before.ledger.of_type("run.resume"))
    for run in bench.before.ledger.run:
        report.endings[" ".join(filter(None, (run["ending"] or f"open at {run['next']}", run["code"])))] += 1


def one_trial(bench, trial, report):
    """False where the bench is not to be used any more."""
    try:
        fired = trial.run(bench)
    except Broken as broken:
        report.violations.append(f"{trial}: {broken}")
    except Exception:   # the harness's own failure is no less a failure of the sweep
        status = bench.station.daemon.poll()
        report.violations.append(f"{trial}: {traceback.format_exc()}daemon: {status} {bench.station.last_words()[-600:]}")
    else:
        report.tried += fired
        report.missed += not fired
        report.kinds[trial.kind()] += fired
        return bench.numbers < UNITS_ON_A_BENCH
    report.tried += 1
    return False


def retire(bench, report, keep=False):
    end_of(bench, report)
    try:
        bench.close(keep)
    except AssertionError as badly:
        report.violations.append(f"at its end: {badly}")


def work(name, trials, progress, results, enough, until_broken):
    """One of the processes: a bench after another, a trial after another."""
    for number in ENDING:
        signal.signal(number, lambda *_: None)   # it is told by `enough`; what it starts is not concerned
    bench, benches, report = None, 0, Report()
    for trial in iter(trials.get, None):
        if bench is None:
            benches += 1
            bench = Bench(f"{name}-{benches}")
        this = Report()
        usable = one_trial(bench, trial, this)
        if enough.is_set():   # what it found may be the interruption's doing: said, not counted
            for violation in this.violations:
                print(f"interrupted {violation}", flush=True)
            break
        if not usable:
            retire(bench, this, keep=bool(this.violations) and "MINTMARK_KEEP" in os.environ)
            bench = None
        with progress.get_lock():
            progress.value += 1
        for violation in this.violations:
            print(f"found {violation}", flush=True)
        report.add(this)
        if until_broken and report.violations:
            break
    if bench:
        last = Report()
        retire(bench, last)
        if enough.is_set():
            last.violations.clear()
        report.add(last)
    results.put(report)


def sweep(trials, jobs, until_broken):
    """Interrupted, it says what it has seen so far."""
    waiting, results, progress = multiprocessing.Queue(), multiprocessing.Queue(), multiprocessing.Value("i", 0)
    enough = multiprocessing.Event()

    def interrupted(*_):
        for number in ENDING:   # one that comes again would wait for the lock that this one holds
            signal.signal(number, signal.SIG_IGN)
        enough.set()
    for number in ENDING:
        signal.signal(number, interrupted)
    for trial in trials + [None] * jobs:
        waiting.put(trial)
    workers = [multiprocessing.Process(target=work, args=(str(n), waiting, progress, results, enough, until_broken))
               for n in range(jobs)]
    for worker in workers:
        worker.start()
    report, told = Report(), time.monotonic()
    waiting.cancel_join_thread()   # what nobody takes any more is left
    while any(worker.is_alive() for worker in workers) and results.qsize() < jobs:
        time.sleep(0.5)
        if time.monotonic() > told + 20:
            told = time.monotonic()
            print(f"{progress.value} of {len(trials)} tried", flush=True)
    for _ in workers:
        report.add(results.get(timeout=60))
    for worker in workers:
        worker.join()
    return report


def table(title, counter):
    print(f"| {title} | stops |\n|---|---|")
    for word, count in sorted(counter.items()):
        print(f"| {word} | {count} |")


def main():
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--soak", action="store_true", default="MINTMARK_SOAK" in os.environ)
    words.add_argument("--shard", default="1/1", help="this part of the stops")
    words.add_argument("--only", default="", help="those whose description has this word")
    words.add_argument("--most", type=int, help="no more than so many, evenly chosen")
    words.add_argument("--random", type=int, default=1500, help="stops under load, with --soak")
    words.add_argument("--jobs", type=int, default=1 + (os.cpu_count() or 1), help="at once: one more than there are cores, for some wait")
    words.add_argument("--until-broken", action="store_true", help="no more after the first violation")
    words.add_argument("--list", action="store_true", help="says what would be tried")
    given = words.parse_args()
    began = time.monotonic()
    bench = Bench("count")
    try:
        found = boundaries(bench)
        must_be_there(found)
    except Broken as broken:   # without any stop
        print(f"violation {broken}\nsweep crash: tried 0, violations 1")
        sys.exit(1)
    finally:
        bench.close()
    trials = list(every_way(found, given.random) if given.soak else every_boundary(found))
    part, parts = map(int, given.shard.split("/"))
    trials = [trial for trial in trials[part - 1::parts] if given.only in str(trial)]
    if given.most and given.most < len(trials):
        trials = [trials[i * len(trials) // given.most] for i in range(given.most)]
    if given.list:
        print(*trials, sep="\n")
        return
    report = sweep(trials, given.jobs, given.until_broken)
    whole = len(trials) > len(found["entries"]) and not (given.only or given.most or parts > 1 or given.until_broken)
    for entry in sorted(found["entries"] - set(report.last_entries)) if whole else ():
        report.violations.append(f"no stop came right after the journal entry {entry}")
    for step in sorted(UNIT_STEPS - set(report.exchanged)) if whole else ():
        report.violations.append(f"no unit was exchanged for another in {step}")
    for violation in report.violations:
        print(f"violation {violation}")
    table("last journal entry", report.last_entries)
    table("unit exchanged in", report.exchanged)
    table("stopped at", report.kinds)
    table("ending", report.endings)
    said = ", ".join(f"{report.counts[word]} {word}" for word in
                     ("stops", "restarts", "resumed", "units cut", "swapped", "reseats", "voids", "checks"))
    print(f"note crash: {said}; {report.missed} not reached; {time.monotonic() - began:.0f} s")
    print(f"sweep crash: tried {report.tried}, violations {len(report.violations)}")
    sys.exit(bool(report.violations) or report.tried < len(trials) // 2 or (whole and report.tried < LEAST))


if __name__ == "__main__":
    main()
