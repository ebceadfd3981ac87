// A unit arrives: who is it, what does the ledger know of it, may it go on.
#include <boost/asio/experimental/awaitable_operators.hpp>

#include <spdlog/spdlog.h>

#include "station/line/line_impl.hpp"
#include "station/line/reset_check.hpp"
#include "station/words/clock.hpp"

namespace mintmark {

using namespace asio::experimental::awaitable_operators;

namespace {

bool is_known_default(const Product& product, const HardwareId& id) {
  bool uniform = id.id.find_first_not_of(id.id.front()) == std::string::npos;
  return uniform || product.hardware_defaults.contains(id.id);
}

// What only two officers can put right: returns.hpp.
void check_history(const Standing& standing, const Identification& who) {
  if (standing.may_return) return;
  if (who.locked && standing.spki.empty()) throw Fault("unit.locked_before");
  if (who.certified && standing.spki.empty()) throw Fault("hwid.second_key");
  if (who.locked) throw Fault("unit.needs_reopen", {{"serial", standing.serial}});
}

}  // namespace

void check_identification(const Product& product, const Identification& who) {
  if (who.model != product.model || who.hardware_id.source != product.hardware_source)
    throw Fault("unit.wrong_model", {{"model", who.model}, {"wanted", product.model}});
  if (firmware_below(who.firmware, product.minimum_firmware))
    throw Fault("unit.old_firmware",
                {{"firmware", who.firmware}, {"wanted", product.minimum_firmware}});
  if (product.secure_boot && !who.secure_boot) throw Fault("unit.boot_open");
  // One that has a random generator uses it: no product means both.
  if (!product.wrapped_key && who.capabilities.contains("static-session"))
    throw Fault("unit.lacks_capability", {{"capability", "enrol"}});
  for (const std::string& capability : product.capabilities)
    if (!who.capabilities.contains(capability))
      throw Fault("unit.lacks_capability", {{"capability", capability}});
}

const Product& Line::Impl::product_of(const Lot& lot) {
  auto known = products_.find(lot.id);
  if (known == products_.end())
    known =
        products_.emplace(lot.id, Product::parse(lot.product_toml, "product " + lot.product_name))
            .first;
  return known->second;
}

Task<void> Line::Impl::serve(Bench& bench) {
  auto trouble = [this, &bench](const std::string& code) {
    Fault::Args args = {{"port", bench.slot->config().port}};
    show(bench, code.empty() ? "empty" : "trouble", code, args);
  };
  while (!stopping_) {
    bench.passage.reset();
    bench.seat.reset();
    show(bench, "empty");
    Identification who = co_await bench.slot->arrival(trouble);
    bench.seat = std::make_shared<Seat>(*bench.slot, std::move(who), executor_);
    std::optional<Fault> fault = co_await greet(bench);
    bench.seat->free();
    bool again = co_await stays(bench, std::move(fault));
    if (!again) co_await bench.slot->departure();
    bench.seat->seated = false;
    publish("pending", Json::object({{"pending", pending()}}));
  }
}

Task<std::optional<Fault>> Line::Impl::welcomed(Bench& bench) {
  std::optional<Fault> fault;
  try {
    co_await welcome(bench);
  } catch (const Fault& f) {
    fault = f;
  } catch (const std::exception& e) {
    if (stopping_) throw;
    fault = Fault("station.internal", {}, e.what());
  }
  co_return fault;
}

Task<std::optional<Fault>> Line::Impl::greet(Bench& bench) {
  std::optional<Fault> fault = co_await welcomed(bench);
  // Its run came to an end while it was met, for its label had been scanned: it is met once more.
  if (fault && fault->code() == "run.moved") fault = co_await welcomed(bench);
  if (fault) {
    spdlog::warn("slot {}: {}", bench.name(), fault->what());
    bool passes = TokenWatch::concerns(*fault) || is_of_the_disk(fault->code());
    if (!passes) show(bench, "ended", fault->code(), fault->args());
  }
  if (fault && Provisioner::stops_station(*fault)) {
    co_await provisioner_.stop_station(*fault);
    co_await refresh();
  }
  const Passage* p = bench.passage.get();
  bool open = p != nullptr && p->over && !p->run.ending;
  if (!fault && open && !p->token_refuses) fault = p->fault;
  co_return fault;
}

// Whether the slot was left for want of the token, or of a disk, and the unit still sits here when
// it is back, or may be: it is met anew, as if it had just arrived.
Task<bool> Line::Impl::stays(Bench& bench, std::optional<Fault> fault) {
  if (!fault) co_return false;
  if (TokenWatch::concerns(*fault)) co_return co_await stays_for_token(bench, std::move(*fault));
  if (!is_of_the_disk(fault->code())) co_return false;
  show(bench, "paused", fault->code(), fault->args());
  asio::steady_timer timer(executor_, std::chrono::seconds(2));
  auto first = co_await (timer.async_wait(asio::use_awaitable) || bench.slot->departure());
  co_return first.index() == 0;
}

Task<bool> Line::Impl::stays_for_token(Bench& bench, Fault fault) {
  token_.report(fault);
  std::string code = fault.code();
  Fault::Args args = fault.args();
  show(bench, "paused", code, args);
  auto first = co_await (token_.outlasts(std::move(fault)) || bench.slot->departure());
  bool back = first.index() == 0 && std::get<0>(first);
  if (!back) show(bench, "ended", code, args);
  co_return back;
}

Task<void> Line::Impl::welcome(Bench& bench) {
  Lot lot;
  if (co_await wait_for_admission(bench, lot)) co_await meet(bench, std::move(lot));
}

// Waits while the slot, the station or the lot stands still; false when the unit has gone
// meanwhile.
Task<bool> Line::Impl::wait_for_admission(Bench& bench, Lot& lot) {
  const Identification& who = bench.seat->who;
  for (;;) {
    std::uint64_t seen = changed_.count();
    auto look = [&](Reader& db) {
      return std::tuple(runs::slot_state(db, bench.name()), lots::stopped(db), lots::unfinished(db),
                        runs::standing(db, who.hardware_id));
    };
    auto [slot, stopped, all, standing] = co_await services_.ledger->read(look);
    const Lot* found = nullptr;
    const Lot* other = nullptr;
    for (const Lot& candidate : all) {
      other = &candidate;
      bool its_own = standing.open && standing.open->lot == candidate.id;
      if (its_own || (!standing.open && product_of(candidate).matches(who.hardware_id, who.model)))
        found = &candidate;
    }
    if (found == nullptr && all.size() == 1 && !standing.open) found = other;

    if (slot.paused)
      show(bench, "paused", "slot.three_in_a_row", {{"code", slot.code}});
    else if (token_.away())
      show(bench, "paused", token_.fault()->code(), token_.fault()->args());
    else if (stopped)
      show(bench, "paused", "station.stopped", {{"code", *stopped}});
    else if (found == nullptr)
      show(bench, "paused", "lot.none");
    else if (found->state == "paused")
      show(bench, "paused", "lot.paused", {{"code", found->pause_code}});
    else {
      lot = *found;
      show(bench, "working");
      co_return true;
    }
    auto gone = co_await (changed_.wait_past(seen) || bench.slot->departure());
    if (gone.index() == 1) co_return false;
  }
}

// The columns "a hardware id that comes back" and "identify" of DESIGN section 4.
Task<void> Line::Impl::meet(Bench& bench, Lot lot) {
  const Identification& who = bench.seat->who;
  Product product = product_of(lot);
  if (is_known_default(product, who.hardware_id)) {
    Fault fault("hwid.known_default", {{"hardware", who.hardware_id.id}});
    co_await refuse(bench, lot, fault);
    co_return;
  }
  if (who.hardware_id.source == product.hardware_source &&
      !product.is_hardware_id(who.hardware_id.id)) {
    Fault fault("hwid.malformed", {{"hardware", who.hardware_id.id}});
    co_await refuse(bench, lot, fault);
    co_return;
  }
  if (co_await sits_elsewhere(bench)) co_return;

  auto look = [&](Reader& db) { return runs::standing(db, who.hardware_id); };
  Standing standing = co_await services_.ledger->read(look);
  if (standing.retired || standing.quarantined) {
    Fault fault(standing.retired ? "unit.retired" : "unit.quarantined",
                {{"serial", standing.serial}});
    co_await visit(bench, fault);
    co_return;
  }
  if (standing.open) {
    auto again = [&](Transaction& db) {
      return runs::resume(db, kStation, *standing.open, bench.name());
    };
    Run run = co_await services_.ledger->transact(again);
    co_await begin(bench, std::move(lot), std::move(product), std::move(run), standing.spki);
    co_return;
  }
  if (!standing.may_return && standing.last && standing.last->ending == Ending::passed) {
    co_await meet_passed(bench, standing);
    co_return;
  }
  std::optional<Fault> fault;
  try {
    check_identification(product, who);
    check_history(standing, who);
  } catch (const Fault& f) {
    fault = f;
  }
  if (fault) {
    co_await refuse(bench, lot, *fault);
    co_return;
  }
  auto draw = [&] { return uuid_v7(services_.vault->random(16)); };
  std::string id = co_await on(*services_.token_pool, draw);
  auto start = [&](Transaction& db) {
    Json facts = {{"boot", who.secure_boot ? "secure" : "open"}, {"debug", who.debug_open}};
    Run run = runs::begin(db, kStation, id, lot.id, bench.name(), who.hardware_id, who.model,
                          who.firmware, facts);
    return runs::intend(db, kStation, run);
  };
  Run run = co_await services_.ledger->transact(start);
  co_await begin(bench, std::move(lot), std::move(product), std::move(run), standing.spki);
}

// It passed before. If it still signs with its key it is done; if not, something else has its
// hardware id.
Task<void> Line::Impl::meet_passed(Bench& bench, const Standing& standing) {
  bool itself = co_await signs(*bench.seat, *standing.last, standing.spki);
  if (itself) {
    Fault passed("unit.already_passed", {{"serial", standing.serial}});
    co_await visit(bench, passed);
    co_return;
  }
  const HardwareId& id = bench.seat->who.hardware_id;
  auto hold = [&](Transaction& db) {
    runs::quarantine_unit(db, kStation, id, bench.name(), "hwid.cannot_sign");
  };
  co_await services_.ledger->transact(hold);
  Fault stranger("hwid.cannot_sign", {{"serial", standing.serial}});
  co_await visit(bench, stranger);
}

// Whether the unit has the key of its hardware id. Throws what says nothing of that: a lost
// contact.
Task<bool> Line::Impl::signs(Seat& seat, const Run& run, const Bytes& spki) {
  std::optional<Fault> fault;
  UnitError answer = UnitError::ok;
  try {
    answer = co_await seat.unit().open_identity(seat.who.hardware_id, run.id_bytes(), spki);
  } catch (const Fault& f) {
    fault = f;
  }
  if (answer == UnitError::busy) must(answer, "open identity session");
  bool says_nothing =
      fault && (ending_of(fault->code()) == Ending::retry || is_stations_own(fault->code()));
  if (says_nothing) throw Fault(*fault);
  co_return !fault && answer == UnitError::ok;
}

// Two units have this hardware id, or one that is not the one it should be. Its run may be at no
// slot: it waits for its label.
Task<void> Line::Impl::hold(Bench& bench, Fault fault) {
  const HardwareId& id = bench.seat->who.hardware_id;
  auto act = [&](Transaction& db) {
    std::optional<Run> open = runs::standing(db, id).open;
    if (open) runs::end(db, kStation, *open, Ending::quarantine, fault.code(), fault.args());
    runs::quarantine_unit(db, kStation, id, bench.name(), fault.code());
    return open ? open->id : "";
  };
  std::string run = co_await services_.ledger->transact(act);
  doom(run, fault);
  show(bench, "ended", fault.code(), fault.args());
  co_await refresh();
}

// A unit that gets no further than identify has a run all the same, where it has none yet: it is
// journalled.
Task<void> Line::Impl::refuse(Bench& bench, const Lot& lot, Fault fault) {
  const Identification& who = bench.seat->who;
  auto look = [&](Reader& db) { return runs::standing(db, who.hardware_id); };
  Standing standing = co_await services_.ledger->read(look);
  if (standing.open || standing.quarantined || standing.retired) {
    co_await visit(bench, std::move(fault));
    co_return;
  }
  auto draw = [&] { return uuid_v7(services_.vault->random(16)); };
  std::string id = co_await on(*services_.token_pool, draw);
  auto record = [&](Transaction& db) {
    Run run = runs::begin(db, kStation, id, lot.id, bench.name(), who.hardware_id, who.model,
                          who.firmware, Json::object());
    run = runs::end(db, kStation, run, ending_of(fault.code()), fault.code(), fault.args());
    runs::note_ending(db, kStation, bench.name(), *run.ending, run.code);
    return run;
  };
  co_await services_.ledger->transact(record);
  show(bench, "ended", fault.code(), fault.args());
  refresh_soon();
}

Task<void> Line::Impl::visit(Bench& bench, Fault fault) {
  auto note = [&](Transaction& db) {
    runs::note_visit(db, kStation, bench.name(), bench.seat->who.hardware_id, fault.code(),
                     fault.args());
  };
  co_await services_.ledger->transact(note);
  show(bench, "ended", fault.code(), fault.args());
}

// One hardware id in two slots at once is a clone; one that has just been carried over is not. The
// other slot is watched until it is clear which: it falls silent, or it goes on answering.
Task<bool> Line::Impl::sits_elsewhere(Bench& bench) {
  const HardwareId& id = bench.seat->who.hardware_id;
  Bench* other = nullptr;
  for (Bench& candidate : benches_)
    if (&candidate != &bench && candidate.seat && candidate.seat->seated &&
        candidate.seat->who.hardware_id == id)
      other = &candidate;
  if (other == nullptr) co_return false;

  std::shared_ptr<Seat> seat = other->seat;
  std::shared_ptr<Passage> passage = other->passage;
  int steps = passage ? passage->steps_done : 0;
  bool there = false;
  Deadline limit = within(std::chrono::seconds(20));
  while (!there && seat->seated && Clock::now() < limit) {
    if (passage && passage->over && passage->fault &&
        ending_of(passage->fault->code()) == Ending::retry)
      break;  // it lost contact: this is where the unit went
    if (passage && passage->steps_done > steps) there = true;
    std::uint64_t none = changed_.count();
    if (!there) co_await changed_.wait_past(none, std::chrono::milliseconds(100));
    if (!seat->in_use && seat->seated) {
      // Nobody talks to it: its slot polls it and notices when it has gone, within the limit below.
      limit = std::min(limit, within(std::chrono::seconds(4)));
    }
  }
  bool lost = passage && passage->over && passage->fault &&
              ending_of(passage->fault->code()) == Ending::retry;
  if (!there && (!seat->seated || lost)) co_return false;

  Fault fault("hwid.two_slots", {{"slots", other->name() + ", " + bench.name()}});
  co_await hold(bench, std::move(fault));
  co_return true;
}

Task<void> Line::Impl::begin(Bench& bench, Lot lot, Product product, Run run, Bytes known_spki) {
  std::shared_ptr<Seat> seat = bench.seat;
  bool itself = true;
  if (passage_of(run.id) || run.next > Step::lock) itself = co_await signs(*seat, run, run.spki);
  if (!itself) {
    Fault stranger("hwid.cannot_sign", {{"serial", run.serial}});
    co_await hold(bench, std::move(stranger));
    co_return;
  }
  if (auto going = passage_of(run.id)) {
    // It waits for its label and sits in a slot again: the slot speaks for it once more.
    going->seat = seat;
    bench.passage = going;
    seat->free();
    show(*going);
    co_return;
  }
  auto passage = std::make_shared<Passage>(std::move(lot), std::move(product), std::move(run), seat,
                                           executor_);
  passage->known_spki = std::move(known_spki);
  bench.passage = passage;
  spawn(run_passage(passage), "passage");
  while (seat->in_use) co_await seat->freed.wait_past(seat->freed.count());
}

Task<void> Line::Impl::run_passage(std::shared_ptr<Passage> passage) {
  passages_.push_back(passage);
  co_await provisioner_.provision(passage);
  passages_.remove(passage);
  if (passage->run.ending == Ending::passed) passes_.push_back(std::chrono::steady_clock::now());
  refresh_soon();
  co_await checkpoint_when_due();
}

// False where somebody ended it meanwhile. A run that the disk keeps from being resumed waits for
// that by itself.
Task<bool> Line::Impl::resume(Run& run) {
  auto again = [&](Transaction& db) { return runs::resume(db, kStation, run, run.slot); };
  std::optional<Fault> trouble;
  try {
    run = co_await services_.ledger->transact(again);
  } catch (const Fault& f) {
    trouble = f;
  }
  co_return !trouble || trouble->code() != "run.moved";
}

// Runs whose unit had left its slot when the station stopped: they wait for their labels.
Task<void> Line::Impl::resume_labels() {
  auto look = [](Reader& db) { return runs::open_runs(db); };
  std::vector<Run> open = co_await services_.ledger->read(look);
  for (Run& run : open) {
    if (run.next < Step::label) continue;
    auto find = [&](Reader& db) { return lots::get(db, run.lot); };
    Lot lot = co_await services_.ledger->read(find);
    Product product = product_of(lot);
    if (!co_await resume(run)) continue;
    auto passage = std::make_shared<Passage>(std::move(lot), std::move(product), std::move(run),
                                             nullptr, executor_);
    spawn(run_passage(passage), "label");
  }
}

}  // namespace mintmark
