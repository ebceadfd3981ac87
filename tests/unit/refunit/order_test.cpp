// unit-protocol.md §9: the whole order, and what each op promises on the way.
#include "bench.hpp"

namespace bench {
namespace {

TEST(Order, WholeWayOfAUnit) {
  Unit unit;
  Station station(unit.exchanger());
  json said = station.identify();
  EXPECT_EQ(said["v"], 1);
  EXPECT_EQ(said["src"], "demo-otp");
  EXPECT_EQ(to_hex(get(said, "hw")), "0011223344556677");
  EXPECT_EQ(said["state"], "blank");
  EXPECT_EQ(said["boot"], "secure");
  EXPECT_EQ(said["cert"], false);
  EXPECT_EQ(said["debug"], true);
  EXPECT_EQ(get(said, "bid").size(), 8U);

  station.enrol();
  ASSERT_EQ(station.open_identity(), 0U);
  EXPECT_TRUE(station.signature_good);
  EXPECT_EQ(station.spki, station.enrolled_spki);
  Bytes run_nonce(16, 0x42);
  EXPECT_FALSE(station.op({{"op", "run-nonce"}}).contains("nonce"));
  EXPECT_EQ(get(station.op_with("run-nonce", {{"set", bin(run_nonce)}}), "nonce"), run_nonce);
  EXPECT_EQ(station.inject(kOwn), 0U);

  auto reset = station.request(2, 0, 5, json::object());
  ASSERT_TRUE(reset);
  EXPECT_TRUE(reset->empty());
  EXPECT_EQ(unit.restarts, 1);
  json after = station.identify();
  EXPECT_NE(after["bid"], said["bid"]);
  EXPECT_EQ(after["state"], "factory");
  EXPECT_EQ(after["cert"], true);

  ASSERT_EQ(station.open_identity(), 0U);
  EXPECT_TRUE(station.signature_good);
  EXPECT_EQ(get(station.op({{"op", "run-nonce"}}), "nonce"), run_nonce);
  EXPECT_TRUE(station.proves(kOwn));
  EXPECT_TRUE(station.lets_in(kOwn));
  for (const char* wrong : {"ZZZZ2XRD9HVTWN4C", "", "admin", "password"}) {
    EXPECT_EQ(station.login(wrong)["ok"], false) << wrong;
  }
  Bytes mark(16, 0x77);
  EXPECT_TRUE(station.lets_in(kOwn));
  EXPECT_EQ(station.set_password(kUsers), 0U);
  EXPECT_EQ(station.identify()["state"], "user");
  EXPECT_FALSE(station.lets_in(kOwn));
  EXPECT_TRUE(station.lets_in(kUsers));
  EXPECT_EQ(get(station.op_with("marker", {{"set", bin(mark)}}), "value"), mark);
  EXPECT_EQ(station.rc({{"op", "factory-reset"}}), 0U);
  EXPECT_EQ(unit.restarts, 2);

  EXPECT_EQ(station.identify()["state"], "factory");
  ASSERT_EQ(station.open_identity(), 0U);
  EXPECT_EQ(station.spki, station.enrolled_spki);
  EXPECT_FALSE(station.op({{"op", "marker"}}).contains("value"));
  EXPECT_TRUE(station.lets_in(kOwn));
  EXPECT_FALSE(station.lets_in(kUsers));
  EXPECT_FALSE(station.lets_in(kDecoy));
  EXPECT_TRUE(station.proves(kOwn));
  EXPECT_EQ(station.rc({{"op", "lock"}}), 0U);
  EXPECT_EQ(station.rc({{"op", "lock"}}), 0U);
  EXPECT_EQ(station.rc({{"op", "factory-reset"}}), 0U);

  json locked = station.identify();
  EXPECT_EQ(locked["locked"], true);
  EXPECT_EQ(locked["debug"], false);
  EXPECT_EQ(station.open_enrolment(), static_cast<unsigned>(MU_LOCKED));
  ASSERT_EQ(station.open_identity(), 0U);
  EXPECT_TRUE(station.signature_good);
  EXPECT_EQ(station.spki, station.enrolled_spki);
  EXPECT_EQ(station.inject(kDecoy), 3U);
}

TEST(Order, LockRefusesEverythingButWhatThePageAllows) {
  Injected x;
  ASSERT_EQ(x.station.op_with("run-nonce", {{"set", bin(Bytes(16, 1))}})["rc"], 0);
  ASSERT_EQ(x.station.rc({{"op", "lock"}}), 0U);
  for (int restarted = 0; restarted < 2; restarted++) {
    EXPECT_EQ(x.station.inject(kDecoy), 3U);
    EXPECT_EQ(x.station.rc({{"op", "prove"}, {"name", "admin"}}), 3U);
    EXPECT_EQ(x.station.login(kOwn)["rc"], 3);
    EXPECT_EQ(x.station.set_password(kUsers), 3U);
    EXPECT_EQ(x.station.rc({{"op", "feature"}, {"feature", "relay"}}), 3U);
    EXPECT_EQ(x.station.rc({{"op", "marker"}}), 3U);
    EXPECT_EQ(x.station.op_with("run-nonce", {{"set", bin(Bytes(16, 2))}})["rc"], 3);
    json nonce = x.station.op({{"op", "run-nonce"}});
    EXPECT_EQ(nonce["rc"], 0);
    EXPECT_FALSE(nonce.contains("nonce"));
    EXPECT_EQ(x.station.rc({{"op", "lock"}}), 0U);
    EXPECT_EQ(x.station.rc({{"op", "reopen-nonce"}}), 0U);
    x.unit.restart();
    ASSERT_EQ(x.station.open_identity(), 0U);
  }
}

TEST(Order, WhatIsSaidIsKeptThroughAPowerCut) {
  Unit unit;
  Station station(unit.exchanger());
  ASSERT_EQ(station.open_enrolment(), 0U);
  Bytes first = get(station.op({{"op", "make-key"}}), "spki");
  unit.restart();
  EXPECT_EQ(station.message(1, Bytes(40))["clear"], 7);
  ASSERT_EQ(station.open_enrolment(), 0U);
  EXPECT_EQ(get(station.op({{"op", "make-key"}}), "spki"), first);
  EXPECT_EQ(station.open_identity(), 5U);
}

TEST(Order, EnrolmentErrors) {
  Unit unit;
  Station station(unit.exchanger());
  ASSERT_EQ(station.open_enrolment(), 0U);
  Bytes reopen(91);
  Bytes point(65);
  ASSERT_TRUE(mu_p256_public(station.reopen_key.data(), point.data()));
  mu_spki_from_point(point.data(), reopen.data());
  EXPECT_EQ(station.rc({{"op", "request"}}), 4U);
  EXPECT_EQ(station.op_with("store-cert", {{"cert", bin(Bytes(9))}, {"reopen", bin(reopen)}})["rc"],
            4);
  ASSERT_EQ(station.rc({{"op", "make-key"}}), 0U);
  EXPECT_EQ(
      station.op_with("store-cert", {{"cert", bin(Bytes(200))}, {"reopen", bin(reopen)}})["rc"],
      16);
  EXPECT_EQ(
      station.op_with("store-cert", {{"cert", bin(Bytes(200))}, {"reopen", bin(Bytes(90))}})["rc"],
      2);
  EXPECT_EQ(
      station.op_with("store-cert", {{"cert", bin(Bytes(200))}, {"reopen", bin(Bytes(91))}})["rc"],
      2);
  EXPECT_EQ(station.inject(kOwn), 10U);
  EXPECT_EQ(station.rc({{"op", "lock"}}), 10U);
  EXPECT_EQ(station.rc({{"op", 5}}), 10U);
  EXPECT_EQ(station.rc({{"x", 5}}), 2U);
  EXPECT_EQ(station.identify()["cert"], false);
}

TEST(Order, StoreCertClosesTheSessionAndEnrolment) {
  Unit unit;
  Station station(unit.exchanger());
  station.enrol();
  EXPECT_EQ(station.op({{"op", "make-key"}})["clear"], 7);
  EXPECT_EQ(station.open_enrolment(), 6U);
  ASSERT_EQ(station.open_identity(), 0U);
  EXPECT_EQ(station.rc({{"op", "make-key"}}), 10U);
  EXPECT_EQ(station.rc({{"op", "store-cert"}}), 10U);
}

TEST(Order, InjectBounds) {
  Injected x;
  EXPECT_EQ(x.station.inject(""), 2U);
  EXPECT_EQ(x.station.inject(std::string(65, 'a')), 2U);
  EXPECT_EQ(x.station.inject("abc", ""), 2U);
  EXPECT_EQ(x.station.inject("abc", std::string(33, 'n')), 2U);
  EXPECT_EQ(x.station.rc({{"op", "inject"}, {"name", "admin"}, {"value", "text"}}), 2U);
  EXPECT_EQ(x.station.rc({{"op", "inject"}, {"name", "admin"}}), 2U);
  EXPECT_TRUE(x.station.proves(kOwn));
  EXPECT_EQ(x.station.inject(std::string(64, 'a')), 0U);
  EXPECT_TRUE(x.station.proves(std::string(64, 'a')));
  EXPECT_FALSE(x.station.lets_in(kOwn));
}

TEST(Order, CredentialsByName) {
  Injected x;
  EXPECT_EQ(x.station.rc({{"op", "prove"}, {"name", "wifi"}}), 17U);
  EXPECT_EQ(x.station.inject("other secret", "wifi"), 0U);
  EXPECT_TRUE(x.station.proves("other secret", "wifi"));
  EXPECT_TRUE(x.station.proves(kOwn));
  EXPECT_EQ(x.station.inject("x", "third"), 0U);
  EXPECT_EQ(x.station.inject("x", "fourth"), 0U);
  EXPECT_EQ(x.station.inject("x", "fifth"), 12U);
  // Being logged in as one does not set another's password.
  EXPECT_EQ(x.station.login("other secret", "wifi")["ok"], true);
  EXPECT_EQ(x.station.set_password(kUsers), 13U);
}

unsigned inject_raw(Station& station, const char* name, const Bytes& value,
                    const char* kind = "raw") {
  return station.op_with("inject", {{"name", name}, {"kind", kind}, {"value", bin(value)}})
      .value("rc", 1000U);
}

bool proves_raw(Station& station, const char* name, const Bytes& value) {
  json answer = station.op({{"op", "prove"}, {"name", name}});
  mu_frames list{};
  mu_frames_add(&list, mu_text("mintmark/prove-raw"));
  mu_frames_add(&list, span(station.transcript));
  mu_frames_add(&list, mu_text(name));
  Bytes key(32), mac(32);
  mu_span part = span(value);
  EXPECT_TRUE(mu_sha256(&part, 1, key.data()));
  EXPECT_TRUE(mu_frames_hmac(span(key), &list, mac.data()));
  return answer.value("rc", 1000U) == 0 && !answer.contains("salt") && mac == get(answer, "mac");
}

TEST(Order, RawValuesAreKeptAsTheyAre) {
  Injected it;
  Bytes key = bytes("K7QM2XRD9HVTWN4C"), long_one(160, 7);
  EXPECT_EQ(inject_raw(it.station, "wifi-key", key), 0U);
  EXPECT_EQ(inject_raw(it.station, "matter", long_one), 0U);
  EXPECT_TRUE(proves_raw(it.station, "wifi-key", key));
  EXPECT_FALSE(proves_raw(it.station, "wifi-key", long_one));
  it.reset();
  it.unit.restart();
  ASSERT_EQ(it.station.open_identity(), 0U);
  EXPECT_TRUE(proves_raw(it.station, "wifi-key", key));
  EXPECT_TRUE(proves_raw(it.station, "matter", long_one));
  EXPECT_EQ(inject_raw(it.station, "wifi-key", long_one), 0U);  // replaced
  EXPECT_FALSE(proves_raw(it.station, "wifi-key", key));
  EXPECT_TRUE(proves_raw(it.station, "wifi-key", long_one));
  EXPECT_FALSE(it.station.login("K7QM2XRD9HVTWN4C", "wifi-key").value("ok", false));
}

TEST(Order, RawValuesHaveBounds) {
  Injected it;
  EXPECT_EQ(inject_raw(it.station, "a", Bytes()), 2U);
  EXPECT_EQ(inject_raw(it.station, "a", Bytes(161)), 2U);
  EXPECT_EQ(inject_raw(it.station, "a", Bytes(9), "other"), 2U);
  EXPECT_EQ(inject_raw(it.station, "admin", Bytes(9)), 2U);  // a password's name
  for (const char* name : {"a", "b", "c", "d", "e", "f"})
    EXPECT_EQ(inject_raw(it.station, name, Bytes(160)), 0U);
  EXPECT_EQ(inject_raw(it.station, "g", Bytes(160)), 12U);
  EXPECT_EQ(it.station.inject(kOwn, "a"), 2U);
}

TEST(Order, PasswordsAreNowhereInFlash) {
  Injected x;
  ASSERT_TRUE(x.station.lets_in(kOwn));
  ASSERT_EQ(x.station.set_password(kUsers), 0U);
  std::string image(reinterpret_cast<const char*>(x.unit.flash->image), x.unit.flash->size);
  EXPECT_EQ(image.find(kOwn), std::string::npos);
  EXPECT_EQ(image.find(kUsers), std::string::npos);
  std::string ram(reinterpret_cast<const char*>(x.unit.unit.get()), sizeof(mu_unit));
  EXPECT_EQ(ram.find(kOwn), std::string::npos);
  EXPECT_EQ(ram.find(kUsers), std::string::npos);
}

TEST(Order, LockOutIsCountedThroughRestarts) {
  Injected x;
  for (int i = 0; i < 9; i++) EXPECT_EQ(x.station.login(kDecoy)["ok"], false);
  EXPECT_TRUE(x.station.lets_in(kOwn));
  for (int i = 0; i < 5; i++) EXPECT_EQ(x.station.login(kDecoy)["ok"], false);
  x.unit.restart();
  ASSERT_EQ(x.station.open_identity(), 0U);
  for (int i = 0; i < 5; i++) EXPECT_EQ(x.station.login(kDecoy)["ok"], false);
  EXPECT_EQ(x.station.login(kOwn)["rc"], 15);
  x.unit.restart();
  ASSERT_EQ(x.station.open_identity(), 0U);
  EXPECT_EQ(x.station.login(kOwn)["rc"], 15);
}

TEST(Order, AFactoryResetEndsALockOut) {
  Injected x;
  for (int i = 0; i < 10; i++) EXPECT_EQ(x.station.login(kDecoy)["ok"], false);
  EXPECT_EQ(x.station.login(kOwn)["rc"], 15);
  x.reset();
  EXPECT_TRUE(x.station.lets_in(kOwn));
}

TEST(Order, SetPasswordNeedsALoginAndAStrongChoice) {
  Injected x;
  EXPECT_EQ(x.station.set_password(kUsers), 13U);
  ASSERT_TRUE(x.station.lets_in(kOwn));
  for (const char* weak : {"", "short77", "1234567890", "password", "PassWord", "changeme"}) {
    EXPECT_EQ(x.station.set_password(weak), 14U) << weak;
  }
  EXPECT_EQ(x.station.set_password(kUsers), 0U);
  // A new session is not logged in.
  ASSERT_EQ(x.station.open_identity(), 0U);
  EXPECT_EQ(x.station.set_password(kUsers + "2"), 13U);
}

TEST(Order, SetUpState) {
  Injected x("", MU_RESET_SET_UP_STATE);
  EXPECT_EQ(x.station.identify()["state"], "factory");
  EXPECT_EQ(x.station.op({{"op", "feature"}, {"feature", "relay"}})["ok"], true);
  EXPECT_EQ(x.station.op({{"op", "feature"}, {"feature", "laser"}})["ok"], false);
  ASSERT_TRUE(x.station.lets_in(kOwn));
  ASSERT_EQ(x.station.set_password(kUsers), 0U);
  ASSERT_EQ(x.station.op_with("marker", {{"set", bin(Bytes(16, 9))}})["rc"], 0);
  x.reset();
  EXPECT_EQ(x.station.identify()["state"], "setup");
  for (int i = 0; i < 12; i++) EXPECT_EQ(x.station.login(kOwn)["ok"], false);
  EXPECT_EQ(x.station.login(kUsers)["ok"], false);
  EXPECT_EQ(x.station.op({{"op", "feature"}, {"feature", "relay"}})["ok"], false);
  EXPECT_FALSE(x.station.op({{"op", "marker"}}).contains("value"));
  EXPECT_EQ(x.station.set_password("1234567890"), 14U);
  EXPECT_EQ(x.station.set_password("password"), 14U);
  EXPECT_EQ(x.station.set_password("brand new choice"), 0U);
  EXPECT_EQ(x.station.identify()["state"], "user");
  EXPECT_TRUE(x.station.lets_in("brand new choice"));
  EXPECT_FALSE(x.station.lets_in(kOwn));
  EXPECT_EQ(x.station.op({{"op", "feature"}, {"feature", "relay"}})["ok"], true);
}

// --- reopen (§6.10) ---

unsigned reopen(Station& station, std::initializer_list<const char*> acts, bool spoil = false) {
  Bytes nonce = get(station.op({{"op", "reopen-nonce"}}), "nonce");
  mu_frames list{};
  Bytes joined;
  json names = json::array();
  for (const char* act : acts) {
    Bytes length{0, 0, 0, static_cast<std::uint8_t>(std::string(act).size())};
    Bytes text = bytes(act);
    joined.insert(joined.end(), length.begin(), length.end());
    joined.insert(joined.end(), text.begin(), text.end());
    names.push_back(act);
  }
  mu_frames_add(&list, mu_text("mintmark/reopen"));
  mu_frames_add(&list, span(station.src));
  mu_frames_add(&list, span(station.hw));
  mu_frames_add(&list, span(nonce));
  mu_frames_add(&list, span(joined));
  Bytes digest(32), sig(64);
  EXPECT_TRUE(mu_frames_sha256(&list, digest.data()));
  EXPECT_TRUE(mu_p256_sign(station.reopen_key.data(), digest.data(), sig.data()));
  if (spoil) sig[40] ^= 1;
  return station.op_with("reopen", {{"acts", names}, {"sig", bin(sig)}}).value("rc", 1000U);
}

TEST(Reopen, WipesAndUnlocks) {
  Injected x;
  ASSERT_EQ(inject_raw(x.station, "wifi-key", bytes(kOwn)), 0U);
  ASSERT_EQ(x.station.rc({{"op", "lock"}}), 0U);
  EXPECT_EQ(reopen(x.station, {"wipe"}, true), 16U);
  EXPECT_EQ(x.station.identify()["locked"], true);
  EXPECT_EQ(reopen(x.station, {"new-key"}), 2U);
  EXPECT_EQ(reopen(x.station, {"wipe", "dance"}), 2U);
  EXPECT_EQ(reopen(x.station, {"wipe"}), 0U);
  EXPECT_EQ(x.station.rc({{"op", "prove"}, {"name", "wifi-key"}}), 17U);
  json said = x.station.identify();
  EXPECT_EQ(said["locked"], false);
  EXPECT_EQ(said["debug"], true);
  EXPECT_EQ(said["state"], "blank");
  EXPECT_EQ(x.station.rc({{"op", "prove"}, {"name", "admin"}}), 17U);
  EXPECT_EQ(x.station.open_enrolment(), 6U);
  ASSERT_EQ(x.station.open_identity(), 0U);
  EXPECT_EQ(x.station.spki, x.station.enrolled_spki);
  EXPECT_EQ(x.station.inject(kOwn), 0U);
}

TEST(Reopen, ANonceServesOnce) {
  Injected x;
  EXPECT_EQ(x.station.op_with("reopen", {{"acts", {"wipe"}}, {"sig", bin(Bytes(64))}})["rc"], 16);
  ASSERT_EQ(reopen(x.station, {"wipe"}), 0U);
  EXPECT_EQ(x.station.op_with("reopen", {{"acts", {"wipe"}}, {"sig", bin(Bytes(64))}})["rc"], 16);
}

TEST(Reopen, NewKeyLeavesTheOldOneUntilTheNewOneIsCertified) {
  Injected x;
  Bytes old = x.station.enrolled_spki;
  ASSERT_EQ(x.station.rc({{"op", "lock"}}), 0U);
  ASSERT_EQ(reopen(x.station, {"wipe", "new-key"}), 0U);
  ASSERT_EQ(x.station.open_identity(), 0U);
  EXPECT_EQ(x.station.spki, old);
  x.station.enrol();
  EXPECT_NE(x.station.enrolled_spki, old);
  ASSERT_EQ(x.station.open_identity(), 0U);
  EXPECT_EQ(x.station.spki, x.station.enrolled_spki);
  EXPECT_EQ(x.station.open_enrolment(), 6U);
  x.unit.restart();
  ASSERT_EQ(x.station.open_identity(), 0U);
  EXPECT_EQ(x.station.spki, x.station.enrolled_spki);
}

TEST(Reopen, SomeOnlySaySo) {
  Injected ignores("ignores-reopen"), keeps("reopen-keeps-credential");
  for (Injected* x : {&ignores, &keeps}) {
    ASSERT_EQ(x->station.rc({{"op", "lock"}}), 0U);
    EXPECT_EQ(reopen(x->station, {"wipe"}), 0U);
  }
  EXPECT_EQ(ignores.station.identify()["locked"], true);
  EXPECT_EQ(keeps.station.identify()["locked"], false);
  EXPECT_EQ(keeps.station.rc({{"op", "prove"}, {"name", "admin"}}), 0U);
}

}  // namespace
}  // namespace bench
