#include "station/line/token_watch.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace mintmark {

TokenWatch::TokenWatch(const asio::any_io_executor& executor, asio::thread_pool& pool, Pause first,
                       std::function<void()> probe, std::function<void()> changed)
    : pool_(&pool),
      probe_(std::move(probe)),
      changed_(std::move(changed)),
      doubted_(executor),
      turned_(executor),
      first_(first),
      pause_(first) {}

bool TokenWatch::concerns(const Fault& fault) { return fault.code().starts_with("token."); }

static bool is_absence(const Fault& fault) {
  return fault.code() == "token.away" || fault.code() == "token.missing";
}

Task<void> TokenWatch::run() {
  for (;;) {
    if (!away()) co_await doubted_.wait_past(doubted_.count(), kIdle);
    if (away()) co_await doubted_.wait_past(doubted_.count(), pause_);
    std::optional<Fault> found = co_await ask();
    settle(found);
  }
}

Task<std::optional<Fault>> TokenWatch::ask() {
  std::optional<Fault> found;
  try {
    auto probe = probe_;
    co_await on(*pool_, std::move(probe));
  } catch (const Fault& fault) {
    found = fault;
  }
  co_return found;
}

void TokenWatch::settle(const std::optional<Fault>& found) {
  std::string before = away() ? fault_->code() : "";
  fault_ = found;
  if (found) {
    ++failed_probes_;
    good_probes_ = alarms_ = 0;
    pause_ = std::min(pause_ * 2, first_ * kSlowest);
  } else if (++good_probes_ > 2) {
    alarms_ = 0;  // it has been well for a while: the next absence is a new one
    pause_ = first_;
  }
  if (before == (away() ? fault_->code() : "")) return;
  if (away())
    spdlog::warn("token: {}", fault_->what());
  else
    spdlog::info("the token is back");
  turned_.notify();
  changed_();
}

void TokenWatch::report(const Fault& fault) {
  if (away()) return;
  spdlog::warn("token: {}", fault.what());
  fault_ = fault;
  good_probes_ = 0;
  ++alarms_;
  pause_ = std::min(pause_ * 2, first_ * kSlowest);
  doubted_.notify();
  changed_();
}

Task<bool> TokenWatch::outlasts(Fault fault) {
  int failed_before = failed_probes_;
  report(fault);
  while (away()) co_await turned_.wait_past(turned_.count());
  if (failed_probes_ > failed_before) co_return true;
  co_return is_absence(fault) && alarms_ <= kMostAlarms;
}

}  // namespace mintmark
