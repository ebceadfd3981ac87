// Room for a lot, before it is opened.
#include "station/line/room.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/fault_of.hpp"

namespace mintmark {
namespace {

using Paths = std::vector<std::string>;

TEST(Room, IsMeasuredForEveryUnitOnEveryDisk) {
  std::uint64_t free = free_space("/tmp");
  auto fit = static_cast<std::int64_t>((free - kRoomForAny) / kRoomForUnit);
  EXPECT_EQ(fault_of([&] { must_have_room(Paths{"/tmp"}, fit / 2); }), "");
  EXPECT_EQ(fault_of([&] { must_have_room(Paths{"/tmp"}, fit * 2); }), "disk.no_room");
  EXPECT_EQ(fault_of([&] { must_have_room(Paths{"/tmp", "/proc"}, 1); }), "disk.no_room");
  EXPECT_EQ(fault_of([&] { must_have_room(Paths{"/nowhere/at/all"}, 1); }), "disk.no_room");
  EXPECT_EQ(fault_of([&] { must_have_room(Paths{}, 1); }), "");
}

TEST(Room, SaysWhereAndHowMuch) {
  try {
    must_have_room(Paths{"/proc"}, 1600);
    FAIL();
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.args().at("path"), "/proc");
    EXPECT_EQ(fault.args().at("free"), "0");
    EXPECT_EQ(fault.args().at("needed"), "164");
  }
}

}  // namespace
}  // namespace mintmark
