// unit-protocol.md §10.
#include "bench.hpp"

namespace bench {
namespace {

std::string frame_text(const Bytes& packet) {
  Bytes line = to_line(packet);
  EXPECT_EQ(line.at(0), 0x06);
  EXPECT_EQ(line.at(1), 0x09);
  EXPECT_EQ(line.back(), '\n');
  return {line.begin() + 2, line.end() - 1};
}

TEST(Vectors, Frames) {
  EXPECT_EQ(frame_text(hex("0a00000600000000a16164626869")), "ABAKAAAGAAAAAKFhZGJoaeJ8");
  EXPECT_EQ(frame_text(hex("0800000100000106a0")), "AAsIAAABAAABBqBEIw==");
  EXPECT_EQ(frame_text(hex("0a00000100000505a0")), "AAsKAAABAAAFBaAL1w==");
  EXPECT_EQ(frame_text(hex("08000001004d0700a0")), "AAsIAAABAE0HAKALPw==");
}

TEST(Vectors, CrcCheckValue) { EXPECT_EQ(mu_crc16(mu_text("123456789")), 0x31c3); }

TEST(Vectors, EchoIsAnswered) {
  Unit unit;
  auto answer = unit.exchange(hex("0a00000600000000a16164626869"));
  ASSERT_TRUE(answer);
  EXPECT_EQ(to_hex(*answer), "0b00000600000000a16172626869");
}

TEST(Vectors, FrameList) {
  mu_frames list{};
  mu_frames_add(&list, mu_text("ab"));
  mu_frames_add(&list, mu_text(""));
  mu_frames_add(&list, mu_text("c"));
  mu_span parts[2 * MU_MAX_FIELDS];
  std::size_t count = mu_frames_parts(&list, parts);
  std::string all;
  for (std::size_t i = 0; i < count; i++) all += to_hex(parts[i].data, parts[i].size);
  EXPECT_EQ(all, "000000026162000000000000000163");
}

struct Keys {
  Bytes station = Bytes(32, 1), unit = Bytes(32, 2), identity = Bytes(32, 3);
  Bytes e_station = Bytes(65), e_unit = Bytes(65);
  Bytes n_station = Bytes(16, 0xa0), n_unit = Bytes(16, 0xb0), run = Bytes(16, 0xc0);
  Bytes hw = hex("0011223344556677");

  Keys() {
    EXPECT_TRUE(mu_p256_public(station.data(), e_station.data()));
    EXPECT_TRUE(mu_p256_public(unit.data(), e_unit.data()));
  }

  std::unique_ptr<mu_session> begin(mu_session_kind kind) const {
    auto session = std::make_unique<mu_session>();
    mu_session_start start{};
    start.kind = kind;
    start.suite = MU_SUITE_EPHEMERAL;
    start.e_station = e_station.data();
    start.e_unit = e_unit.data();
    start.e_private = unit.data();
    start.src = mu_text("demo-otp");
    start.hw = span(hw);
    start.run = run.data();
    start.n_station = n_station.data();
    start.n_unit = n_unit.data();
    EXPECT_TRUE(mu_session_begin(session.get(), &start));
    return session;
  }
};

TEST(Vectors, Points) {
  Keys keys;
  EXPECT_EQ(
      to_hex(keys.e_station),
      "046ff03b949241ce1dadd43519e6960e0a85b41a69a05c328103aa2bce1594ca163c4f753a55bf01dc53f6c0b0"
      "c7eee78b40c6ff7d25a96e2282b989cef71c144a");
  EXPECT_EQ(
      to_hex(keys.e_unit),
      "04550f471003f3df97c3df506ac797f6721fb1a1fb7b8f6f83d224498a65c88e24136093d7012e509a73715cbd"
      "0b00a3cc0ff4b5c01b3ffa196ab1fb327036b8e6");
  Bytes point(65), spki(91), shared(32);
  ASSERT_TRUE(mu_p256_public(keys.identity.data(), point.data()));
  mu_spki_from_point(point.data(), spki.data());
  EXPECT_EQ(
      to_hex(spki),
      "3059301306072a8648ce3d020106082a8648ce3d03010703420004591ab771ebbcfd6d9cb9094d106528add1a6"
      "9d44c2c1f627f089ec58b9c61adf9f4e6abf0d045c0c693a3c68ad7c97ca72be64def4a26fecd263dd98a92780"
      "f0");
  ASSERT_TRUE(mu_p256_ecdh(keys.unit.data(), keys.e_station.data(), shared.data()));
  EXPECT_EQ(to_hex(shared), "eb459a6b30d70eb4c0ddcd34ea96ed59e8f8d1843c22dd895ab603aa13d9a81d");
}

TEST(Vectors, EnrolmentSession) {
  Keys keys;
  auto session = keys.begin(MU_SESSION_ENROLMENT);
  EXPECT_EQ(to_hex(session->transcript, 32),
            "7075ddfb7b412ba22e924e288474e82c6e72c09295d0445d85ce222c5ce3f850");
  EXPECT_EQ(to_hex(session->to_unit, 32),
            "c5b5312296dd515fd5d91d03a609434d84f799f64470aab9b0d0568c0615efb6");
  EXPECT_EQ(to_hex(session->to_station, 32),
            "f5a7a9f8f77ef8a50d2561a569a1e9dbc90e1b70ebf9aa5b43b6537cebcc32bb");
  Bytes point(65), spki(91), digest(32);
  ASSERT_TRUE(mu_p256_public(keys.identity.data(), point.data()));
  mu_spki_from_point(point.data(), spki.data());
  mu_frames list{};
  mu_frames_add(&list, mu_text("mintmark/request"));
  mu_frames_add(&list, mu_bytes(session->transcript, 32));
  mu_frames_add(&list, span(spki));
  ASSERT_TRUE(mu_frames_sha256(&list, digest.data()));
  EXPECT_EQ(to_hex(digest), "fc834a9a30ecbba1fa3d3bbee9452b17991d4c5b13c0bc5e499f603149d29146");
}

TEST(Vectors, IdentitySessionAndFirstMessage) {
  Keys keys;
  auto session = keys.begin(MU_SESSION_IDENTITY);
  EXPECT_EQ(to_hex(session->transcript, 32),
            "024f00c77605d69e087fa6748fc33ca310189217a350e3133836f67516c3d9b3");
  EXPECT_EQ(to_hex(session->to_unit, 32),
            "2f22045a90e2e9c290383ea904544e9294dbc8e6c4404fa06a169a8176f43174");
  EXPECT_EQ(to_hex(session->to_station, 32),
            "56e66b42db7a468881ff28011989329a67728dcd384f151ae50ec2160c9b8970");
  Bytes c = hex("9250c1570d9205039be186747dab87f3c5fccb4e282001afc2");
  Bytes plain(c.size());
  std::size_t size = 0;
  ASSERT_EQ(mu_session_turn(session.get(), 0, span(c)), MU_TURN_NEW);
  ASSERT_TRUE(mu_session_open(session.get(), span(c), plain.data(), &size));
  plain.resize(size);
  EXPECT_EQ(to_hex(plain), "a1626f70646c6f636b");
  Bytes digest(32);
  mu_span part = span(c);
  ASSERT_TRUE(mu_sha256(&part, 1, digest.data()));
  ASSERT_TRUE(mu_session_answer(session.get(), digest.data(), span(hex("a162726300"))));
  EXPECT_EQ(to_hex(session->last, session->last_size),
            "57944787d81bd7a09ec726f4731a1d556aee81924a");
}

TEST(Vectors, AWholeUnitAnswersTheFirstMessage) {
  // The same vector through a whole unit whose session has the vector's keys.
  Keys keys;
  Unit unit;
  unit.unit->session = *keys.begin(MU_SESSION_IDENTITY);
  Station station(unit.exchanger());
  auto answer = station.request(
      2, 77, 3, {{"i", 0}, {"c", bin(hex("9250c1570d9205039be186747dab87f3c5fccb4e282001afc2"))}});
  ASSERT_TRUE(answer);
  EXPECT_EQ(to_hex(get(*answer, "c")), "57944787d81bd7a09ec726f4731a1d556aee81924a");
  EXPECT_TRUE(station.identify()["locked"]);
}

TEST(Vectors, Prove) {
  Keys keys;
  auto session = keys.begin(MU_SESSION_IDENTITY);
  Bytes salt(16, 0x11), verifier(32), mac(32);
  ASSERT_TRUE(mu_pbkdf2_sha256(mu_text("K7QM2XRD9HVTWN4C"), span(salt), 1000, verifier.data()));
  EXPECT_EQ(to_hex(verifier), "d28d45c638961390c02d7b1de6d5e87c0a015c01c839817232b24603ed67e4d9");
  mu_frames list{};
  mu_frames_add(&list, mu_text("mintmark/prove"));
  mu_frames_add(&list, mu_bytes(session->transcript, 32));
  mu_frames_add(&list, mu_text("admin"));
  ASSERT_TRUE(mu_frames_hmac(span(verifier), &list, mac.data()));
  EXPECT_EQ(to_hex(mac), "4ed3325ecc3c4a14438af7e532a464a825a39d39e4d877098dbdc848e5ca8787");
}

// The mac that the unit itself makes, with the vector's salt and session.
TEST(Vectors, AWholeUnitProves) {
  Keys keys;
  Unit unit;
  mu_verifier& v = unit.unit->store.accounts.factory.list[0];
  unit.unit->store.accounts.factory.count = 1;
  Bytes name = bytes("admin");
  Bytes value = hex("d28d45c638961390c02d7b1de6d5e87c0a015c01c839817232b24603ed67e4d9");
  std::copy(name.begin(), name.end(), v.name);
  v.name_size = 5;
  std::fill(std::begin(v.salt), std::end(v.salt), std::uint8_t{0x11});
  std::copy(value.begin(), value.end(), v.value);
  v.iterations = 1000;
  unit.unit->session = *keys.begin(MU_SESSION_IDENTITY);
  Bytes plain = json::to_cbor({{"op", "prove"}, {"name", "admin"}});
  Bytes c(plain.size() + 16), nonce(12);
  ASSERT_TRUE(mu_gcm_seal(unit.unit->session.to_unit, nonce.data(), span(plain), c.data()));
  Station station(unit.exchanger());
  auto answer = station.request(2, 77, 3, {{"i", 0}, {"c", bin(c)}});
  ASSERT_TRUE(answer);
  Bytes back = get(*answer, "c");
  Bytes open(back.size());
  ASSERT_TRUE(mu_gcm_open(unit.unit->session.to_station, nonce.data(), span(back), open.data()));
  open.resize(back.size() - 16);
  EXPECT_EQ(to_hex(get(json::from_cbor(open), "mac")),
            "4ed3325ecc3c4a14438af7e532a464a825a39d39e4d877098dbdc848e5ca8787");
}

// The same session: a value that the unit keeps as it is.
TEST(Vectors, AWholeUnitProvesARawValue) {
  Keys keys;
  Unit unit;
  mu_raw& raw = unit.unit->store.raw.list[0];
  unit.unit->store.raw.count = 1;
  Bytes name = bytes("wifi-key"), value = bytes("K7QM2XRD9HVTWN4C");
  std::copy(name.begin(), name.end(), raw.name);
  raw.name_size = 8;
  std::copy(value.begin(), value.end(), raw.value);
  raw.value_size = 16;
  unit.unit->session = *keys.begin(MU_SESSION_IDENTITY);
  Bytes plain = json::to_cbor({{"op", "prove"}, {"name", "wifi-key"}});
  Bytes c(plain.size() + 16), nonce(12);
  ASSERT_TRUE(mu_gcm_seal(unit.unit->session.to_unit, nonce.data(), span(plain), c.data()));
  Station station(unit.exchanger());
  auto answer = station.request(2, 77, 3, {{"i", 0}, {"c", bin(c)}});
  ASSERT_TRUE(answer);
  Bytes back = get(*answer, "c");
  Bytes open(back.size());
  ASSERT_TRUE(mu_gcm_open(unit.unit->session.to_station, nonce.data(), span(back), open.data()));
  open.resize(back.size() - 16);
  EXPECT_EQ(to_hex(get(json::from_cbor(open), "mac")),
            "4f4c2c349f87dae13cda313b7c7a73c5d08ba87b3a60d938a87c886fa1a7fba3");
}

}  // namespace
}  // namespace bench
