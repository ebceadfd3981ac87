// How a run sits out what is in the station's own way: a token that is away, a disk that cannot be
// written.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>

#include "station/line/provisioner.hpp"
#include "station/line/token_watch.hpp"

namespace mintmark {

using namespace asio::experimental::awaitable_operators;

namespace {

// The pauses before a disk is tried again: doubled until a step is done.
constexpr std::chrono::seconds kFirstTry{1};
constexpr int kDoublings = 5;

Task<void> until_doomed(Passage& p) {
  while (!p.doomed) co_await p.changed.wait_past(p.changed.count());
}

Task<bool> elapsed(std::chrono::milliseconds time) {
  auto executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor, time);
  co_await timer.async_wait(asio::use_awaitable);
  co_return true;
}

}  // namespace

// What is in the station's own way ends no run: the step is done again when it has gone, as it
// would be after a crash there. False where the fault stands, or where the unit has gone meanwhile.
Task<bool> Provisioner::sit_out(Passage& p, Fault fault) {
  if (p.doomed) co_return false;
  if (is_of_the_disk(fault.code())) co_return co_await sit_out_disk(p, std::move(fault));
  co_return co_await sit_out_token(p, std::move(fault));
}

Task<bool> Provisioner::sit_out_token(Passage& p, Fault fault) {
  if (services_.token == nullptr || !TokenWatch::concerns(fault)) co_return false;
  bool at_slot = p.seat && p.seat->in_use;
  if (at_slot && services_.when_away == WhenAway::stop) {
    services_.token->report(fault);
    co_return false;
  }
  p.waits_for = fault;
  show_(p);
  bool back = co_await unless_gone(p, services_.token->outlasts(std::move(fault)));
  p.waits_for.reset();
  p.token_refuses = !back && !services_.token->away();
  if (!back || p.doomed) co_return false;
  co_return co_await resumed(p);
}

// A disk says nothing when it can be written again: it is tried, ever more slowly.
Task<bool> Provisioner::sit_out_disk(Passage& p, Fault fault) {
  spdlog::error("run {} waits: {}", p.run.id, fault.what());
  p.waits_for = std::move(fault);
  show_(p);
  bool again = false;
  bool here = true;
  while (here && !again) {
    here = co_await unless_gone(p, elapsed(kFirstTry * (1 << p.disk_tries)));
    p.disk_tries = std::min(p.disk_tries + 1, kDoublings);
    if (here) again = co_await resumed(p);
  }
  p.waits_for.reset();
  co_return again;
}

// What `wait` says, or false where the run is doomed or the unit has left its slot meanwhile:
// nobody talks to it then, so its slot watches it.
Task<bool> Provisioner::unless_gone(Passage& p, Task<bool> wait) {
  if (p.seat && p.seat->in_use) {
    Slot& slot = *p.seat->slot;
    auto first = co_await (std::move(wait) || until_doomed(p) || slot.departure());
    co_return first.index() == 0 && std::get<0>(first);
  }
  auto first = co_await (std::move(wait) || until_doomed(p));
  co_return first.index() == 0 && std::get<0>(first);
}

Task<bool> Provisioner::resumed(Passage& p) {
  auto again = [&](Transaction& db) { return runs::resume(db, kStation, p.run, p.run.slot); };
  // A disk that takes what is written may give nothing back: the step would fail at its first look.
  auto look = [](Reader& db) { journal_size(db); };
  std::optional<Fault> trouble;
  try {
    p.run = co_await services_.ledger->transact(again);
    co_await services_.ledger->read(look);
  } catch (const Fault& f) {
    trouble = f;
  }
  if (trouble) spdlog::error("run {} cannot go on: {}", p.run.id, trouble->what());
  co_return !trouble;
}

}  // namespace mintmark
