// The test that catches a random generator which repeats itself: a counter or a seed restored, a
// buffer never refilled, a driver that answers twice. The statistical tests of SP 800-90B do not
// see that. An honest generator fails once in 2^128 blocks.
#pragma once

#include <mutex>
#include <optional>

#include "station/words/bytes.hpp"

namespace mintmark {

class BlockRepeatTest {
 public:
  static constexpr std::size_t kBlock = 32;

  // Fault("rng.broken") when a block is the one before it, or its halves are equal; and from then
  // on always: a generator that failed once is not asked again. `blocks` is whole blocks.
  void feed(View blocks);

 private:
  void feed_one(View block);

  std::mutex mutex_;
  // Of the block before, its digest: the block itself has become somebody's secret.
  std::optional<Digest> last_;
  bool broken_ = false;
};

}  // namespace mintmark
