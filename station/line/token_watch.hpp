// Whether the token is there, as the whole line sees it. It is asked now and then while nobody has
// reason to doubt it, at once when a call failed, and then ever more slowly until it is back.
//
// No probe tries a PIN twice: a vault that had its PIN refused says so without asking the token,
// until a person has cleared the mark (hsm/pin.hpp).
#pragma once

#include <chrono>
#include <functional>
#include <optional>

#include "station/line/passage.hpp"
#include "station/words/fault.hpp"
#include "station/words/task.hpp"

namespace mintmark {

class TokenWatch {
 public:
  using Pause = std::chrono::milliseconds;
  static constexpr Pause kIdle{5000};
  static constexpr int kSlowest = 100;  // times the first pause
  // So often in a row a call may fail with a token that answers the next probe.
  static constexpr int kMostAlarms = 8;

  // `probe` runs on `pool` and throws a Fault where the token cannot be worked with; `changed` is
  // called on the executor whenever away() or its reason has changed. An absent token is asked
  // again after twice `first`, then ever more slowly.
  TokenWatch(const asio::any_io_executor& executor, asio::thread_pool& pool, Pause first,
             std::function<void()> probe, std::function<void()> changed);

  // Probes for ever; spawned once.
  Task<void> run();

  bool away() const { return fault_.has_value(); }
  const std::optional<Fault>& fault() const { return fault_; }

  // Whether a fault is of the kind that can end by the token's coming back: code "token.*".
  static bool concerns(const Fault& fault);
  // A call met this fault: the token counts as away until a probe finds it well.
  void report(const Fault& fault);
  // Reports, and returns once the token is well. True where the token was away, so that what failed
  // may be done again; false where a token that is there keeps saying no.
  Task<bool> outlasts(Fault fault);

 private:
  Task<std::optional<Fault>> ask();
  void settle(const std::optional<Fault>& found);

  asio::thread_pool* pool_;
  std::function<void()> probe_, changed_;
  std::optional<Fault> fault_;
  Event doubted_, turned_;
  Pause first_, pause_;
  int failed_probes_ = 0, good_probes_ = 0, alarms_ = 0;
};

}  // namespace mintmark
