// The tally lets nothing out before enough passwords are together.
#include "station/line/tally.hpp"

#include <gtest/gtest.h>

#include <numeric>

namespace mintmark {
namespace {

Drawn drawn(const std::string& password, const std::string& name = "admin") {
  Drawn out(name, "password", Secret::copy_of(view(password)), Digest());
  out.policy = PasswordPolicy(std::string(kA31), static_cast<int>(password.size()));
  out.redraws = {0, 1, 0};
  return out;
}

std::int64_t sum(const std::vector<std::int64_t>& numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), std::int64_t{0});
}

class TallyTest : public testing::Test {
 protected:
  Tally tally;
  void count(int times, const std::string& lot = "lot",
             const std::string& word = "K7QM2XRD9HVTWN4C") {
    for (int i = 0; i < times; ++i) tally.count(lot, drawn(word));
  }
};

TEST_F(TallyTest, ABatchGoesOutOnceTheNextIsFull) {
  for (int i = 1; i <= 450; ++i) {
    count(1);
    auto out = tally.full("lot");
    bool due = i == 200 || i == 300 || i == 400;
    ASSERT_EQ(out.size(), due ? 1u : 0u) << i;
    if (due) {
      EXPECT_EQ(out[0].mints, 100);
    }
  }
  auto rest = tally.rest("lot");
  ASSERT_EQ(rest.size(), 1u);
  EXPECT_EQ(rest[0].mints, 150);
}

TEST_F(TallyTest, FewAreNeverTold) {
  count(99);
  EXPECT_TRUE(tally.full("lot").empty());
  EXPECT_TRUE(tally.rest("lot").empty());
  EXPECT_EQ(tally.lots(), std::vector<std::string>{"lot"});
  count(1);  // the close was refused: they are still there
  EXPECT_EQ(tally.rest("lot").at(0).mints, 100);
  EXPECT_TRUE(tally.rest("lot").empty());
  tally.forget("lot");
  EXPECT_TRUE(tally.lots().empty());
}

TEST_F(TallyTest, CountsSymbolsByPositionAndInPairs) {
  count(60, "lot", "22Z");
  count(40, "lot", "2Z2");
  SymbolCounts counts = tally.rest("lot").at(0);
  EXPECT_EQ(counts.name, "admin");
  EXPECT_EQ(counts.klass, "password");
  EXPECT_EQ(counts.alphabet, kA31);
  EXPECT_EQ(counts.length, 3u);
  EXPECT_EQ(counts.redraws, (Redraws{0, 100, 0}));
  auto position = [&](std::size_t i, std::size_t symbol) {
    return counts.positions.at(i * 31 + symbol);
  };
  EXPECT_EQ(position(0, 0), 100);
  EXPECT_EQ(position(1, 0), 60);
  EXPECT_EQ(position(1, 30), 40);
  EXPECT_EQ(position(2, 30), 60);
  EXPECT_EQ(sum(counts.positions), 300);
  EXPECT_EQ(counts.pairs.at(0), 60);
  EXPECT_EQ(counts.pairs.at(30), 100);
  EXPECT_EQ(counts.pairs.at(30 * 31), 40);
  EXPECT_EQ(sum(counts.pairs), 200);
}

TEST_F(TallyTest, LotsAndNamesAreKeptApart) {
  count(100, "a");
  count(100, "b");
  for (int i = 0; i < 100; ++i) tally.count("b", drawn("22", "wifi-key"));
  EXPECT_EQ(tally.rest("a").size(), 1u);
  EXPECT_EQ(tally.rest("b").size(), 2u);
  Drawn key("key", "symmetric-key", Secret(16), Digest());
  for (int i = 0; i < 100; ++i) tally.count("c", key);
  EXPECT_TRUE(tally.rest("c").empty());
}

TEST_F(TallyTest, WhatCouldNotBeWrittenIsGivenBack) {
  count(100);
  EXPECT_TRUE(tally.full("lot").empty());
  count(100);
  auto out = tally.full("lot");
  ASSERT_EQ(out.size(), 1u);
  tally.give_back("lot", out);
  auto rest = tally.rest("lot");
  ASSERT_EQ(rest.size(), 1u);
  EXPECT_EQ(rest[0].mints, 200);
  EXPECT_EQ(sum(rest[0].positions), 200 * 16);
  EXPECT_EQ(rest[0].redraws[1], 200);
}

// As long as nothing can be written, counters do not overflow: the same symbol every time.
TEST_F(TallyTest, StopsCountingBeforeACounterWould) {
  for (int i = 0; i < 3000; ++i) {
    count(1, "lot", std::string(63, '2'));
    tally.give_back("lot", tally.full("lot"));
  }
  auto rest = tally.rest("lot");
  ASSERT_EQ(rest.size(), 1u);
  EXPECT_LE(rest[0].mints, 1000);
  EXPECT_EQ(rest[0].positions[0], rest[0].mints);
  EXPECT_EQ(rest[0].pairs[0], rest[0].mints * 62);
}

}  // namespace
}  // namespace mintmark
