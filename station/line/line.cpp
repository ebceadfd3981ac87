#include "station/line/line.hpp"

#include <spdlog/spdlog.h>

#include <boost/asio/bind_cancellation_slot.hpp>

#include "station/line/line_impl.hpp"
#include "station/words/crypto.hpp"

namespace mintmark {

// The right label is not enough: under another token's fingerprint key the ledger would find no
// duplicate any more. Nor is a token that has no room for what an older ledger is known by.
static std::function<void()> probe_of(const Services& services) {
  return [vault = services.vault, ledger = services.ledger,
          ours = services.ledger->birth().fingerprint_check] {
    if (!same(vault->check_value(), ours))
      throw Fault("token.foreign", {{"what", "fingerprint key"}});
    ledger->keep_owed();
  };
}

// The services of this line, whose runs wait for its token and are counted in its tally.
static Services& own(Services& services, TokenWatch& token, Tally& tally) {
  services.token = &token;
  services.tally = &tally;
  return services;
}

Line::Impl::Impl(const asio::any_io_executor& executor, Services services,
                 std::vector<std::unique_ptr<Slot>> slots)
    : executor_(executor),
      services_(services),
      token_(executor, *services.token_pool, services.first_probe, probe_of(services),
             [this] { token_turned(); }),
      provisioner_(own(services_, token_, tally_),
                   [this](const Passage& passage) { show(passage); }),
      changed_(executor) {
  for (auto& slot : slots) benches_.emplace_back(std::move(slot));
}

// A coroutine that nobody awaits. A Fault in it is the station's, not a unit's: it is logged and
// the rest goes on.
void Line::Impl::spawn(Task<void> task, const char* what) {
  auto stop = std::make_shared<asio::cancellation_signal>();
  stops_.push_back(stop);
  auto done = [self = shared_from_this(), stop, what](const std::exception_ptr& error) {
    self->stops_.remove(stop);
    if (!error || self->stopping_) return;
    try {
      std::rethrow_exception(error);
    } catch (const std::exception& e) {
      spdlog::error("{}: {}", what, e.what());
    }
  };
  asio::co_spawn(executor_, std::move(task),
                 asio::bind_cancellation_slot(stop->slot(), std::move(done)));
}

void Line::Impl::start() { spawn(begin_work(), "start"); }

Task<void> Line::Impl::begin_work() {
  co_await refresh();
  spawn(token_.run(), "token");
  spawn(watch_ledger(), "ledger");
  co_await catch_up();
  co_await resume_labels();
  for (Bench& bench : benches_) spawn(serve(bench), "slot");
}

void Line::Impl::stop() {
  stopping_ = true;
  auto stops = stops_;
  for (const auto& stop : stops) stop->emit(asio::cancellation_type::terminal);
  // Off the line's thread an emission is posted, and needs its signal until then, also where the
  // coroutine ends before.
  asio::post(executor_, [stops = std::move(stops)] {});
  write_counts();
}

// What is too little to be written stays uncounted.
void Line::Impl::write_counts() {
  for (const std::string& lot : tally_.lots()) {
    std::vector<SymbolCounts> rest = tally_.rest(lot);
    try {
      services_.ledger->transact_now([&](Transaction& db) {
        for (const SymbolCounts& batch : rest) symbols::add(db, lot, batch);
      });
    } catch (const Fault& fault) {
      spdlog::error("symbol counts of lot {} are lost: {}", lot, fault.what());
    }
  }
}

static std::vector<std::unique_ptr<Slot>> make_slots(const asio::any_io_executor& executor,
                                                     std::vector<SlotConfig> configs) {
  std::vector<std::unique_ptr<Slot>> out;
  out.reserve(configs.size());
  for (SlotConfig& config : configs) out.push_back(make_slot(executor, std::move(config)));
  return out;
}

Line::Line(const asio::any_io_executor& executor, Services services, std::vector<SlotConfig> slots)
    : Line(executor, services, make_slots(executor, std::move(slots))) {}
Line::Line(const asio::any_io_executor& executor, Services services,
           std::vector<std::unique_ptr<Slot>> slots)
    : impl_(std::make_shared<Impl>(executor, services, std::move(slots))) {}
Line::~Line() = default;

void Line::start() { impl_->start(); }
void Line::stop() { impl_->stop(); }
Json Line::snapshot() const { return impl_->snapshot(); }
Json Line::station() const { return impl_->station(); }
std::optional<std::string> Line::trouble() const { return impl_->trouble(); }
std::shared_ptr<void> Line::subscribe(Listener listener) {
  return impl_->subscribe(std::move(listener));
}
std::uint64_t Line::last_event() const { return impl_->last_event_; }

Task<Lot> Line::open_lot(Actor actor, OrderFiles files) {
  return impl_->open_lot(std::move(actor), std::move(files));
}
Task<Lot> Line::close_lot(Actor actor, std::string lot) {
  return impl_->close_lot(std::move(actor), std::move(lot));
}
Task<Lot> Line::pause_lot(Actor actor, std::string lot) {
  return impl_->set_lot(std::move(actor), std::move(lot), true);
}
Task<Lot> Line::resume_lot(Actor actor, std::string lot) {
  return impl_->set_lot(std::move(actor), std::move(lot), false);
}
Task<Json> Line::scan(Actor actor, std::string unit, std::string symbol) {
  return impl_->scan(std::move(actor), std::move(unit), std::move(symbol));
}
Task<void> Line::void_label(Actor actor, std::string symbol, std::string reason) {
  return impl_->void_label(std::move(actor), std::move(symbol), std::move(reason));
}
Task<void> Line::lose_label(Actor actor, std::string serial, std::string reason) {
  return impl_->lose_label(std::move(actor), std::move(serial), std::move(reason));
}
Task<void> Line::abandon(Actor actor, std::string run, std::string reason) {
  return impl_->abandon(std::move(actor), std::move(run), std::move(reason));
}
Task<void> Line::resume_slot(Actor actor, std::string slot) {
  return impl_->resume_slot(std::move(actor), std::move(slot));
}
Task<void> Line::look_again() { return impl_->refresh(); }
Task<std::string> Line::checkpoint(Actor actor, std::string nonce) {
  return impl_->checkpoint(std::move(actor), std::move(nonce));
}

}  // namespace mintmark
