// What people see of the line: snapshots and events (schema/openapi.yaml).
#include "station/line/line_impl.hpp"
#include "station/words/clock.hpp"

namespace mintmark {

namespace {

// Between two refreshes: at once, for people; and where one took long, as when the reader was busy.
constexpr auto kBetween = std::chrono::milliseconds(50);
constexpr auto kLongest = std::chrono::seconds(2);

// An empty object with room for so many keys: one that grows copies all that it has.
Json object_of(std::size_t keys) {
  Json out = Json::object();
  out.get_ref<Json::object_t&>().reserve(keys);
  return out;
}

Json or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

int progress(Step step) { return static_cast<int>(step) * 100 / static_cast<int>(Step::done); }

std::string code_of(const HardwareId& id) { return id.source + ":" + id.id; }

}  // namespace

Json Line::Impl::view(const Bench& bench) const {
  const Passage* p = bench.passage.get();
  Json out = object_of(14);
  out["slot"] = bench.name();
  out["port"] = bench.slot->config().port;
  out["state"] = bench.state;
  out["step"] = p != nullptr ? Json(word(p->run.next)) : Json();
  out["progress"] = p != nullptr ? progress(p->run.next) : 0;
  out["serial"] = p != nullptr ? or_null(p->run.serial) : Json();
  out["run"] = p != nullptr ? or_null(p->run.id) : Json();
  out["hardware"] = bench.seat ? Json(code_of(bench.seat->who.hardware_id)) : Json();
  out["ending"] = Json();
  if (p != nullptr && p->over) {
    if (p->run.ending)
      out["ending"] = word(*p->run.ending);
    else if (p->fault && ending_of(p->fault->code()) == Ending::retry)
      out["ending"] = word(Ending::retry);
  } else if (bench.state == "ended" && !bench.code.empty() && !is_stations_own(bench.code)) {
    out["ending"] = bench.code == "unit.already_passed" ? "passed" : word(ending_of(bench.code));
  }
  out["code"] = or_null(bench.code);
  out["args"] = Json::object();
  for (const auto& [key, value] : bench.args) out["args"][key] = value;
  out["attempt"] = p != nullptr ? p->run.attempts + 1 : 1;
  out["max_attempts"] = p != nullptr ? p->product.max_attempts : 1;
  out["since"] = bench.since;
  return out;
}

Json Line::Impl::pending() const {
  Json out = Json::array();
  for (const auto& p : passages_) {
    for (const runs::LabelState& label : p->labels) {
      if (p->over || label.state != "sent") continue;
      Json entry = object_of(8);
      entry["run"] = p->run.id;
      entry["serial"] = p->run.serial;
      entry["place"] = label.place;
      entry["attempt"] = label.attempt;
      entry["symbol"] = ControlSymbol(p->run.serial, label.place, label.attempt).str();
      entry["hardware"] = code_of(p->run.hardware_id);
      entry["slot"] = p->seat && p->seat->seated ? Json(p->seat->slot->config().name) : Json();
      auto doubt = p->uncertain.find(label.place);
      entry["uncertain"] = doubt != p->uncertain.end() && doubt->second == label.attempt;
      out.push_back(std::move(entry));
    }
  }
  return out;
}

Json Line::Impl::station() const {
  Json out;
  out["lots"] = Json::array();
  for (const Lot& lot : lots_) {
    if (lot.state == "closed") continue;
    Json entry;
    entry["lot"] = lot.id;
    entry["product"] = lot.product_name;
    entry["state"] = lot.state;
    entry["quantity"] = lot.quantity;
    entry["passed"] = lot.passed;
    entry["open"] = lot.open_runs;
    entry["other"] = lot.other;
    if (!lot.pause_code.empty()) entry["code"] = lot.pause_code;
    out["lots"].push_back(std::move(entry));
  }
  out["stopped"] = lost_ ? Json(lost_->code()) : stopped_ ? Json(*stopped_) : Json();
  out["token"] = token_.away() ? "away" : "ok";
  out["token_code"] = token_.away() ? Json(token_.fault()->code()) : Json();
  out["units_per_hour"] = passes_.size();
  out["demo"] = services_.ledger->birth().demo;
  return out;
}

std::optional<std::string> Line::Impl::trouble() const {
  for (const Bench& bench : benches_)
    if (bench.state == "paused" && is_of_the_disk(bench.code)) return bench.code;
  for (const auto& p : passages_)
    if (p->waits_for && is_of_the_disk(p->waits_for->code())) return p->waits_for->code();
  return std::nullopt;
}

Json Line::Impl::snapshot() const {
  Json out;
  out["event"] = last_event_;
  out["slots"] = Json::array();
  for (const Bench& bench : benches_) out["slots"].push_back(view(bench));
  out["pending"] = pending();
  out["station"] = station();
  return out;
}

void Line::Impl::publish(const std::string& name, const Json& data) {
  ++last_event_;
  auto listeners = listeners_;  // a listener may leave while it is told
  for (const auto& [id, listener] : listeners) listener(last_event_, name, data);
}

std::shared_ptr<void> Line::Impl::subscribe(Listener listener) {
  std::uint64_t id = next_listener_++;
  listeners_.emplace(id, std::move(listener));
  std::weak_ptr<Impl> self = weak_from_this();
  return {nullptr, [self, id](void*) {
            if (auto line = self.lock()) line->listeners_.erase(id);
          }};
}

void Line::Impl::show(Bench& bench, std::string state, std::string code, Fault::Args args) {
  bench.state = std::move(state);
  bench.code = std::move(code);
  bench.args = std::move(args);
  bench.since = utc_now();
  publish("slot", view(bench));
}

void Line::Impl::show_waiting(Bench& bench, const Fault& fault) {
  if (!TokenWatch::concerns(fault))
    show(bench, "paused", fault.code(), fault.args());
  else
    show(bench, "paused", token_.away() ? token_.fault()->code() : "token.away");
}

void Line::Impl::show(const Passage& passage) {
  for (Bench& bench : benches_) {
    if (bench.passage.get() != &passage) continue;
    bool interrupted = passage.fault.has_value();
    if (passage.over)
      show(bench, "ended", interrupted ? passage.fault->code() : "",
           interrupted ? passage.fault->args() : Fault::Args());
    else if (passage.waits_for && passage.seat && passage.seat->in_use)
      show_waiting(bench, *passage.waits_for);
    else
      show(bench, passage.seat && passage.seat->in_use ? "working" : "free");
  }
  if (!passage.labels.empty()) publish("pending", Json::object({{"pending", pending()}}));
  if (services_.scanned_spool != nullptr && passage.run.next == Step::scan && !passage.over)
    for (const auto& going : passages_)
      if (going.get() == &passage) spawn(simulate_scan(going), "simulated scanner");
}

// Of lots that were closed nobody is shown anything.
static std::pair<std::vector<Lot>, std::optional<std::string>> look_at_lots(Reader& db) {
  std::vector<Lot> all = lots::unfinished(db);
  for (Lot& lot : all) lots::count_units(db, lot);
  return {std::move(all), lots::stopped(db)};
}

Task<void> Line::Impl::refresh() {
  auto began = Clock::now();
  auto look = [](Reader& db) { return look_at_lots(db); };
  std::tie(lots_, stopped_) = co_await services_.ledger->read(look);
  auto hour_ago = std::chrono::steady_clock::now() - std::chrono::hours(1);
  while (!passes_.empty() && passes_.front() < hour_ago) passes_.pop_front();
  publish("station", station());
  changed_.notify();
  refreshed_ = Clock::now();
  refresh_took_ = refreshed_ - began;
}

// Once for all units that end within a moment: to count a lot is to look at each of its runs.
Task<void> Line::Impl::refresh_later() {
  auto due = refreshed_ + std::clamp<Clock::duration>(20 * refresh_took_, kBetween, kLongest);
  if (due > Clock::now()) {
    asio::steady_timer timer(executor_, due);
    co_await timer.async_wait(asio::use_awaitable);
  }
  refresh_due_ = false;
  co_await refresh();
}

void Line::Impl::refresh_soon() {
  if (!std::exchange(refresh_due_, true)) spawn(refresh_later(), "refresh");
}

}  // namespace mintmark
