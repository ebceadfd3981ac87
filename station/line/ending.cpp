// How a fault becomes the ending of a run.
#include <spdlog/spdlog.h>

#include "station/line/provisioner.hpp"

namespace mintmark {

// Somebody may have ended the run meanwhile: his ending stands, and what was found in this unit or
// its kind is held all the same.
static Run close_run(Transaction& db, const Passage& p, const Fault& fault) {
  Run run = runs::get(db, p.run.id);
  const std::string& code = fault.code();
  Ending ending = ending_of(code);
  if (run.ending && ending == Ending::quarantine)
    runs::quarantine_unit(db, kStation, p.hardware_id(), run.slot, code);
  else if (!run.ending && ending == Ending::retry)
    run = runs::fail_contact(db, kStation, run, code, fault.args(), p.product.max_attempts);
  else if (!run.ending)
    run = runs::end(db, kStation, run, ending, code, fault.args());
  if (!pauses_lot(code)) return run;
  if (!p.product.reset.each) runs::hold_since_last_good(db, kStation, run);
  if (lots::get_uncounted(db, p.lot.id).state != "closed")
    lots::pause(db, kStation, p.lot.id, code);
  return run;
}

// That somebody else ended the run, or that the station itself is in the way, says nothing of the
// unit.
static bool is_found(const Passage& p, const Fault& fault) {
  bool told = p.doomed && p.doomed->code() == fault.code();
  return !told && fault.code() != "run.moved" && !is_stations_own(fault.code());
}

// One fault becomes one ending, a retry, or a stop of the station with the run left open.
Task<void> Provisioner::end(Passage& p, Fault fault) {
  spdlog::warn("run {} {}: {}", p.run.id, p.run.serial, fault.what());
  p.fault = fault;
  if (stops_station(fault)) {
    co_await stop_station(std::move(fault));
    co_return;
  }
  bool found = is_found(p, fault);
  bool ended = p.doomed || fault.code() == "run.moved";  // the ledger has its ending already
  if (!found && !ended) co_return;
  auto close = [&](Transaction& db) {
    return noted(db, p, found ? close_run(db, p, fault) : runs::get(db, p.run.id));
  };
  try {
    p.run = co_await services_.ledger->transact(close);
    if (p.run.ending && p.run.code != fault.code()) {
      Fault last(p.run.code, {{"code", fault.code()}});
      p.fault = last;
    }
  } catch (const Fault& f) {
    spdlog::error("run {}: its ending could not be recorded: {}", p.run.id, f.what());
  }
  bool held = found && ending_of(fault.code()) == Ending::quarantine;  // the worse of the two
  if (p.doomed) p.fault = held ? fault : *p.doomed;
}

bool Provisioner::stops_station(const Fault& fault) {
  return fault.code() == "rng.duplicate" || fault.code() == "rng.broken";
}

Task<void> Provisioner::stop_station(Fault fault) {
  auto stop = [&](Transaction& db) {
    lots::stop_issuing(db, kStation, fault.code(), fault.what());
  };
  try {
    co_await services_.ledger->transact(stop);
  } catch (const Fault& f) {
    spdlog::error("the station stops issuing: {}", f.what());
  }
}

}  // namespace mintmark
