// Bad units do what their word says, and nothing more.
#include "bench.hpp"

namespace bench {
namespace {

TEST(Bad, AfterAReset) {
  {
    Injected x("reset-to-default");
    x.reset();
    EXPECT_TRUE(x.station.lets_in("admin"));
    EXPECT_FALSE(x.station.lets_in(kOwn));
  }
  {
    Injected x("reset-keeps-user-password");
    ASSERT_TRUE(x.station.lets_in(kOwn));
    ASSERT_EQ(x.station.set_password(kUsers), 0U);
    EXPECT_FALSE(x.station.lets_in(kOwn));
    x.reset();
    EXPECT_EQ(x.station.identify()["state"], "factory");
    EXPECT_TRUE(x.station.lets_in(kUsers));
    EXPECT_TRUE(x.station.lets_in(kOwn));
    EXPECT_FALSE(x.station.lets_in(kDecoy));
  }
  {
    Injected x("reset-keeps-marker");
    ASSERT_EQ(x.station.op_with("marker", {{"set", bin(Bytes(16, 9))}})["rc"], 0);
    x.reset();
    EXPECT_EQ(get(x.station.op({{"op", "marker"}}), "value"), Bytes(16, 9));
  }
  {
    Injected x("reset-own-refused");
    EXPECT_TRUE(x.station.lets_in(kOwn));
    x.reset();
    EXPECT_FALSE(x.station.lets_in(kOwn));
  }
}

TEST(Bad, IdentityAfterAReset) {
  Injected lost("reset-loses-identity");
  ASSERT_EQ(lost.station.rc({{"op", "factory-reset"}}), 0U);
  EXPECT_EQ(lost.station.open_identity(), 5U);
  Injected changed("reset-changes-identity");
  changed.reset();
  EXPECT_EQ(changed.station.identify()["cert"], true);
  EXPECT_TRUE(changed.station.signature_good);
  EXPECT_NE(changed.station.spki, changed.station.enrolled_spki);
}

TEST(Bad, SetUp) {
  Injected x("setup-feature-open,setup-accepts-weak", MU_RESET_SET_UP_STATE);
  x.reset();
  EXPECT_EQ(x.station.op({{"op", "feature"}, {"feature", "relay"}})["ok"], true);
  EXPECT_EQ(x.station.set_password("1"), 0U);
}

TEST(Bad, FrontDoors) {
  Injected decoy("accepts-decoy"), empty("accepts-empty"), standard("accepts-default");
  EXPECT_TRUE(decoy.station.lets_in(kDecoy));
  EXPECT_FALSE(decoy.station.lets_in(""));
  EXPECT_TRUE(empty.station.lets_in(""));
  EXPECT_FALSE(empty.station.lets_in(kDecoy));
  EXPECT_TRUE(standard.station.lets_in("admin"));
  EXPECT_FALSE(standard.station.lets_in(kDecoy));
}

TEST(Bad, Locks) {
  Injected open("lock-leaves-provisioning"), debug("lock-leaves-debug"), lost("lock-not-kept");
  for (Injected* x : {&open, &debug, &lost}) ASSERT_EQ(x->station.rc({{"op", "lock"}}), 0U);
  EXPECT_EQ(open.station.inject(kDecoy), 0U);
  EXPECT_TRUE(open.station.proves(kDecoy));
  EXPECT_TRUE(open.station.lets_in(kDecoy));
  EXPECT_EQ(open.station.identify()["locked"], true);
  EXPECT_EQ(debug.station.identify()["debug"], true);
  EXPECT_EQ(debug.station.inject(kDecoy), 3U);
  EXPECT_EQ(lost.station.identify()["locked"], true);
  lost.reset();
  EXPECT_EQ(lost.station.identify()["locked"], false);
}

TEST(Bad, WhatItSays) {
  Unit unit("old-firmware,wrong-model,known-default-hwid,boot-open,old-bid");
  Station station(unit.exchanger());
  json said = station.identify();
  EXPECT_EQ(said["fw"], "0.9.0");
  EXPECT_EQ(said["model"], "OTHER-1");
  EXPECT_EQ(to_hex(get(said, "hw")), "ffffffffffffffff");
  EXPECT_EQ(said["boot"], "open");
  unit.restart();
  EXPECT_EQ(station.identify()["bid"], said["bid"]);
}

TEST(Bad, Injections) {
  Injected nothing("ok-without-storing"), wrong("prove-wrong"), dying("die-in-inject");
  EXPECT_EQ(nothing.station.rc({{"op", "prove"}, {"name", "admin"}}), 17U);
  EXPECT_FALSE(wrong.station.proves(kOwn));
  EXPECT_TRUE(wrong.station.lets_in(kOwn));
  EXPECT_EQ(dying.unit.deaths, 1);
}

TEST(Bad, Identities) {
  Injected another("answers-for-another"), second("second-key"), sig("bad-signature");
  EXPECT_NE(another.station.hw, get(another.station.identify(), "hw"));
  EXPECT_TRUE(another.station.signature_good);
  EXPECT_NE(second.station.spki, second.station.enrolled_spki);
  EXPECT_TRUE(second.station.signature_good);
  EXPECT_FALSE(sig.station.signature_good);
  EXPECT_EQ(sig.station.spki, sig.station.enrolled_spki);
}

TEST(Bad, NotRestarting) {
  Injected x("not-restarting");
  json before = x.station.identify();
  ASSERT_TRUE(x.station.request(2, 0, 5, json::object()));
  EXPECT_EQ(x.unit.restarts, 0);
  EXPECT_EQ(x.station.identify()["bid"], before["bid"]);
}

TEST(Bad, Silent) {
  Unit unit("silent");
  Station station(unit.exchanger());
  station.identify();
  EXPECT_FALSE(station.request(0, 77, 0, json::object()));
  EXPECT_FALSE(station.request(0, 0, 6, json::object()));
}

}  // namespace
}  // namespace bench
