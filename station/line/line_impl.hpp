// The inside of Line: benches, their views, and the acts of people. One io_context thread.
#pragma once

#include <boost/asio/cancellation_signal.hpp>
#include <deque>
#include <list>
#include <set>

#include "station/line/line.hpp"
#include "station/line/provisioner.hpp"
#include "station/line/tally.hpp"
#include "station/line/token_watch.hpp"

namespace mintmark {

// A slot as the line sees it.
struct Bench {
  Bench(std::unique_ptr<Slot> slot_) : slot(std::move(slot_)) {}
  std::unique_ptr<Slot> slot;
  std::shared_ptr<Seat> seat;        // the unit that sits there
  std::shared_ptr<Passage> passage;  // what is being done with it
  std::string state = "empty";       // schema/openapi.yaml, Slot
  std::string code;
  Fault::Args args;
  std::string since;
  const std::string& name() const { return slot->config().name; }
};

class Line::Impl : public std::enable_shared_from_this<Line::Impl> {
 public:
  Impl(const asio::any_io_executor& executor, Services services,
       std::vector<std::unique_ptr<Slot>> slots);

  void start();
  void stop();
  void write_counts();
  Task<void> begin_work();

  // view.cpp
  Json snapshot() const;
  Json view(const Bench& bench) const;
  Json pending() const;
  std::optional<std::string> trouble() const;
  Json station() const;
  void show(Bench& bench, std::string state, std::string code = {}, Fault::Args args = {});
  void show(const Passage& passage);
  void show_waiting(Bench& bench, const Fault& fault);
  void publish(const std::string& name, const Json& data);
  Task<void> refresh();  // reads the lots again and publishes them
  Task<void> refresh_later();
  void refresh_soon();
  std::shared_ptr<void> subscribe(Listener listener);

  // desk.cpp
  Task<Lot> open_lot(Actor actor, OrderFiles files);
  Task<Lot> close_lot(Actor actor, std::string lot);
  Task<Lot> set_lot(Actor actor, std::string lot, bool paused);
  Task<Json> scan(Actor actor, std::string unit, std::string symbol);
  Task<void> void_label(Actor actor, std::string symbol, std::string reason);
  Task<void> lose_label(Actor actor, std::string serial, std::string reason);
  Task<void> abandon(Actor actor, std::string run, std::string reason);
  Task<void> resume_slot(Actor actor, std::string slot);
  Task<std::string> checkpoint(Actor actor, std::string nonce);
  Task<void> checkpoint_when_due();
  Task<void> destroy_left_keys();
  void token_turned();
  Task<void> catch_up();
  Task<void> watch_ledger();
  std::string binding(const Passage& passage, const std::string& unit) const;
  std::shared_ptr<Passage> passage_of(const std::string& run) const;
  void doom(const std::string& run, const Fault& fault);
  const Product& product_of(const Lot& lot);

  // arrival.cpp
  Task<void> serve(Bench& bench);
  Task<std::optional<Fault>> greet(Bench& bench);
  Task<bool> stays(Bench& bench, std::optional<Fault> fault);
  Task<bool> stays_for_token(Bench& bench, Fault fault);
  Task<std::optional<Fault>> welcomed(Bench& bench);
  Task<void> welcome(Bench& bench);
  Task<bool> wait_for_admission(Bench& bench, Lot& lot);
  Task<void> meet(Bench& bench, Lot lot);
  Task<void> meet_passed(Bench& bench, const Standing& standing);
  Task<void> refuse(Bench& bench, const Lot& lot, Fault fault);
  Task<void> visit(Bench& bench, Fault fault);
  Task<bool> signs(Seat& seat, const Run& run, const Bytes& spki);
  Task<void> hold(Bench& bench, Fault fault);
  Task<bool> sits_elsewhere(Bench& bench);
  Task<void> begin(Bench& bench, Lot lot, Product product, Run run, Bytes known_spki);
  Task<void> run_passage(std::shared_ptr<Passage> passage);
  Task<bool> resume(Run& run);
  Task<void> resume_labels();
  Task<void> simulate_scan(std::shared_ptr<Passage> passage);
  void spawn(Task<void> task, const char* what);

  asio::any_io_executor executor_;
  Services services_;
  TokenWatch token_;
  Tally tally_;
  Provisioner provisioner_;
  std::list<Bench> benches_;
  std::list<std::shared_ptr<Passage>> passages_;  // those that go on
  Event changed_;                                 // lots, slots, station: whoever waits looks again
  std::vector<Lot> lots_;                         // those that are not closed, as last counted
  bool refresh_due_ = false;
  Clock::time_point refreshed_;
  Clock::duration refresh_took_{};
  std::set<std::string> opening_;            // keys of lots that the ledger does not know yet
  std::map<std::string, Product> products_;  // by lot, whose product never changes
  std::optional<std::string> stopped_;
  std::optional<Fault> lost_;                                 // the ledger is not ours any more
  std::deque<std::chrono::steady_clock::time_point> passes_;  // within the last hour
  std::uint64_t last_event_ = 0;
  std::uint64_t next_listener_ = 0;
  std::map<std::uint64_t, Listener> listeners_;
  std::list<std::shared_ptr<asio::cancellation_signal>> stops_;  // of what is spawned
  bool stopping_ = false;
  bool checkpointing_ = false;
};

// Checks everything that a product says of units against what this one says of itself: Faults
// "unit.*", "hwid.*".
void check_identification(const Product& product, const Identification& who);

}  // namespace mintmark
