#include <gtest/gtest.h>

#include <algorithm>

#include "station/words/bytes.hpp"
#include "station/words/clock.hpp"
#include "station/words/crypto.hpp"
#include "station/words/fault.hpp"
#include "station/words/secret.hpp"
#include "station/words/unit.hpp"
#include "tests/unit/words/identity_key.hpp"

namespace mintmark {
namespace {

Bytes from(std::string_view hex_text) { return from_hex(hex_text).value(); }

TEST(Bytes, HexIsLowerCaseAndWhole) {
  EXPECT_EQ(hex(from("00ff10")), "00ff10");
  for (const char* bad : {"0", "0g", "FF", " 00", "0x00"}) EXPECT_FALSE(from_hex(bad)) << bad;
}

TEST(Bytes, Base64OnlyInItsOneSpelling) {
  EXPECT_EQ(base64(view("mint")), "bWludA==");
  EXPECT_EQ(text(*from_base64("bWludA==")), "mint");
  EXPECT_TRUE(from_base64("")->empty());
  for (const char* bad : {"bWludA", "bWludB==", "bWl udA=", "====", "bWlu\ndA=="})
    EXPECT_FALSE(from_base64(bad)) << bad;
}

TEST(Bytes, FramesAreUnambiguous) {
  EXPECT_EQ(hex(frame({view("ab"), View(), view("c")})), "000000026162000000000000000163");
  EXPECT_NE(frame({view("ab"), view("c")}), frame({view("a"), view("bc")}));
}

TEST(Bytes, DerValuesAreToldApart) {
  Bytes small = from("3003020101"), large(4 + 300);
  std::copy_n(from("3082012c").begin(), 4, large.begin());
  Bytes both = small;
  both.insert(both.end(), large.begin(), large.end());
  both.insert(both.end(), small.begin(), small.end());
  EXPECT_EQ(split_der(both), (std::vector<Bytes>{small, large, small}));
  EXPECT_TRUE(split_der({}).empty());
  for (const char* odd : {"30", "3005ff", "3082", "30820fffff", "3085ffffffffff00", "3080"})
    EXPECT_EQ(split_der(from(odd)), std::vector<Bytes>{from(odd)}) << odd;
}

TEST(Secret, IsZeroAtFirstAndMovesWhole) {
  Secret a(4);
  EXPECT_EQ(hex(a.view()), "00000000");
  a = Secret::copy_of(view("mint"));
  Secret b = std::move(a);
  EXPECT_TRUE(same(b.view(), view("mint")));
  EXPECT_FALSE(same(b.view(), view("mind")));
  EXPECT_FALSE(same(b.view(), view("min")));
  b.shrink(2);
  EXPECT_EQ(text(b.view()), "mi");
  EXPECT_EQ(text(b.clone().view()), "mi");
}

TEST(Fault, EndsAsTheTableSays) {
  EXPECT_EQ(ending_of("contact.timeout"), Ending::retry);
  EXPECT_EQ(ending_of("unit.old_firmware"), Ending::rework);
  EXPECT_EQ(ending_of("prove.failed"), Ending::quarantine);
  EXPECT_EQ(ending_of("nobody.thought_of_it"), Ending::quarantine);
  EXPECT_TRUE(pauses_lot("reset.universal_default"));
  EXPECT_FALSE(pauses_lot("prove.failed"));
  EXPECT_TRUE(is_stations_own("token.away"));
  EXPECT_FALSE(is_stations_own("hwid.clone"));
  EXPECT_STREQ(Fault("a.b", {{"k", "v"}}, "why").what(), "a.b k=v: why");
  for (auto e :
       {Ending::passed, Ending::retry, Ending::rework, Ending::quarantine, Ending::abandoned})
    EXPECT_EQ(ending_from(word(e)), e);
  EXPECT_FALSE(ending_from("fine"));
}

TEST(Words, SerialsAndControlSymbols) {
  for (const char* good : {"A", "SN-0001", "9.A_B-C"}) EXPECT_TRUE(is_serial(good)) << good;
  for (const char* bad : {"", "-A", "sn1", "A B", "A:B", "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456"})
    EXPECT_FALSE(is_serial(bad)) << bad;
  ControlSymbol symbol("SN-1", "device", 12);
  EXPECT_EQ(symbol.str(), "MM1:SN-1:device:12");
  EXPECT_EQ(ControlSymbol::parse("MM1:SN-1:device:12"), symbol);
  for (const char* bad :
       {"MM1:SN-1:device:012", "MM1:SN-1:device:0", "MM1:SN-1:device:1 ",
        "MM1:SN-1:device:", "MM1:SN-1:Device:1", "MM2:SN-1:device:1", "MM1:SN-1:1",
        "MM1:SN-1:device:1:2", "MM1:SN-1:device:-1", "MM1:SN-1:device:99999999999", ""})
    EXPECT_FALSE(ControlSymbol::parse(bad)) << bad;
}

TEST(Words, StepsInOrder) {
  EXPECT_EQ(after(Step::lock), Step::label);
  EXPECT_EQ(after(Step::done), Step::done);
  for (Step s = Step::identify; s != Step::done; s = after(s)) EXPECT_EQ(step_from(word(s)), s);
}

TEST(Clock, Forms) {
  EXPECT_EQ(utc(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(utc_now().size(), 24u);
  Bytes random(16, 0xff);
  std::string v4 = uuid_v4(random), v7 = uuid_v7(random);
  EXPECT_EQ(v4, "ffffffff-ffff-4fff-bfff-ffffffffffff");
  EXPECT_EQ(v7[14], '7');
  EXPECT_TRUE(is_uuid(v7));
  EXPECT_LE(uuid_v7(random), uuid_v7(random));
  for (const char* bad :
       {"", "ffffffff-ffff-4fff-bfff-fffffffffff", "FFFFFFFF-ffff-4fff-bfff-ffffffffffff"})
    EXPECT_FALSE(is_uuid(bad)) << bad;
  EXPECT_TRUE(is_date("2028-02-29"));
  for (const char* bad : {"2027-02-29", "2027-2-09", "2027-13-01", "27-01-01", "2027-01-01T"})
    EXPECT_FALSE(is_date(bad)) << bad;
}

// RFC 5869 test case 1; RFC 7914 section 11; NIST GCM test case 16 without AAD is 14.
TEST(Crypto, PublishedVectors) {
  EXPECT_EQ(hex(sha256(view("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex(hmac_sha256(Bytes(32, 0), view("K7QM2XRD9HVTWN4C"))),
            "d80ae5c50cc1fd0586ad2d3174fe22c66e3fae7f1f33d24a63b4df2857c1ef0f");
  Secret okm = hkdf_sha256(from("000102030405060708090a0b0c"), Bytes(22, 0x0b),
                           text(from("f0f1f2f3f4f5f6f7f8f9")), 42);
  EXPECT_EQ(hex(okm.view()),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
  EXPECT_EQ(hex(pbkdf2_sha256(view("passwd"), view("salt"), 1).view()),
            "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
  Bytes sealed = gcm_seal(Bytes(32, 0), Bytes(12, 0), View(), Bytes(16, 0));
  EXPECT_EQ(hex(sealed), "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
}

TEST(Crypto, WhatWasTouchedDoesNotOpen) {
  Bytes key(32, 7), nonce(12, 1), sealed = gcm_seal(key, nonce, view("about"), view("secret"));
  EXPECT_EQ(text(gcm_open(key, nonce, view("about"), sealed)->view()), "secret");
  EXPECT_FALSE(gcm_open(key, nonce, view("other"), sealed));
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    Bytes bad = sealed;
    bad[i] ^= 1;
    EXPECT_FALSE(gcm_open(key, nonce, view("about"), bad)) << i;
  }
  EXPECT_FALSE(gcm_open(key, nonce, View(), Bytes(15)));
  EXPECT_TRUE(gcm_open(key, nonce, View(), gcm_seal(key, nonce, View(), View()))->empty());
}

TEST(Crypto, KeysAgreeAndOnlyPointsOfTheCurve) {
  EphemeralKey a, b;
  EXPECT_TRUE(same(a.agree(b.point())->view(), b.agree(a.point())->view()));
  Bytes off = a.point();
  off.back() ^= 1;
  EXPECT_FALSE(b.agree(off));
  EXPECT_FALSE(b.agree(View(off).first(64)));
  EXPECT_FALSE(p256_point(p256_spki(off)));
  EXPECT_EQ(p256_point(p256_spki(a.point())), a.point());
}

// RFC 6979 A.2.5, SHA-256, message "sample"; RFC 8032 7.1 test 2.
TEST(Crypto, Signatures) {
  Bytes spki =
      p256_spki(from("0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
                     "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"));
  Bytes signature = from(
      "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
      "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8");
  EXPECT_TRUE(p256_verify(spki, sha256(view("sample")), signature));
  EXPECT_FALSE(p256_verify(spki, sha256(view("simple")), signature));
  EXPECT_FALSE(p256_verify(spki, sha256(view("sample")), Bytes(64, 0)));
  Bytes key = from("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
  Bytes by_key = from(
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
      "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
  EXPECT_TRUE(ed25519_verify(key, Bytes(1, 0x72), by_key));
  EXPECT_FALSE(ed25519_verify(key, Bytes(1, 0x73), by_key));
}

// Of every kind that a product may ask for; and of no other.
TEST(Crypto, IdentityKeysSignATranscript) {
  Digest transcript = sha256(view("a session"));
  struct Kind {
    const char* type;
    const char* curve;
    std::size_t bits, size;  // of RSA; of the signature
  };
  for (const Kind& kind :
       {Kind{"EC", "P-256", 0, 64}, Kind{"EC", "P-384", 0, 96}, Kind{"RSA", "", 2048, 256},
        Kind{"RSA", "", 3072, 384}, Kind{"ED25519", "", 0, 64}}) {
    SCOPED_TRACE(std::string(kind.type) + kind.curve);
    IdentityKey key(kind.type, kind.curve, kind.bits);
    Bytes signature = key.sign(transcript);
    EXPECT_EQ(signature.size(), kind.size);
    EXPECT_TRUE(is_identity_key(key.spki()));
    EXPECT_TRUE(identity_verify(key.spki(), transcript, signature));
    EXPECT_FALSE(identity_verify(key.spki(), sha256(view("another")), signature));
    EXPECT_FALSE(identity_verify(key.spki(), transcript, Bytes()));
    signature[9] ^= 1;
    EXPECT_FALSE(identity_verify(key.spki(), transcript, signature));
    Bytes longer = key.spki();
    longer.push_back(0);
    EXPECT_FALSE(is_identity_key(longer));
  }
  EXPECT_FALSE(is_identity_key(IdentityKey("RSA", "", 1024).spki()));
  EXPECT_FALSE(is_identity_key(IdentityKey("EC", "secp256k1", 0).spki()));
  EXPECT_FALSE(is_identity_key(Bytes()));
}

}  // namespace
}  // namespace mintmark
