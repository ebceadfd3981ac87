// What is asked of random numbers before anything is made of them. Two tests are those of NIST
// SP 800-90B section 4.4, on 8-bit samples that claim full entropy (H = 8), each with a false alarm
// once in 2^40: repetition count, cutoff 1 + 40/8 = 6, and adaptive proportion, cutoff 19 in a
// window of 512. The third catches what those do not see, a generator that repeats itself: a
// counter or a seed restored, a buffer never refilled, a driver that answers twice.
#pragma once

#include <mutex>
#include <optional>

#include "station/words/bytes.hpp"
#include "station/words/secret.hpp"

namespace mintmark {

// A Fault("rng.broken") has the argument `test`: one of these words.
inline constexpr const char* kBlockRepeat = "block repeat";
inline constexpr const char* kRepetition = "repetition count";
inline constexpr const char* kProportion = "adaptive proportion";

// SP 800-90B 4.4.1: one value again and again.
class RepetitionCountTest {
 public:
  static constexpr int kCutoff = 6;
  bool feed(std::uint8_t sample);  // false where the test fails

 private:
  // Samples are secrets: what is remembered of them lies where secrets lie.
  Secret sample_{1};
  int count_ = 0;
};

// SP 800-90B 4.4.2: one value too often. Counted is the first of each window.
class AdaptiveProportionTest {
 public:
  static constexpr int kCutoff = 19, kWindow = 512;
  bool feed(std::uint8_t sample);

 private:
  Secret sample_{1};
  int count_ = 0, seen_ = 0;
};

// A block that is the one before it, or whose halves are equal. An honest generator fails once in
// 2^128 blocks.
class BlockRepeatTest {
 public:
  static constexpr std::size_t kBlock = 32;
  bool feed(View block);

 private:
  // Of the block before, its digest: the block itself has become somebody's secret.
  std::optional<Digest> last_;
};

// All three over everything that a token returns, in the order in which it is fed. Thread-safe.
class RandomTests {
 public:
  static constexpr std::size_t kBlock = BlockRepeatTest::kBlock;

  // Fault "rng.broken" (test) when one fails, and from then on always: a generator that failed once
  // is not asked again. `blocks` is whole blocks.
  void feed(View blocks);

 private:
  const char* failed_by(View block);

  std::mutex mutex_;
  RepetitionCountTest repetition_;
  AdaptiveProportionTest proportion_;
  BlockRepeatTest repeat_;
  const char* broken_ = nullptr;  // the test that failed
};

}  // namespace mintmark
