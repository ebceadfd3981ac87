#include "hsm/health.hpp"

#include "station/words/crypto.hpp"
#include "station/words/fault.hpp"

namespace mintmark {

void BlockRepeatTest::feed(View blocks) {
  std::lock_guard<std::mutex> guard(mutex_);
  for (; !blocks.empty() && !broken_; blocks = blocks.subspan(kBlock))
    feed_one(blocks.first(kBlock));
  if (broken_) throw Fault("rng.broken");
}

void BlockRepeatTest::feed_one(View block) {
  Digest digest = sha256(block);
  broken_ = last_ == digest || equal(block.first(kBlock / 2), block.subspan(kBlock / 2));
  last_ = digest;
}

}  // namespace mintmark
