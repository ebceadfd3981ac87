// The unit's way (DESIGN section 4): a loop that journals the intent, performs the step, journals
// the evidence.
#pragma once

#include <functional>

#include "station/line/passage.hpp"
#include "station/line/services.hpp"

namespace mintmark {

class Provisioner {
 public:
  // `show` is told whenever something that people look at has changed.
  Provisioner(Services services, std::function<void(const Passage&)> show)
      : services_(services), show_(std::move(show)) {}

  // Takes the passage from run.next to its ending, or to where it can be resumed. Never throws a
  // Fault: every one becomes an ending, a retry, or a stop of the station.
  Task<void> provision(std::shared_ptr<Passage> passage);

  // Invariant 10: a fault of the random generator, met anywhere, stops the station.
  static bool stops_station(const Fault& fault);
  Task<void> stop_station(Fault fault);

 private:
  Task<void> begin(Passage& p);
  Task<std::optional<Fault>> go_on(Passage& p);
  Task<void> take_step(Passage& p);
  static Run noted(Transaction& db, const Passage& p, Run run);
  static Run pass(Transaction& db, const Passage& p, Run run);
  static Run step_on(Transaction& db, const Passage& p, Run run, const Evidence& evidence);
  // waiting.cpp
  Task<bool> sit_out(Passage& p, Fault fault);
  Task<bool> sit_out_token(Passage& p, Fault fault);
  Task<bool> sit_out_disk(Passage& p, Fault fault);
  Task<bool> unless_gone(Passage& p, Task<bool> wait);
  Task<bool> resumed(Passage& p);

  Task<void> reconcile(Passage& p);
  Task<Evidence> perform(Passage& p);
  Task<void> reserve(Passage& p);
  Task<Evidence> enrol(Passage& p);
  Task<void> mint(Passage& p);
  Task<Evidence> inject(Passage& p);
  Task<Evidence> prove(Passage& p);
  Task<void> refuses_raw(Passage& p, const Secret& decoy);
  Task<Evidence> lock(Passage& p);
  Task<Evidence> label(Passage& p);
  Task<Evidence> scan(Passage& p);

  Task<void> print(Passage& p, std::string place);
  Task<std::vector<runs::LabelState>> print_what_is_due(Passage& p);
  Task<void> open_session(Passage& p);
  Task<void> finish(Passage& p);
  Task<void> end(Passage& p, Fault fault);  // ending.cpp

  Services services_;
  std::function<void(const Passage&)> show_;
};

}  // namespace mintmark
