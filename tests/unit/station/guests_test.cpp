// How many may be connected, and who goes when one comes too many.
#include "station/main/guests.hpp"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <list>

namespace mintmark {
namespace {

class GuestsTest : public ::testing::Test {
 protected:
  GuestsTest() {
    bounds.connections = 6;
    bounds.of_one_address = 4;
    bounds.local_connections = 3;
  }
  static Peer from(const std::string& address) {
    Peer peer;
    peer.tls = !address.empty();
    peer.address = address;
    return peer;
  }
  bool comes(const std::string& address) {
    if (!guests.admits(from(address))) return false;
    std::size_t number = visits.size();
    auto cut = [this, number] { gone.push_back(number); };
    guests.enter(visits.emplace_back(from(address), guests, io.get_executor(), cut));
    return true;
  }

  boost::asio::io_context io;
  Bounds bounds;
  Guests guests{bounds};
  std::list<Visit> visits;
  std::vector<std::size_t> gone;  // by the order of their coming
};

TEST_F(GuestsTest, OneAddressIsBounded) {
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(comes("a"));
  EXPECT_FALSE(comes("a"));
  EXPECT_TRUE(comes("b"));
  guests.leave(visits.front());
  EXPECT_TRUE(comes("a"));
  EXPECT_TRUE(gone.empty());
}

TEST_F(GuestsTest, WhoHasMostMakesRoom) {
  for (const char* address : {"b", "a", "a", "b", "a", "a"}) EXPECT_TRUE(comes(address));
  EXPECT_TRUE(comes("c"));
  EXPECT_EQ(gone, std::vector<std::size_t>({1})) << "the oldest of a";
  EXPECT_TRUE(comes("c"));
  EXPECT_EQ(gone, std::vector<std::size_t>({1, 2}));
  EXPECT_FALSE(comes("c")) << "nobody has more than two";
  EXPECT_TRUE(comes("d"));
  EXPECT_EQ(gone, std::vector<std::size_t>({1, 2, 0})) << "the oldest of all";
}

TEST_F(GuestsTest, TheUnixSocketHasItsOwn) {
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(comes(std::to_string(i)));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(comes(""));
  EXPECT_FALSE(comes(""));
  EXPECT_TRUE(comes("x"));
  EXPECT_EQ(gone, std::vector<std::size_t>({0}));
}

TEST(PaceTest, MoreWaitInTheirOrder) {
  Pace pace(std::chrono::milliseconds(50));
  auto now = std::chrono::steady_clock::now();
  for (int i = 0; i < 3; ++i) EXPECT_LT(pace.turn(), now + std::chrono::milliseconds(49)) << i;
  auto fourth = pace.turn(), fifth = pace.turn();
  EXPECT_GT(fourth, now + std::chrono::milliseconds(49));
  EXPECT_EQ(fifth - fourth, std::chrono::milliseconds(50));
}

TEST_F(GuestsTest, AllAreCutAtTheEnd) {
  comes("");
  comes("a");
  guests.cut_all();
  EXPECT_EQ(gone, std::vector<std::size_t>({0, 1}));
}

TEST_F(GuestsTest, AddressesAreCountedByNetwork) {
  auto counted = [](const char* text) { return counted_as(boost::asio::ip::make_address(text)); };
  EXPECT_EQ(counted("192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(counted("::ffff:192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(counted("2001:db8:1:2:3::4"), counted("2001:db8:1:2::9"));
  EXPECT_NE(counted("2001:db8:1:2::9"), counted("2001:db8:1:3::9"));
}

}  // namespace
}  // namespace mintmark
