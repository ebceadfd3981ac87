// Units without a random generator: unit-protocol.md §12 and its vectors in §10.
#include <algorithm>
#include <functional>

#include "bench.hpp"

namespace bench {
namespace {

const Bytes kTokenPoint =
    hex("0473103ec30b3ccf57daae08e93534aef144a35940cf6bbba12a0cf7cbd5d65a64d82c8c99e9d3c45f9245ba9b"
        "27982c9aea8ec1db94b19c44795942c0eb22aa32");
const Bytes kWrappedX963 =
    hex("ec5c54f8ba22787ba6eb54688b79daa6ade1c97229a846c5f44358bc20991c84b3349df12e3d565ca366c4c8ac"
        "35fd638ca79365dfd0cf904a8c6ce477089b45c79b0aec77730d046ed5853311f0af83");
const Bytes kWrappedCbc =
    hex("b8d3cddb70f7ff57270023c3742e3444744b84e7e4d6793f76e99efa37e4b6e70c176c95754a2a10d8b47cc36d"
        "6f57d09dec3181f01e1c7828ef84679daeccca25fc65b778fbde2d91ce317b3e704b9f");
const Bytes kRun(16, 0xc0);

mu_fuses fuses_with(std::uint8_t byte) {
  mu_fuses out{};
  std::array<std::uint8_t, 65> point{};
  memset(out.key, byte, sizeof out.key);
  EXPECT_TRUE(mu_p256_public(out.key, point.data()));
  mu_spki_from_point(point.data(), out.spki);
  return out;
}

Bytes identity_spki() {
  Bytes key(32, 3), point(65), spki(91);
  EXPECT_TRUE(mu_p256_public(key.data(), point.data()));
  mu_spki_from_point(point.data(), spki.data());
  return spki;
}

// The unit of the vectors: static key 02…, hardware id 0011223344556677.
struct StaticUnit {
  mu_fuses fuses = fuses_with(2);
  Unit unit;
  Station station{unit.exchanger()};

  explicit StaticUnit(const char* misbehave = "") : unit(misbehave) {
    unit.config.fuses = &fuses;
    unit.restart();
    station.suite = 2;
  }

  json delivery(const char* kdf = "x963-sha256") const {
    Bytes reopen_point(65), reopen(91), cert(200, 0x30), spki = identity_spki();
    EXPECT_TRUE(mu_p256_public(station.reopen_key.data(), reopen_point.data()));
    mu_spki_from_point(reopen_point.data(), reopen.data());
    cert.insert(cert.begin() + 100, spki.begin(), spki.end());
    bool cbc = std::string_view(kdf) == "aes-cbc-data";
    return {{"op", "store-key"},    {"e", bin(kTokenPoint)},
            {"kdf", kdf},           {"key", bin(cbc ? kWrappedCbc : kWrappedX963)},
            {"run", bin(kRun)},     {"cert", bin(cert)},
            {"reopen", bin(reopen)}};
  }
  unsigned enrol(const json& with) {
    EXPECT_EQ(station.open_enrolment(), 0U);
    return station.rc(with);
  }
};

TEST(Rfc6979, AppendixA25) {
  Bytes key = hex("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721");
  auto sign = [&](const char* message) {
    mu_span part = mu_text(message);
    Bytes digest(32), signature(64);
    EXPECT_TRUE(mu_sha256(&part, 1, digest.data()));
    EXPECT_TRUE(mu_p256_sign_deterministic(key.data(), digest.data(), signature.data()));
    return to_hex(signature);
  };
  EXPECT_EQ(sign("sample"),
            "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
            "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8");
  EXPECT_EQ(sign("test"),
            "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367"
            "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083");
}

TEST(Rfc6979, AppendixA26) {
  Bytes key =
      hex("6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D8"
          "96D5724E4C70A825F872C9EA60D2EDF5");
  mu_span part = mu_text("sample");
  Bytes digest(32), signature(96);
  EXPECT_TRUE(mu_sha256(&part, 1, digest.data()));
  EXPECT_TRUE(mu_p384_sign_deterministic(key.data(), digest.data(), signature.data()));
  EXPECT_EQ(to_hex(signature),
            "21b13d1e013c7fa1392d03c5f99af8b30c570c6f98d4ea8e354b63a21d3daa33"
            "bde1e888e63355d92fa2b3c36d8fb2cd"
            "f3aa443fb107745bf4bd77cb3891674632068a10ca67e3d45db2266fa7d1feeb"
            "efdc63eccd1ac42ec0cb8668a4fa0ab0");
}

TEST(Rfc6979, KeysOutsideOfTheOrderDoNotSign) {
  Bytes digest(32, 7), signature(64);
  for (std::uint8_t byte : {0x00, 0xff}) {
    Bytes key(32, byte);
    EXPECT_FALSE(mu_p256_sign_deterministic(key.data(), digest.data(), signature.data()));
  }
}

TEST(StaticVectors, Session) {
  Bytes scalar(32, 1), e_station(65), identity(32, 3), signature(64);
  ASSERT_TRUE(mu_p256_public(scalar.data(), e_station.data()));
  mu_fuses fuses = fuses_with(2);
  Bytes hw = hex("0011223344556677"), n_station(16, 0xa0), counter(16);
  counter[15] = 5;
  auto session = std::make_unique<mu_session>();
  mu_session_start start{};
  start.kind = MU_SESSION_IDENTITY;
  start.suite = MU_SUITE_STATIC;
  start.e_station = e_station.data();
  start.e_unit = fuses.spki + 26;
  start.e_private = fuses.key;
  start.src = mu_text("demo-otp");
  start.hw = span(hw);
  start.run = kRun.data();
  start.n_station = n_station.data();
  start.n_unit = counter.data();
  ASSERT_TRUE(mu_session_begin(session.get(), &start));
  EXPECT_EQ(to_hex(session->transcript, 32),
            "61151391bf9787e10810b2200cc58fc3ff3ce266057beb8577077b140c8f5fe4");
  EXPECT_EQ(to_hex(session->to_unit, 32),
            "c153c6d0ab37153d9703f606026b58518d4af26add1441163b0635e841549c61");
  EXPECT_EQ(to_hex(session->to_station, 32),
            "c221ee4459af8eb15872324d80f930731de8e2d8a45304b4b5199dd4b5b30053");
  ASSERT_TRUE(mu_p256_sign_deterministic(identity.data(), session->transcript, signature.data()));
  EXPECT_EQ(to_hex(signature),
            "5c8a7a2f25eeca7900082ea7db3c3d8a0177d110d6068bfebda4eec85054045b"
            "f23cff97be3c4a0f4e7bfa9af47b11d6d4f22c389899a24acef500b5172be62e");
  start.kind = MU_SESSION_ENROLMENT;
  ASSERT_TRUE(mu_session_begin(session.get(), &start));
  EXPECT_EQ(to_hex(session->transcript, 32),
            "1625e44120d5df5f33db6de73f0bd5f69bfdb05012bac90724fa4d291b413c70");
}

TEST(StaticVectors, WrappedKeyBothWays) {
  mu_fuses fuses = fuses_with(2);
  Bytes hw = hex("0011223344556677");
  mu_key key{};
  for (bool cbc : {false, true}) {
    mu_wrapped_key in{};
    memcpy(in.e_token, kTokenPoint.data(), sizeof in.e_token);
    memcpy(in.run, kRun.data(), sizeof in.run);
    in.aes_cbc_data = cbc;
    in.wrapped = cbc ? span(kWrappedCbc) : span(kWrappedX963);
    ASSERT_TRUE(mu_unwrap_key(&fuses, mu_text("demo-otp"), span(hw), &in, &key));
    EXPECT_EQ(Bytes(key.data, key.data + key.size), Bytes(32, 3));
    in.run[0] ^= 1;
    EXPECT_FALSE(mu_unwrap_key(&fuses, mu_text("demo-otp"), span(hw), &in, &key));
  }
}

TEST(StaticVectors, AttestationAndFresh) {
  Unit unit;
  mu_fuses fuses = fuses_with(2);
  Bytes hw = hex("0011223344556677"), digest(32), fresh(32);
  ASSERT_TRUE(mu_attest_digest(mu_text("demo-otp"), span(hw), mu_bytes(fuses.spki, MU_SPKI),
                               digest.data()));
  EXPECT_EQ(to_hex(digest), "f86618ace832a6171286d2305a7f2c70d006b1f5ab604548732f0f45addf919b");
  unit.unit->store.fuses = &fuses;
  ASSERT_TRUE(mu_fresh(&unit.unit->store, fresh.data(), fresh.size()));
  EXPECT_EQ(to_hex(fresh), "e801e6ef93fe596623ecc1aab2743b7c6d08bced43c27b84a9ff17e27becd199");
  Bytes again(32);
  ASSERT_TRUE(mu_fresh(&unit.unit->store, again.data(), again.size()));
  EXPECT_NE(again, fresh);
}

TEST(StaticUnitTest, SaysWhatItIs) {
  StaticUnit s;
  json caps = s.station.identify()["caps"];
  EXPECT_NE(std::find(caps.begin(), caps.end(), "static-session"), caps.end());
  EXPECT_EQ(std::find(caps.begin(), caps.end(), "enrol"), caps.end());
}

TEST(StaticUnitTest, TakesAKeyAndIsTheOneThatHasIt) {
  for (const char* kdf : {"x963-sha256", "aes-cbc-data"}) {
    StaticUnit s;
    EXPECT_EQ(s.station.open_identity(), MU_NO_CERT);
    ASSERT_EQ(s.station.open_enrolment(), 0U);
    json key = s.station.op({{"op", "request"}});
    ASSERT_EQ(key["rc"], 0);
    EXPECT_EQ(get(key, "spki"), Bytes(s.fuses.spki, s.fuses.spki + 91));
    EXPECT_FALSE(key.contains("att"));
    EXPECT_EQ(s.station.rc({{"op", "make-key"}}), MU_NOT_SUPPORTED);
    EXPECT_EQ(s.station.rc({{"op", "store-cert"}}), MU_NOT_SUPPORTED);
    EXPECT_EQ(s.station.rc(s.delivery(kdf)), 0U);
    EXPECT_EQ(s.station.rc({{"op", "request"}})  // closed
              ,
              1000U);
    EXPECT_EQ(s.station.open_enrolment(), MU_CERTIFIED);
    s.unit.restart();
    ASSERT_EQ(s.station.open_identity(), 0U);
    EXPECT_EQ(s.station.spki, identity_spki());
    EXPECT_TRUE(s.station.signature_good);
    EXPECT_EQ(s.station.inject(kOwn), 0U);
    EXPECT_TRUE(s.station.proves(kOwn));
    EXPECT_TRUE(s.station.lets_in(kOwn));
  }
}

TEST(StaticUnitTest, AnOrdinaryUnitTakesNoKeyFromOutside) {
  StaticUnit s;
  json delivery = s.delivery();
  Unit ordinary;
  Station station(ordinary.exchanger());
  ASSERT_EQ(station.open_enrolment(), 0U);
  EXPECT_EQ(station.rc(delivery), MU_NOT_SUPPORTED);
}

// Each refused by its own number, nothing stored, and the session closed.
TEST(StaticUnitTest, RefusesWhatIsNotForIt) {
  StaticUnit s;
  auto refused = [&](unsigned rc, const std::function<void(json&)>& spoil) {
    json bad = s.delivery();
    spoil(bad);
    EXPECT_EQ(s.enrol(bad), rc) << bad.dump().substr(0, 80);
    EXPECT_FALSE(s.station.identify()["cert"].get<bool>());
    EXPECT_EQ(s.station.op({{"op", "request"}}).value("clear", 0U), MU_NO_SESSION);
  };
  auto with_bytes = [](const char* key, const std::function<void(Bytes&)>& change) {
    return [key, change](json& map) {
      Bytes value = get(map, key);
      change(value);
      map[key] = bin(value);
    };
  };
  for (std::size_t i : {0U, 17U, 79U})
    refused(MU_BAD_KEY, with_bytes("key", [i](Bytes& b) { b[i] ^= 1; }));
  for (std::size_t size : {0U, 8U, 16U, 72U, 79U})
    refused(MU_BAD_KEY, with_bytes("key", [size](Bytes& b) { b.resize(size); }));
  refused(MU_INVALID, with_bytes("key", [](Bytes& b) { b.resize(257); }));
  refused(MU_BAD_KEY, with_bytes("run", [](Bytes& b) { b[15] ^= 1; }));
  refused(MU_BAD_KEY, [](json& map) { map["kdf"] = "aes-cbc-data"; });
  refused(MU_INVALID, [](json& map) { map["kdf"] = "none"; });
  refused(MU_INVALID, [](json& map) { map.erase("kdf"); });
  refused(MU_INVALID, with_bytes("e", [](Bytes& b) { b[64] ^= 1; }));
  refused(MU_INVALID, with_bytes("reopen", [](Bytes& b) { b[90] ^= 1; }));
  refused(MU_MISMATCH, with_bytes("cert", [](Bytes& b) { b[120] ^= 1; }));
  EXPECT_EQ(s.enrol(s.delivery()), 0U);
}

TEST(StaticUnitTest, ItsCounterOutlivesARestartAndNeverComesTwice) {
  StaticUnit s;
  std::vector<Bytes> seen;
  for (int i = 0; i < 6; i++) {
    json body = {{"e", bin(kTokenPoint)}, {"n", bin(Bytes(16, 1))}, {"run", bin(kRun)}};
    json answer = s.station.request(2, 77, 1, body).value();
    Bytes n = get(answer, "n");
    EXPECT_EQ(Bytes(n.begin(), n.begin() + 8), Bytes(8, 0));
    if (!seen.empty()) EXPECT_GT(n, seen.back());
    seen.push_back(n);
    if (i % 2 == 1) s.unit.restart();
  }
}

// The proof that no random number is drawn anywhere: two units with the same fuses, flash and
// requests give the same answers, to the byte. (One that counted in RAM alone would, too: see
// above.)
TEST(StaticUnitTest, SaysTheSameTwiceFromTheSameState) {
  std::vector<Bytes> first;
  for (int round = 0; round < 2; round++) {
    StaticUnit s;
    std::vector<Bytes> answers;
    auto ask = [&](std::uint8_t op, std::uint8_t command, const json& body) {
      answers.push_back(json::to_cbor(s.station.request(op, 77, command, body).value()));
    };
    json opening = {{"e", bin(kTokenPoint)}, {"n", bin(Bytes(16, 1))}, {"run", bin(kRun)}};
    ask(0, 0, json::object());
    ask(2, 1, opening);
    ASSERT_EQ(s.unit.unit->session.kind, MU_SESSION_ENROLMENT);
    // The key is stored as its op would: a sealed request differs from round to round.
    Bytes key(32, 3), reopen(91), cert(100), scratch(MU_FLASH_MAX_RECORD);
    mu_key identity{};
    mu_key_from_p256(key.data(), &identity);
    ASSERT_TRUE(mu_store_identity(&s.unit.unit->store, &identity, reopen.data(), span(cert),
                                  scratch.data()));
    s.unit.restart();
    ask(0, 0, json::object());
    ask(2, 2, opening);
    mu_verifier verifier{};
    ASSERT_TRUE(
        mu_make_verifier(&s.unit.unit->store, mu_text("admin"), mu_text("x"), 1000, &verifier));
    answers.emplace_back(verifier.salt, verifier.salt + MU_SALT);
    if (round == 0) first = answers;
    EXPECT_EQ(answers, first);
  }
}

TEST(Attestation, OfAnOrdinaryUnitIsOverTheKeyThatItMade) {
  Unit unit;
  Bytes maker(32, 9), maker_point(65);
  ASSERT_TRUE(mu_p256_public(maker.data(), maker_point.data()));
  unit.config.attestation_key = maker.data();
  unit.restart();
  Station station(unit.exchanger());
  ASSERT_EQ(station.open_enrolment(), 0U);
  ASSERT_EQ(station.rc({{"op", "make-key"}}), 0U);
  json request = station.op({{"op", "request"}});
  Bytes hw = hex("0011223344556677"), digest(32);
  ASSERT_TRUE(
      mu_attest_digest(mu_text("demo-otp"), span(hw), span(get(request, "spki")), digest.data()));
  EXPECT_TRUE(mu_p256_verify(maker_point.data(), digest.data(), get(request, "att").data()));
}

}  // namespace
}  // namespace bench
