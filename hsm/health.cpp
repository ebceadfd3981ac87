#include "hsm/health.hpp"

#include "station/words/crypto.hpp"
#include "station/words/fault.hpp"

namespace mintmark {

bool RepetitionCountTest::feed(std::uint8_t sample) {
  std::uint8_t& last = sample_.mutable_view().front();
  count_ = count_ > 0 && sample == last ? count_ + 1 : 1;
  last = sample;
  return count_ < kCutoff;
}

bool AdaptiveProportionTest::feed(std::uint8_t sample) {
  std::uint8_t& counted = sample_.mutable_view().front();
  if (seen_ == 0) counted = sample;
  if (seen_ == 0) count_ = 0;
  if (sample == counted) ++count_;
  seen_ = (seen_ + 1) % kWindow;
  return count_ < kCutoff;
}

bool BlockRepeatTest::feed(View block) {
  Digest digest = sha256(block);
  bool repeats = last_ == digest || equal(block.first(kBlock / 2), block.subspan(kBlock / 2));
  last_ = digest;
  return !repeats;
}

const char* RandomTests::failed_by(View block) {
  if (!repeat_.feed(block)) return kBlockRepeat;
  for (std::uint8_t sample : block) {
    if (!repetition_.feed(sample)) return kRepetition;
    if (!proportion_.feed(sample)) return kProportion;
  }
  return nullptr;
}

void RandomTests::feed(View blocks) {
  std::lock_guard<std::mutex> guard(mutex_);
  for (; !blocks.empty() && broken_ == nullptr; blocks = blocks.subspan(kBlock))
    broken_ = failed_by(blocks.first(kBlock));
  if (broken_ != nullptr) throw Fault("rng.broken", {{"test", broken_}});
}

}  // namespace mintmark
