// Asking again, counters, seals (unit-protocol.md §2 and §4).
#include "bench.hpp"

namespace bench {
namespace {

struct Open {
  Unit unit;
  Station station{unit.exchanger()};
  Open() {
    station.enrol();
    EXPECT_EQ(station.open_identity(), 0U);
  }
  std::optional<Bytes> again() { return unit.exchange(station.last_packet); }
  unsigned long writes() { return unit.flash->writes; }
};

const json kMarker = {{"op", "marker"}, {"set", json::binary(Bytes(16, 5))}};

TEST(Asking, TheSamePacketGetsTheSameAnswerWithoutASecondAct) {
  Open x;
  Bytes c = x.station.seal(0, kMarker);
  ASSERT_EQ(x.station.message(0, c)["rc"], 0);
  unsigned long writes = x.writes();
  auto first = x.again();
  auto second = x.again();
  ASSERT_TRUE(first);
  EXPECT_EQ(first, second);
  EXPECT_EQ(x.writes(), writes);
  json body = json::from_cbor(first->begin() + 8, first->end());
  EXPECT_EQ(x.station.unseal(0, get(body, "c"))["rc"], 0);
}

TEST(Asking, OpeningASessionAgainIsTheSameSession) {
  Open x;
  Bytes packet = x.station.last_packet;
  auto again = x.unit.exchange(packet);
  ASSERT_TRUE(again);
  EXPECT_EQ(x.station.rc(kMarker), 0U);
}

TEST(Asking, TheCacheHoldsOnePacketAndNotThroughARestart) {
  Open x;
  Bytes open = x.station.last_packet;
  auto first = x.unit.exchange(open);
  x.station.identify();
  auto other = x.unit.exchange(open);
  ASSERT_TRUE(first && other);
  EXPECT_NE(first, other);
  x.unit.restart();
  EXPECT_NE(x.unit.exchange(open), other);
}

TEST(Asking, ErrorsAreCachedToo) {
  Unit unit;
  Station station(unit.exchanger());
  EXPECT_EQ(station.open_identity(), 5U);
  Bytes packet = station.last_packet;
  auto again = unit.exchange(packet);
  ASSERT_TRUE(again);
  EXPECT_EQ(clear_rc(json::from_cbor(again->begin() + 8, again->end())), 5U);
}

TEST(Counter, TheLastMessageMayComeAgainInANewPacket) {
  Open x;
  Bytes c = x.station.seal(0, kMarker);
  json first = x.station.message(0, c);
  unsigned long writes = x.writes();
  EXPECT_EQ(x.station.message(0, c), first);
  EXPECT_EQ(x.writes(), writes);
}

TEST(Counter, AnyOtherIsRefusedAndNothingAdvances) {
  Open x;
  Bytes c = x.station.seal(0, kMarker);
  EXPECT_EQ(x.station.message(1, c)["clear"], 8);
  EXPECT_EQ(x.station.message(65536, c)["clear"], 8);
  EXPECT_EQ(x.station.message(~std::uint64_t{0}, c)["clear"], 8);
  ASSERT_EQ(x.station.message(0, c)["rc"], 0);
  // the last counter with another ciphertext
  EXPECT_EQ(x.station.message(0, x.station.seal(0, {{"op", "lock"}}))["clear"], 8);
  ASSERT_EQ(x.station.message(1, x.station.seal(1, kMarker))["rc"], 0);
  EXPECT_EQ(x.station.message(0, c)["clear"], 8);
  EXPECT_EQ(x.station.identify()["locked"], false);
}

TEST(Counter, ABadSealDoesNotAdvance) {
  Open x;
  Bytes good = x.station.seal(0, kMarker);
  for (std::size_t i = 0; i < good.size(); i++) {
    Bytes bad = good;
    bad[i] ^= 0x10;
    EXPECT_EQ(x.station.message(0, bad)["clear"], 9) << i;
  }
  EXPECT_EQ(x.station.message(0, {})["clear"], 9);
  EXPECT_EQ(x.station.message(0, Bytes(15))["clear"], 9);
  EXPECT_EQ(x.station.message(0, good)["rc"], 0);
}

TEST(Counter, ASealOfAnotherCounterDoesNotOpen) {
  Open x;
  EXPECT_EQ(x.station.message(0, x.station.seal(1, kMarker))["clear"], 9);
}

TEST(Counter, ASessionEndsAfterItsLastMessage) {
  Open x;
  x.unit.unit->session.next = 65535;
  EXPECT_EQ(x.station.message(65535, x.station.seal(65535, kMarker))["rc"], 0);
  EXPECT_EQ(x.station.message(65536, x.station.seal(65536, kMarker))["clear"], 7);
}

TEST(Sessions, ANewOneEndsTheOlder) {
  Open x;
  Bytes old = x.station.seal(0, kMarker);
  ASSERT_EQ(x.station.open_identity(), 0U);
  EXPECT_EQ(x.station.message(0, old)["clear"], 9);
}

TEST(Sessions, ARefusedOpeningLeavesTheOlder) {
  Open x;
  EXPECT_EQ(x.station.open_enrolment(), 6U);
  EXPECT_EQ(x.station.rc(kMarker), 0U);
}

TEST(Sessions, GarbageInsideASealIsAnsweredInside) {
  Open x;
  Bytes plain = hex("a1626f70");
  Bytes c(plain.size() + 16), nonce(12);
  ASSERT_TRUE(mu_gcm_seal(x.unit.unit->session.to_unit, nonce.data(), span(plain), c.data()));
  EXPECT_EQ(x.station.message(0, c)["rc"], 2);
  x.station.next = 1;
  EXPECT_EQ(x.station.rc({{"op", "dance"}}), 10U);
  EXPECT_EQ(x.station.rc({{"op", "an op with a very long name indeed"}}), 10U);
}

TEST(Sessions, IndefiniteLengthsAreReadToo) {
  Open x;
  // {_ "op": (_ "mar", "ker"), "set": (_ h'05…', h'05…')}
  Bytes plain =
      hex("bf626f707f636d61726"
          "36b6572ff637365745f4805050505050505054805050505050505"
          "05ffff");
  Bytes c(plain.size() + 16), nonce(12);
  ASSERT_TRUE(mu_gcm_seal(x.unit.unit->session.to_unit, nonce.data(), span(plain), c.data()));
  json answer = x.station.message(0, c);
  EXPECT_EQ(answer["rc"], 0);
  EXPECT_EQ(get(answer, "value"), Bytes(16, 5));
}

}  // namespace
}  // namespace bench
