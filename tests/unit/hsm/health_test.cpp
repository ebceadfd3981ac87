#include "hsm/health.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>

#include "station/words/fault.hpp"

namespace mintmark {
namespace {

// Which test fails at these blocks; empty if none.
std::string broken_by(RandomTests& tests, View blocks) {
  try {
    tests.feed(blocks);
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), "rng.broken");
    return fault.args().at("test");
  }
  return "";
}

// 32 different bytes, none twice in two blocks of different `first`.
Bytes block(std::uint8_t first) {
  Bytes out(RandomTests::kBlock);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::uint8_t>(first + i);
  return out;
}

// How many samples `test` takes until it fails; 0 if it takes all.
template <class Test>
std::size_t fails_at(Test& test, View samples) {
  for (std::size_t i = 0; i < samples.size(); ++i)
    if (!test.feed(samples[i])) return i + 1;
  return 0;
}

// SP 800-90B 4.4.1 at H = 8 and alpha = 2^-40: C = 1 + ceil(40 / 8).
TEST(RepetitionCount, FailsAtTheSixthOfARow) {
  RepetitionCountTest five;
  EXPECT_EQ(fails_at(five, Bytes{7, 7, 7, 7, 7, 8, 7, 7, 7, 7, 7}), 0U);
  RepetitionCountTest six;
  EXPECT_EQ(fails_at(six, Bytes{1, 7, 7, 7, 7, 7, 7}), 7U);
  RepetitionCountTest zeros;  // what it remembers before the first sample is no sample
  EXPECT_EQ(fails_at(zeros, Bytes{0, 0, 0, 0, 0, 1}), 0U);
}

// A window of 512 in which each value but `value` comes three times at most.
Bytes window_with(std::uint8_t value, int times) {
  Bytes out;
  for (int i = 0; i < times; ++i) out.insert(out.end(), {value, static_cast<std::uint8_t>(i + 1)});
  for (int i = 0; out.size() < 512; ++i) out.push_back(static_cast<std::uint8_t>(20 + i % 230));
  return out;
}

// SP 800-90B 4.4.2: critbinom(512, 2^-8, 1 - 2^-40) + 1 = 19.
TEST(AdaptiveProportion, FailsAtTheNineteenthInOneWindow) {
  AdaptiveProportionTest eighteen;
  EXPECT_EQ(fails_at(eighteen, window_with(0, 18)), 0U);
  AdaptiveProportionTest nineteen;
  EXPECT_EQ(fails_at(nineteen, window_with(0, 19)), 37U);
}

TEST(AdaptiveProportion, CountsTheFirstOfEachWindowAndBeginsAnewWithTheNext) {
  AdaptiveProportionTest other;  // a value that is not the window's first is not counted
  Bytes samples = window_with(0, 18);
  samples.front() = 255;
  EXPECT_EQ(fails_at(other, samples), 0U);

  AdaptiveProportionTest halves;
  samples = window_with(0, 10);
  Bytes again = samples;
  samples.insert(samples.end(), again.begin(), again.end());
  EXPECT_EQ(fails_at(halves, samples), 0U);
}

TEST(RandomTestsOfAToken, EachTestStopsItForGood) {
  struct Case {
    const char* name;
    Bytes blocks;
  };
  Bytes stuck = block(1);
  std::fill(stuck.begin() + 4, stuck.begin() + 10, 9);
  Bytes biased;
  for (int i = 0; i < 16; ++i) {
    Bytes part = block(static_cast<std::uint8_t>(1 + i));
    part[0] = part[16] = 200;  // what the window began with
    part[1] = static_cast<std::uint8_t>(i);
    biased.insert(biased.end(), part.begin(), part.end());
  }
  Bytes twice = block(1);
  twice.insert(twice.end(), twice.begin(), twice.begin() + 32);
  for (const Case& c : {Case{kRepetition, stuck}, Case{kProportion, biased},
                        Case{kBlockRepeat, twice}, Case{kBlockRepeat, Bytes(32, 0)}}) {
    RandomTests tests;
    EXPECT_EQ(broken_by(tests, block(200)), "");
    EXPECT_EQ(broken_by(tests, c.blocks), c.name);
    EXPECT_EQ(broken_by(tests, block(60)), c.name) << "good numbers heal no generator";
  }
}

TEST(RandomTestsOfAToken, RowsGoOnFromOneDrawToTheNext) {
  RandomTests tests;
  Bytes ends = block(1), begins = block(100);
  std::fill(ends.end() - 3, ends.end(), 50);
  std::fill(begins.begin(), begins.begin() + 3, 50);
  EXPECT_EQ(broken_by(tests, ends), "");
  EXPECT_EQ(broken_by(tests, begins), kRepetition);
  RandomTests same;
  EXPECT_EQ(broken_by(same, block(1)), "");
  EXPECT_EQ(broken_by(same, block(2)), "");
  EXPECT_EQ(broken_by(same, block(1)), "") << "an old block is the ledger's to find";
  EXPECT_EQ(broken_by(same, block(1)), kBlockRepeat);
}

TEST(RandomTestsOfAToken, AMillionGoodBlocksRaiseNoAlarm) {
  std::mt19937_64 good(20250101);
  RandomTests tests;
  Bytes draw(32 * RandomTests::kBlock);
  for (int blocks = 0; blocks < 1000000; blocks += 32) {
    for (std::size_t i = 0; i < draw.size(); i += 8) {
      std::uint64_t word = good();
      std::memcpy(draw.data() + i, &word, 8);
    }
    ASSERT_EQ(broken_by(tests, draw), "") << blocks;
  }
}

// Four bits of eight stuck: found within two windows, long before the ledger would see a duplicate.
TEST(RandomTestsOfAToken, AGeneratorOfFewValuesIsFoundSoon) {
  std::mt19937_64 poor(7);
  RandomTests tests;
  Bytes draw(RandomTests::kBlock);
  std::string broken;
  int blocks = 0;
  for (; broken.empty() && blocks < 1000; ++blocks) {
    for (std::uint8_t& byte : draw) byte = static_cast<std::uint8_t>(poor() & 0x0F);
    broken = broken_by(tests, draw);
  }
  EXPECT_EQ(broken, kProportion);
  EXPECT_LT(blocks, 33);
}

}  // namespace
}  // namespace mintmark
