// One passage of a unit: what its steps share while it is under way.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "fixtures/slot.hpp"
#include "station/ledger/lots.hpp"
#include "station/ledger/runs.hpp"
#include "station/product/product.hpp"

namespace mintmark {

inline const Actor kStation("station");  // who does what nobody asked for

// Something that happens again and again, on one thread. Who waits says up to which time he has
// seen it happen, so that nothing is missed between looking and waiting.
class Event {
 public:
  explicit Event(const asio::any_io_executor& executor);
  std::uint64_t count() const { return count_; }
  void notify();
  // Returns once count() > seen, or after `at_most`.
  Task<void> wait_past(std::uint64_t seen);
  Task<void> wait_past(std::uint64_t seen, std::chrono::milliseconds at_most);

 private:
  asio::steady_timer timer_;
  std::uint64_t count_ = 0;
};

// A unit in a slot, from its arrival until it has gone.
struct Seat {
  Seat(Slot& slot_, Identification who_, const asio::any_io_executor& executor)
      : slot(&slot_), who(std::move(who_)), freed(executor) {}
  Slot* slot;
  Identification who;
  bool seated = true;  // false once it has gone
  bool in_use = true;  // false once nobody talks to it any more: it may be taken out
  Event freed;
  void free() {
    in_use = false;
    freed.notify();
  }
  Protocol& unit() { return slot->protocol(); }
};

struct Passage {
  Passage(Lot lot_, Product product_, Run run_, std::shared_ptr<Seat> seat_,
          const asio::any_io_executor& executor)
      : lot(std::move(lot_)),
        product(std::move(product_)),
        run(std::move(run_)),
        seat(std::move(seat_)),
        slot(seat ? seat->slot->config().name : run.slot),
        changed(executor) {}
  Lot lot;
  Product product;
  Run run;
  std::shared_ptr<Seat> seat;   // none for a run that goes on at another bench
  Bytes known_spki;             // the key that this hardware id has, if any; a run may give it one
  const std::string slot;       // where its ending counts: where it sat when it began or went on
  Event changed;                // its labels were scanned or voided, or it is doomed
  std::optional<Fault> fault;   // why it ended, or was interrupted
  std::optional<Fault> doomed;  // somebody else found a reason to end this run
  std::optional<std::string> mac;  // that came with its serial; empty where the order gives none
  std::vector<Credential> minted;  // its own, sealed; none before they are minted or looked up
  // By place: the attempt whose label may or may not have come out.
  std::map<std::string, int> uncertain;
  bool over = false;               // nothing of it goes on
  std::optional<Fault> waits_for;  // the end of what is in the station's own way: token, disk
  int disk_tries = 0;              // since a step was done
  bool token_refuses = false;      // it is there, and kept saying no: not worth another wait
  bool let_in = false;             // by a right password: tries in a row end with the next commit
  int steps_done = 0;              // at the slot
  std::vector<runs::LabelState> labels;  // as last read from the ledger

  Protocol& unit() { return seat->unit(); }
  const HardwareId& hardware_id() const { return run.hardware_id; }
  // Of a run that somebody ended nothing is given out any more.
  void must_go_on() const {
    if (doomed) throw Fault(*doomed);
  }
};

}  // namespace mintmark
