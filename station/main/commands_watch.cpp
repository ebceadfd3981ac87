// One line for each unit that ends, as it ends.
#include <chrono>
#include <cstdio>
#include <iostream>
#include <map>
#include <set>

#include "station/main/commands.hpp"
#include "station/words/fault.hpp"

namespace mintmark {

namespace {

struct WatchOptions {
  int count = 0;  // 0: for ever
  bool until_lot_done = false;
};

// Follows the runs that it sees under way, on slots and waiting for labels. One that is no longer
// among them has ended, or waits for its unit to come back: its record says which.
class Watch {
 public:
  Watch(Client client, WatchOptions options) : client_(std::move(client)), options_(options) {}

  void run() {
    client_.events([this](const std::string& name, const Json& data) { return take(name, data); });
  }
  int exit_code() const { return exit_code_; }

 private:
  using Instant = std::chrono::steady_clock::time_point;

  bool take(const std::string& name, const Json& data) {
    if (name == "snapshot") {
      for (const Json& slot : data["slots"]) take_slot(slot);
      take_pending(data["pending"]);
      if (!watching_) std::cout << "watching" << std::endl;
      watching_ = true;
      return take_station(data["station"]);
    }
    if (name == "slot") take_slot(data);
    if (name == "pending") take_pending(data["pending"]);
    look_for_endings();
    if (name == "station") return take_station(data);
    return options_.count == 0 || count_ < options_.count;
  }

  void take_slot(const Json& slot) {
    std::string name = slot["slot"];
    on_slots_.erase(name);
    if (slot["run"].is_string() && (slot["state"] == "working" || slot["state"] == "free")) {
      on_slots_[name] = slot["run"];
      began_.emplace(slot["run"], std::chrono::steady_clock::now());
    } else if (watching_ && slot["state"] == "ended" &&
               (!slot["run"].is_string() || slot["ending"] == "retry")) {
      print(name, slot["serial"], slot["ending"], slot["code"], 0);
    }
  }

  void take_pending(const Json& pending) {
    pending_.clear();
    for (const Json& one : pending) {
      pending_.insert(one["run"].get<std::string>());
      began_.emplace(one["run"], std::chrono::steady_clock::now());
    }
  }

  void look_for_endings() {
    std::set<std::string> under_way = pending_;
    for (const auto& [slot, run] : on_slots_) under_way.insert(run);
    for (auto at = began_.begin(); at != began_.end();) {
      bool ended = !under_way.contains(at->first) && print_if_ended(at->first, at->second);
      at = ended ? began_.erase(at) : std::next(at);
    }
  }

  bool print_if_ended(const std::string& id, Instant began) {
    Json run = client_.get("/runs/" + id);
    if (!run["ending"].is_string()) return false;
    std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    print(run["slot"], run["serial"], run["ending"], run["code"], took.count());
    return true;
  }

  static std::string word(const Json& value) {
    return value.is_string() && !value.get<std::string>().empty() ? value.get<std::string>() : "-";
  }

  // slot serial ending code seconds; a dash for what there is none of.
  void print(const Json& slot, const Json& serial, const Json& ending, const Json& code,
             double seconds) {
    std::array<char, 32> took{};
    std::snprintf(took.data(), took.size(), "%.1f", seconds);
    std::cout << word(slot) << " " << word(serial) << " " << word(ending) << " " << word(code)
              << " " << took.data() << std::endl;
    if (ending != "retry") ++count_;  // it has not ended: somebody must seat it again
  }

  // Done: each lot has what was ordered, or nothing more can come of it.
  bool take_station(const Json& station) {
    if (options_.count != 0 && count_ >= options_.count) return false;
    if (!options_.until_lot_done) return true;
    bool any = false, done = true, short_of = false;
    for (const Json& lot : station["lots"]) {
      any = seen_lot_ = true;
      int passed = lot["passed"], quantity = lot["quantity"], other = lot["other"];
      if (passed < quantity) done = done && lot["open"] == 0 && passed + other >= quantity;
      short_of = short_of || passed < quantity;
    }
    if (any ? !done : !seen_lot_) return true;
    exit_code_ = short_of ? 1 : 0;
    return false;
  }

  Client client_;
  WatchOptions options_;
  std::map<std::string, std::string> on_slots_;  // slot, run
  std::set<std::string> pending_;
  std::map<std::string, Instant> began_;
  bool watching_ = false, seen_lot_ = false;
  int count_ = 0, exit_code_ = 0;
};

}  // namespace

void add_watch_command(CLI::App& app, Context& context) {
  auto options = std::make_shared<WatchOptions>();
  auto* command = app.add_subcommand(
      "watch",
      "print \"watching\", then a line for each unit that ends: slot serial ending code "
      "seconds (- for none)");
  command->add_option("--count", options->count, "stop after so many")->check(CLI::PositiveNumber);
  command->add_flag("--until-lot-done", options->until_lot_done,
                    "stop when the open lots have what was ordered; exit 1 if they cannot");
  command->callback([options, &context] {
    Watch watch(context.client(), *options);
    watch.run();
    context.exit_code = watch.exit_code();
  });
}

}  // namespace mintmark
