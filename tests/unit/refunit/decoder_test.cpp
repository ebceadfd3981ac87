// Bad bytes: frames, CBOR, packets. Nothing of it may be taken for something else, and nothing may
// crash (the tests run under sanitizers).
#include <random>

#include "bench.hpp"

namespace bench {
namespace {

bool is_map(const Bytes& data) {
  // An exact heap copy: reading one byte too far is found.
  std::unique_ptr<std::uint8_t[]> copy(new std::uint8_t[data.size()]);
  std::copy(data.begin(), data.end(), copy.get());
  return mu_cbor_is_map(mu_bytes(copy.get(), data.size()));
}

TEST(Cbor, WellFormedMaps) {
  for (const char* good :
       {"a0", "bfff", "a1616101", "bf616101ff", "a1616100", "a16161fb3ff0000000000000",
        "a1616182018101", "a161619f0102ff", "a161615f41004101ff", "a161617f6161ff", "a16161c001",
        "a16161f6", "a16161f8ff", "a10101", "a161613903e7", "a1616180", "a16161a0", "b90000"}) {
    EXPECT_TRUE(is_map(hex(good))) << good;
  }
}

TEST(Cbor, MalformedMaps) {
  for (const char* bad : {"",
                          "80",
                          "01",
                          "6161",
                          "a0a0",
                          "a1",
                          "a161",
                          "a16161",
                          "a1616118",
                          "a161611c",
                          "a16161ff",
                          "bf",
                          "bf6161",
                          "bf6161ff",
                          "bf616101",
                          "a161615f",
                          "a161615f6161ff",
                          "a161615f5f4100ffff",
                          "a16161f800",
                          "a16161f81f",
                          "a161617a00000005",
                          "a161615bffffffffffffffff",
                          "bbffffffffffffffff",
                          "a161619bffffffffffffffff",
                          "a16161c0",
                          "a161619f",
                          "a16161c0ff",
                          "ff",
                          "a1616162c328",
                          "a1616163eda080",
                          "a161616461f0908041",
                          "a161613f",
                          "a161611f",
                          "a16161df01",
                          "bb8000000000000000"}) {
    EXPECT_FALSE(is_map(hex(bad))) << bad;
  }
}

Bytes nested(unsigned inner, std::uint8_t head) {
  Bytes out = hex("a16161");
  for (unsigned i = 0; i < inner; i++) out.push_back(head);
  out.push_back(0x00);
  return out;
}

TEST(Cbor, DepthIsBounded) {
  for (std::uint8_t head : {std::uint8_t{0x81}, std::uint8_t{0xc1}}) {
    EXPECT_TRUE(is_map(nested(7, head)));
    EXPECT_FALSE(is_map(nested(8, head)));
    EXPECT_FALSE(is_map(nested(2000, head)));
  }
  Bytes open = hex("a16161");
  open.insert(open.end(), 100000, 0x9f);
  EXPECT_FALSE(is_map(open));
}

TEST(Cbor, TruncatedAnywhereIsMalformed) {
  Bytes whole = hex("bf62696f5f42aabb41ccff61637f626f706161ff6161820183f5f6a161621864ff");
  ASSERT_TRUE(is_map(whole));
  for (std::size_t n = 0; n < whole.size(); n++) {
    EXPECT_FALSE(is_map(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n)))) << n;
  }
}

TEST(Cbor, Fields) {
  Bytes map =
      hex("bf7f61696161ff07"
          "6163"
          "5f41aa42bbccff"
          "6174"
          "7f626f706161ff"
          "6161"
          "9f6161627172ff"
          "ff");
  ASSERT_TRUE(is_map(map));
  std::uint64_t number = 0;
  std::uint8_t out[16];
  std::size_t size = 0;
  mu_cbor_short texts[2];
  EXPECT_EQ(mu_cbor_get_uint(span(map), "ia", &number), MU_FIELD_OK);
  EXPECT_EQ(number, 7U);
  EXPECT_EQ(mu_cbor_get_bytes(span(map), "c", out, sizeof out, &size), MU_FIELD_OK);
  EXPECT_EQ(to_hex(out, size), "aabbcc");
  EXPECT_EQ(mu_cbor_get_bytes(span(map), "c", out, 2, &size), MU_FIELD_BAD);
  EXPECT_EQ(mu_cbor_get_exact(span(map), "c", out, 3), MU_FIELD_OK);
  EXPECT_EQ(mu_cbor_get_exact(span(map), "c", out, 4), MU_FIELD_BAD);
  EXPECT_EQ(mu_cbor_get_text(span(map), "t", out, sizeof out, &size), MU_FIELD_OK);
  EXPECT_EQ(to_hex(out, size), "6f7061");
  EXPECT_EQ(mu_cbor_get_text(span(map), "c", out, sizeof out, &size), MU_FIELD_BAD);
  EXPECT_EQ(mu_cbor_get_uint(span(map), "t", &number), MU_FIELD_BAD);
  EXPECT_EQ(mu_cbor_get_uint(span(map), "none", &number), MU_FIELD_ABSENT);
  EXPECT_EQ(mu_cbor_get_texts(span(map), "a", texts, 2, &size), MU_FIELD_OK);
  EXPECT_EQ(size, 2U);
  EXPECT_EQ(mu_cbor_get_texts(span(map), "a", texts, 1, &size), MU_FIELD_BAD);
}

TEST(Cbor, AKeyTwiceIsBad) {
  Bytes map = hex("a2616901616902");
  std::uint64_t number = 0;
  ASSERT_TRUE(is_map(map));
  EXPECT_EQ(mu_cbor_get_uint(span(map), "i", &number), MU_FIELD_BAD);
}

TEST(Cbor, WriterAgreesWithAnotherReader) {
  std::uint8_t out[512];
  for (std::uint64_t value : {0ULL, 23ULL, 24ULL, 255ULL, 256ULL, 65535ULL, 65536ULL, 4294967295ULL,
                              4294967296ULL, 18446744073709551615ULL}) {
    mu_cbor_writer w = mu_cbor_write_to(out, sizeof out);
    mu_cbor_begin(&w);
    mu_cbor_key(&w, "n");
    mu_cbor_put_uint(&w, value);
    mu_cbor_key(&w, "b");
    mu_cbor_put_bytes(&w, span(Bytes(300, 7)));
    mu_cbor_end(&w);
    ASSERT_FALSE(w.overflow);
    json back = json::from_cbor(out, out + w.size);
    EXPECT_EQ(back["n"], value);
    EXPECT_EQ(get(back, "b"), Bytes(300, 7));
  }
}

TEST(Cbor, WriterNeverOverruns) {
  for (std::size_t capacity = 0; capacity < 30; capacity++) {
    std::unique_ptr<std::uint8_t[]> out(new std::uint8_t[capacity]);
    mu_cbor_writer w = mu_cbor_write_to(out.get(), capacity);
    mu_cbor_begin(&w);
    mu_cbor_key(&w, "key");
    mu_cbor_put_bytes(&w, span(Bytes(20, 7)));
    mu_cbor_end(&w);
    EXPECT_EQ(w.overflow, capacity < 26) << capacity;
  }
}

TEST(Cbor, RandomBytesAgreeWithAnotherReaderOnLengths) {
  std::mt19937 random(7);
  for (int round = 0; round < 200000; round++) {
    Bytes data(1 + random() % 24);
    for (auto& byte : data) byte = static_cast<std::uint8_t>(random());
    data[0] = static_cast<std::uint8_t>(random() % 8 ? 0xa0 + random() % 6 : 0xbf);
    std::uint8_t out[8];
    std::size_t size = 0;
    std::uint64_t number = 0;
    mu_cbor_short texts[2];
    if (!is_map(data)) continue;
    mu_cbor_get_bytes(span(data), "a", out, sizeof out, &size);
    mu_cbor_get_text(span(data), "a", out, sizeof out, &size);
    mu_cbor_get_uint(span(data), "a", &number);
    mu_cbor_get_texts(span(data), "a", texts, 2, &size);
    EXPECT_LE(size, sizeof out);
  }
}

// --- base64 and frames ---

TEST(Base64, StrictAndReversible) {
  std::mt19937 random(1);
  for (std::size_t size = 0; size <= 93; size++) {
    Bytes data(size);
    for (auto& byte : data) byte = static_cast<std::uint8_t>(random());
    char text[128];
    std::uint8_t back[128];
    std::size_t got = 0;
    std::size_t length = mu_base64_encode(span(data), text);
    ASSERT_TRUE(mu_base64_decode(mu_bytes(text, length), back, &got));
    EXPECT_EQ(to_hex(back, got), to_hex(data));
  }
  for (const char* bad : {"A", "AA", "AAA", "A===", "====", "AA=A", "AB==", "AAB=", "AA-_",
                          "AA==AAAA", "AAAA\n", " AAA", "AAA\xff"}) {
    std::uint8_t back[16];
    std::size_t got = 0;
    EXPECT_FALSE(mu_base64_decode(mu_text(bad), back, &got)) << bad;
  }
}

std::vector<Bytes> packets_of(const Bytes& line) {
  auto assembler = std::make_unique<mu_assembler>();
  std::vector<Bytes> out;
  for (std::uint8_t byte : line) {
    mu_span packet{};
    if (mu_assemble(assembler.get(), byte, &packet)) {
      out.emplace_back(packet.data, packet.data + packet.size);
    }
  }
  return out;
}

Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// A packet in frames of a given chunk size.
Bytes in_chunks(const Bytes& packet, std::size_t chunk) {
  Bytes all(2);
  mu_put_be16(all.data(), static_cast<std::uint16_t>(packet.size() + 2));
  all = all + packet;
  all.resize(all.size() + 2);
  mu_put_be16(all.data() + all.size() - 2, mu_crc16(span(packet)));
  Bytes out;
  for (std::size_t at = 0; at < all.size(); at += chunk) {
    char text[128];
    std::size_t n =
        mu_base64_encode(mu_bytes(all.data() + at, std::min(chunk, all.size() - at)), text);
    out = out + (at == 0 ? Bytes{6, 9} : Bytes{4, 20}) + Bytes(text, text + n) + Bytes{'\n'};
  }
  return out;
}

Bytes packet_of(std::size_t size) {
  Bytes out(size);
  for (std::size_t i = 0; i < size; i++) out[i] = static_cast<std::uint8_t>(i * 7);
  return out;
}

TEST(Frames, AnySizeAndAnyChunking) {
  for (std::size_t size : {0U, 1U, 8U, 89U, 90U, 91U, 182U, 183U, 184U, 1024U, 2047U, 2048U}) {
    Bytes packet = packet_of(size);
    EXPECT_EQ(packets_of(to_line(packet)), std::vector<Bytes>{packet}) << size;
    for (std::size_t chunk : {1U, 2U, 3U, 50U, 92U, 93U}) {
      EXPECT_EQ(packets_of(in_chunks(packet, chunk)), std::vector<Bytes>{packet}) << size;
    }
  }
}

TEST(Frames, LargerThanTheBufferIsDropped) {
  EXPECT_TRUE(packets_of(in_chunks(packet_of(2049), 93)).empty());
  EXPECT_TRUE(packets_of(in_chunks(packet_of(60000), 93)).empty());
}

TEST(Frames, OtherLinesBetweenFramesAreSkipped) {
  Bytes packet = packet_of(300);
  Bytes line;
  for (std::uint8_t byte : to_line(packet)) {
    line.push_back(byte);
    if (byte == '\n') line = line + bytes("[00:01] <inf> a log line\r\n\n");
  }
  EXPECT_EQ(packets_of(bytes("boot: ") + line), std::vector<Bytes>{packet});
}

TEST(Frames, AFirstFrameBeginsAnew) {
  Bytes packet = packet_of(300);
  Bytes line = to_line(packet);
  Bytes begun(line.begin(), line.begin() + 127);
  EXPECT_EQ(packets_of(begun + line + line), (std::vector<Bytes>{packet, packet}));
}

TEST(Frames, NoSingleFlippedBitGetsThrough) {
  Bytes packet = packet_of(40);
  Bytes line = to_line(packet);
  for (std::size_t i = 0; i < line.size(); i++) {
    for (int bit = 0; bit < 8; bit++) {
      Bytes flipped = line;
      flipped[i] ^= static_cast<std::uint8_t>(1 << bit);
      for (const Bytes& got : packets_of(flipped)) EXPECT_EQ(got, packet) << i;
      // and the next one is not lost
      EXPECT_EQ(packets_of(flipped + bytes("\n") + line).back(), packet) << i;
    }
  }
}

TEST(Frames, ContinuationsWithoutABeginningAreIgnored) {
  Bytes line = to_line(packet_of(300));
  EXPECT_TRUE(packets_of(Bytes(line.begin() + 127, line.end())).empty());
}

TEST(Frames, OverlongAndBrokenFramesDropThePacket) {
  Bytes packet = packet_of(300);
  Bytes line = to_line(packet);
  Bytes first(line.begin(), line.begin() + 127), rest(line.begin() + 127, line.end());
  Bytes overlong = Bytes{4, 20} + Bytes(200, 'A') + Bytes{'\n'};
  Bytes broken = Bytes{4, 20} + bytes("A*AA\n");
  EXPECT_TRUE(packets_of(first + overlong + rest).empty());
  EXPECT_TRUE(packets_of(first + broken + rest).empty());
}

// --- whole packets ---

TEST(Packets, RandomBytesNeverCrashAUnit) {
  Unit unit;
  std::mt19937 random(3);
  for (int round = 0; round < 3000; round++) {
    Bytes packet(random() % 120);
    for (auto& byte : packet) byte = static_cast<std::uint8_t>(random());
    if (packet.size() >= 8 && round % 2 == 0) {
      Bytes header(8);
      mu_smp_header h{1,
                      static_cast<std::uint8_t>(random() % 4),
                      static_cast<std::uint16_t>(packet.size() - 8),
                      static_cast<std::uint16_t>(random() % 2 ? 77 : 0),
                      1,
                      static_cast<std::uint8_t>(random() % 8)};
      mu_smp_write(&h, header.data());
      std::copy(header.begin(), header.end(), packet.begin());
    }
    unit.exchange(packet);
    Bytes line = packet;
    mu_unit_receive(unit.unit.get(), line.data(), line.size());
  }
  Station station(unit.exchanger());
  EXPECT_EQ(station.identify()["v"], 1);
}

TEST(Packets, MutatedOpsNeverCrashAUnit) {
  Unit unit;
  Station station(unit.exchanger());
  station.enrol();
  std::mt19937 random(5);
  ASSERT_EQ(station.open_identity(), 0U);
  unit.unit->config.max_failures = 1000000;
  for (int round = 0; round < 500; round++) {
    static const char* const ops[] = {"inject",    "prove",   "login",  "set-password", "marker",
                                      "run-nonce", "feature", "reopen", "reopen-nonce"};
    Bytes plain = json::to_cbor({{"op", ops[random() % 9]},
                                 {"name", "admin"},
                                 {"value", bin(Bytes(8, 'x'))},
                                 {"set", bin(Bytes(16, 1))},
                                 {"acts", {"wipe"}},
                                 {"sig", bin(Bytes(64, 1))}});
    for (unsigned k = random() % 3; k > 0; k--) {
      plain[random() % plain.size()] = static_cast<std::uint8_t>(random());
    }
    if (random() % 4 == 0) plain.resize(random() % plain.size());
    Bytes c(plain.size() + 16), nonce(12);
    mu_put_be32(nonce.data() + 8, static_cast<std::uint32_t>(station.next));
    ASSERT_TRUE(mu_gcm_seal(unit.unit->session.to_unit, nonce.data(), span(plain), c.data()));
    json answer = station.message(station.next++, c);
    ASSERT_TRUE(answer.contains("rc"));
  }
}

TEST(Packets, ResponsesAreNeverAnswered) {
  Unit unit;
  EXPECT_FALSE(unit.exchange(hex("0b00000600000000a16172626869")));
  EXPECT_FALSE(unit.exchange(hex("0900000100000106a0")));
  EXPECT_FALSE(unit.exchange(hex("0c00000100000106a0")));
  EXPECT_FALSE(unit.exchange(hex("0a0000")));
}

std::string answer_to(Unit& unit, const char* packet) {
  auto answer = unit.exchange(hex(packet));
  return answer ? to_hex(*answer) : "";
}

TEST(Packets, ErrorsOfTheSmpLayer) {
  Unit unit;
  // unknown group; unknown command; wrong op; body is no map; length is a lie; future version
  EXPECT_EQ(answer_to(unit, "0800000100010106a0"), "0900000500010106a162726308");
  EXPECT_EQ(answer_to(unit, "080000010000010fa0"), "090000050000010fa162726308");
  EXPECT_EQ(answer_to(unit, "0a000001004d0100a0"), "0b000005004d0100a162726308");
  EXPECT_EQ(answer_to(unit, "08000001004d0103a0"), "09000005004d0103a162726308");
  EXPECT_EQ(answer_to(unit, "0a0000010000020080"), "0b00000500000200a162726303");
  EXPECT_EQ(answer_to(unit, "0a0000020000030080"), "0b00000500000300a162726303");
  EXPECT_EQ(answer_to(unit, "1000000100000406a0"), "1100000500000406a162726308");
}

TEST(Packets, GroupErrorsInBothVersions) {
  Unit unit;
  // open enrolment without its fields; a body that is no map
  EXPECT_EQ(answer_to(unit, "0a000001004d0701a0"),
            "0b000012004d0701a163657272a26567726f7570184d62726302");
  EXPECT_EQ(answer_to(unit, "02000001004d0701a0"),
            "03000007004d0701a162726319"
            "0102");
  EXPECT_EQ(answer_to(unit, "0a000001004d080180"),
            "0b000012004d0801a163657272a26567726f7570184d62726302");
  Station station(unit.exchanger());
  auto v1 = station.request(2, 77, 2, json::object(), kVersion1);
  ASSERT_TRUE(v1);
  EXPECT_EQ(clear_rc(*v1, kVersion1), 5U);
  EXPECT_EQ((*v1)["rc"], 261);
}

TEST(Packets, APointOffTheCurveIsRefused) {
  Unit unit;
  Station station(unit.exchanger());
  Bytes point(65), key(32);
  ASSERT_TRUE(mu_p256_generate(key.data(), point.data()));
  json body = {{"n", bin(Bytes(16))}, {"run", bin(Bytes(16))}};
  for (int what = 0; what < 5; what++) {
    Bytes bad = point;
    if (what == 0) bad[64] ^= 1;
    if (what == 1) bad[0] = 2;
    if (what == 2) bad.assign(65, 0);
    if (what == 3) bad.resize(33);
    if (what == 4) std::fill(bad.begin() + 1, bad.end(), std::uint8_t{0xff});
    body["e"] = bin(bad);
    EXPECT_EQ(clear_rc(station.request(2, 77, 1, body).value()), 2U) << what;
  }
  body["e"] = bin(point);
  EXPECT_EQ(clear_rc(station.request(2, 77, 1, body).value()), 0U);
}

TEST(Packets, ParamsAndTheLargestPacket) {
  Unit unit;
  Station station(unit.exchanger());
  json params = station.request(0, 0, 6, json::object()).value();
  EXPECT_EQ(params["buf_size"], 2048);
  EXPECT_EQ(params["buf_count"], 1);
  std::string text(2048 - 8 - 6, 'x');
  EXPECT_EQ(station.request(2, 0, 0, {{"d", text}}).value()["r"], text);
  EXPECT_EQ(station.last_packet.size(), 2048U);
}

}  // namespace
}  // namespace bench
