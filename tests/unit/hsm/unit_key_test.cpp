// Wrapped unit keys on SoftHSM2; the unit's side is OpenSSL, written here from unit_key.hpp alone.
#include "hsm/unit_key.hpp"

#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <set>
#include <thread>

#include "hsm/module.hpp"
#include "hsm/rv.hpp"
#include "hsm/wrapping.hpp"
#include "tests/unit/fault_of.hpp"
#include "tests/unit/hsm/shared.hpp"

namespace mintmark {
namespace {

using EvpKey = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

const HardwareId kLamp("demo-otp", "0011223344556677");

struct StaticUnit {
  EphemeralKey key;
  UnitKeyOrder order(KeyAlgorithm algorithm = KeyAlgorithm::p256) const {
    return UnitKeyOrder(kLamp, Bytes(16, 0xc0), key.point(), algorithm);
  }
  // The private key, or null where the unit must refuse.
  EvpKey unwrap(const WrappedKey& sent, const UnitKeyOrder& believed) const {
    EvpKey none(nullptr, &EVP_PKEY_free);
    auto shared = key.agree(sent.point);
    if (!shared) return none;
    Digest context = wrap_context(believed, sent.point);
    auto plain = kwp_unwrap(wrapping_key(sent.kdf, *shared, context).view(), sent.wrapped);
    if (!plain) return none;
    const unsigned char* at = plain->view().data();
    std::unique_ptr<PKCS8_PRIV_KEY_INFO, decltype(&PKCS8_PRIV_KEY_INFO_free)> info(
        d2i_PKCS8_PRIV_KEY_INFO(nullptr, &at, static_cast<long>(plain->size())),
        &PKCS8_PRIV_KEY_INFO_free);
    return {info ? EVP_PKCS82PKEY(info.get()) : nullptr, &EVP_PKEY_free};
  }
};

Bytes spki_of_key(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  int size = i2d_PUBKEY(key, &der);
  Bytes out(der, der + std::max(size, 0));
  OPENSSL_free(der);
  return out;
}

EvpKey public_key(const Bytes& spki) {
  const unsigned char* at = spki.data();
  return {d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size())), &EVP_PKEY_free};
}

// r and s as ECDSA-Sig-Value where the key is of a curve.
Bytes as_der(const WrappedKey& sent, KeyAlgorithm algorithm) {
  if (algorithm != KeyAlgorithm::p256 && algorithm != KeyAlgorithm::p384) return sent.signature;
  int half = static_cast<int>(sent.signature.size() / 2);
  std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> both(ECDSA_SIG_new(), &ECDSA_SIG_free);
  ECDSA_SIG_set0(both.get(), BN_bin2bn(sent.signature.data(), half, nullptr),
                 BN_bin2bn(sent.signature.data() + half, half, nullptr));
  unsigned char* der = nullptr;
  int size = i2d_ECDSA_SIG(both.get(), &der);
  Bytes out(der, der + size);
  OPENSSL_free(der);
  return out;
}

bool request_holds(const WrappedKey& sent, const UnitKeyOrder& order) {
  Bytes message = wrapped_request(wrap_context(order, sent.point), sent.spki);
  Bytes signature = as_der(sent, order.algorithm);
  EvpKey key = public_key(sent.spki);
  const EVP_MD* digest = EVP_sha256();
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                  &EVP_MD_CTX_free);
  return key && EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key.get()) == 1 &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(),
                          message.size()) == 1;
}

std::size_t objects_in(const SoftToken& of) {
  auto& module = pkcs11::Module::load(SoftToken::kModule);
  pkcs11::Session session(module, module.find(pkcs11::TokenUri(of.uri())),
                          pkcs11::Session::Access::read);
  return session.find({}).size();
}

TEST(UnitKey, OpensForItsUnitAndNoOther) {
  StaticUnit unit, other;
  WrappedKey sent = vault().make_unit_key(unit.order());
  EvpKey got = unit.unwrap(sent, unit.order());
  ASSERT_TRUE(got);
  EXPECT_EQ(spki_of_key(got.get()), sent.spki);
  EXPECT_TRUE(request_holds(sent, unit.order()));
  EXPECT_FALSE(other.unwrap(sent, unit.order()));
}

TEST(UnitKey, IsOfEveryAlgorithmThatTheTokenHas) {
  StaticUnit unit;
  for (KeyAlgorithm algorithm :
       {KeyAlgorithm::p256, KeyAlgorithm::p384, KeyAlgorithm::rsa2048, KeyAlgorithm::rsa3072}) {
    SCOPED_TRACE(word(algorithm));
    UnitKeyOrder order = unit.order(algorithm);
    WrappedKey sent = vault().make_unit_key(order);
    EvpKey got = unit.unwrap(sent, order);
    ASSERT_TRUE(got);
    EXPECT_EQ(spki_of_key(got.get()), sent.spki);
    EXPECT_TRUE(request_holds(sent, order));
    EXPECT_EQ(key_algorithm_from(word(algorithm)), algorithm);
  }
}

// SoftHSM2 2.6.1 makes Ed25519 keys and cannot wrap them.
TEST(UnitKey, AnAlgorithmThatTheTokenCannotWrapIsRefusedAndNothingStays) {
  vault().make_unit_key(StaticUnit().order());
  std::size_t before = objects_in(shared_token());
  UnitKeyOrder order = StaticUnit().order(KeyAlgorithm::ed25519);
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(fault_of([&] { vault().make_unit_key(order); }), "token.refused");
  EXPECT_EQ(objects_in(shared_token()), before);
}

TEST(UnitKey, IsBoundToHardwareIdRunAndBothPoints) {
  StaticUnit unit;
  WrappedKey sent = vault().make_unit_key(unit.order());
  UnitKeyOrder another_id = unit.order(), another_run = unit.order(), another_word = unit.order();
  another_id.hardware_id.id = "0011223344556678";
  another_run.run[15] ^= 1;
  another_word.hardware_id.source = "demo-otq";
  EXPECT_FALSE(unit.unwrap(sent, another_id));
  EXPECT_FALSE(unit.unwrap(sent, another_run));
  EXPECT_FALSE(unit.unwrap(sent, another_word));
  EXPECT_FALSE(request_holds(sent, another_run));
}

TEST(UnitKey, AnyBitThatIsBentOrByteThatIsMissingIsNoticed) {
  StaticUnit unit;
  WrappedKey sent = vault().make_unit_key(unit.order());
  for (std::size_t i = 0; i < sent.wrapped.size() * 8; i += 7) {
    WrappedKey bent = sent;
    bent.wrapped[i / 8] ^= static_cast<std::uint8_t>(1U << (i % 8));
    EXPECT_FALSE(unit.unwrap(bent, unit.order())) << i;
  }
  for (std::size_t size = 0; size < sent.wrapped.size(); ++size) {
    WrappedKey cut = sent;
    cut.wrapped.resize(size);
    EXPECT_FALSE(unit.unwrap(cut, unit.order())) << size;
  }
}

TEST(UnitKey, APointThatIsNoneIsRefusedByNameAndNothingIsMade) {
  std::size_t before = objects_in(shared_token());
  StaticUnit unit;
  UnitKeyOrder off = unit.order(), small = unit.order(), infinity = unit.order();
  off.unit_point[64] ^= 1;
  small.unit_point.resize(33);
  infinity.unit_point = Bytes(65, 0);
  for (const UnitKeyOrder& bad : {off, small, infinity})
    EXPECT_EQ(fault_of([&] { vault().make_unit_key(bad); }), "identity.bad_point");
  EXPECT_EQ(objects_in(shared_token()), before);
}

TEST(UnitKey, LeavesNothingBehindAndIsNeverTheSameTwice) {
  vault().make_unit_key(StaticUnit().order());
  std::size_t before = objects_in(shared_token());
  StaticUnit unit;
  std::mutex mutex;
  std::set<Bytes> keys, points, blobs;
  auto work = [&] {
    for (int i = 0; i < 10; ++i) {
      WrappedKey sent = vault().make_unit_key(unit.order());
      std::lock_guard<std::mutex> guard(mutex);
      keys.insert(sent.spki);
      points.insert(sent.point);
      blobs.insert(sent.wrapped);
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(work);
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(keys.size(), 40U);
  EXPECT_EQ(points.size(), 40U);
  EXPECT_EQ(blobs.size(), 40U);
  EXPECT_EQ(objects_in(shared_token()), before);
}

// What the token would let another client do with the objects while they are there.
TEST(UnitKey, ItsValueIsNotToBeHadAndWhatIsNotExtractableIsNotWrapped) {
  vault();
  auto& module = pkcs11::Module::load(SoftToken::kModule);
  pkcs11::Session session(module, module.find(pkcs11::TokenUri(shared_token().uri())),
                          pkcs11::Session::Access::read);
  pkcs11::Attributes open, secret, kek;
  open.flag(CKA_TOKEN, false).bytes(CKA_EC_PARAMS, *from_hex("06082a8648ce3d030107"));
  secret.flag(CKA_TOKEN, false).flag(CKA_PRIVATE, true).flag(CKA_SENSITIVE, true);
  secret.flag(CKA_EXTRACTABLE, true).flag(CKA_SIGN, true);
  pkcs11::KeyPair pair = session.generate_pair(CKM_EC_KEY_PAIR_GEN, open, secret);
  EXPECT_FALSE(session.attribute(pair.secret, CKA_VALUE));
  kek.flag(CKA_TOKEN, false).flag(CKA_WRAP, true).number(CKA_VALUE_LEN, 32);
  CK_OBJECT_HANDLE under = session.generate_key(CKM_AES_KEY_GEN, kek);
  EXPECT_FALSE(
      session.wrap({CK_MECHANISM_TYPE{CKM_AES_KEY_WRAP_PAD}, nullptr, 0}, under, pair.secret)
          .empty());
  pkcs11::Attributes kept;
  kept.flag(CKA_TOKEN, false).flag(CKA_PRIVATE, true).flag(CKA_SENSITIVE, true);
  kept.flag(CKA_EXTRACTABLE, false).flag(CKA_SIGN, true);
  pkcs11::KeyPair locked = session.generate_pair(CKM_EC_KEY_PAIR_GEN, open, kept);
  EXPECT_EQ(
      fault_of([&] {
        session.wrap({CK_MECHANISM_TYPE{CKM_AES_KEY_WRAP_PAD}, nullptr, 0}, under, locked.secret);
      }),
      "token.refused");
}

TEST(Kwp, RoundTripsAnyLength) {
  Bytes key(32, 0x11);
  for (std::size_t size : {1U, 7U, 8U, 9U, 20U, 67U, 72U, 1218U}) {
    Bytes plain(size, 0x5a);
    Bytes wrapped = kwp_wrap(key, plain);
    EXPECT_EQ(wrapped.size(), (size + 7) / 8 * 8 + 8);
    auto back = kwp_unwrap(key, wrapped);
    ASSERT_TRUE(back) << size;
    EXPECT_TRUE(equal(back->view(), plain));
    EXPECT_FALSE(kwp_unwrap(Bytes(32, 0x12), wrapped));
  }
}

// schema/unit-protocol.md section 10.
TEST(WrappingKey, ContextAndKeysAreThoseOfTheVectors) {
  Bytes unit_point = *from_hex(
      "04550f471003f3df97c3df506ac797f6721fb1a1fb7b8f6f83d224498a65c88e24136093d7012e509a73715cbd0b"
      "00a3cc0ff4b5c01b3ffa196ab1fb327036b8e6");
  Bytes token_point = *from_hex(
      "0473103ec30b3ccf57daae08e93534aef144a35940cf6bbba12a0cf7cbd5d65a64d82c8c99e9d3c45f9245ba9b27"
      "982c9aea8ec1db94b19c44795942c0eb22aa32");
  UnitKeyOrder order(kLamp, Bytes(16, 0xc0), unit_point);
  Digest context = wrap_context(order, token_point);
  EXPECT_EQ(hex(context), "a7157365f5e3a7624badca41c7bfeff992829bd834df1e90cc7e803e2bbc163d");
  Secret shared = Secret::copy_of(
      *from_hex("9646570d5898ccc7641667542efc30da928570161432365a8fcf96787f23b996"));
  Secret key = wrapping_key(WrapKdf::x963_sha256, shared, context);
  EXPECT_EQ(hex(key.view()), "46f20916e0d347022ffed55fec0badb9e405528186869be07d4863d7faaf2951");
  Bytes plain = *from_hex(
      "3041020100301306072a8648ce3d020106082a8648ce3d0301070427302502010104200303030303030303030303"
      "0303030303030303030303030303030303030303030000000000");
  EXPECT_EQ(
      hex(kwp_wrap(key.view(), plain)),
      "ec5c54f8ba22787ba6eb54688b79daa6ade1c97229a846c5f44358bc20991c84b3349df12e3d565ca366c4c8ac"
      "35fd638ca79365dfd0cf904a8c6ce477089b45c79b0aec77730d046ed5853311f0af83");
  EXPECT_EQ(hex(wrapping_key(WrapKdf::aes_cbc_data, shared, context).view()),
            "6ce30a6b54987764643850435a68ead1e7075d5104165fe2c741381f542abc13");
}

}  // namespace
}  // namespace mintmark
