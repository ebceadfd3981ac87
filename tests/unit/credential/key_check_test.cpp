// Keys and requests that must not be certified, each refused by its own name.
#include "station/credential/key_check.hpp"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <memory>

#include "station/credential/attestation.hpp"
#include "tests/unit/fault_of.hpp"
#include "tests/unit/hsm/softhsm.hpp"

namespace mintmark {
namespace {

Bytes spki_and_free(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  int size = i2d_PUBKEY(key, &der);
  Bytes out(der, der + (size > 0 ? size : 0));
  OPENSSL_free(der);
  EVP_PKEY_free(key);
  return out;
}

Bytes rsa(unsigned bits, unsigned long exponent = 65537) {
  std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> context(
      EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr), &EVP_PKEY_CTX_free);
  std::unique_ptr<BIGNUM, decltype(&BN_free)> e(BN_new(), &BN_free);
  BN_set_word(e.get(), exponent);
  EVP_PKEY* key = nullptr;
  EVP_PKEY_keygen_init(context.get());
  EVP_PKEY_CTX_set_rsa_keygen_bits(context.get(), static_cast<int>(bits));
  EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context.get(), e.get());
  EVP_PKEY_generate(context.get(), &key);
  return spki_and_free(key);
}

std::string refused(View spki, KeyAlgorithm declared) {
  return fault_of([&] { check_key(spki, declared); });
}

TEST(KeyCheck, TakesExactlyTheDeclaredAlgorithm) {
  const std::pair<KeyAlgorithm, Bytes> keys[] = {
      {KeyAlgorithm::p256, spki_and_free(EVP_EC_gen("P-256"))},
      {KeyAlgorithm::p384, spki_and_free(EVP_EC_gen("P-384"))},
      {KeyAlgorithm::ed25519, spki_and_free(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"))},
      {KeyAlgorithm::rsa2048, rsa(2048)},
      {KeyAlgorithm::rsa3072, rsa(3072)}};
  for (const auto& [is, spki] : keys)
    for (const auto& [declared, other] : keys)
      EXPECT_EQ(refused(spki, declared), is == declared ? "" : "identity.algorithm")
          << word(is) << " as " << word(declared);
}

TEST(KeyCheck, WeakKeysAreRefusedByName) {
  for (KeyAlgorithm declared : {KeyAlgorithm::p256, KeyAlgorithm::rsa2048}) {
    EXPECT_EQ(refused(rsa(1024), declared), "identity.weak_key");
    EXPECT_EQ(refused(spki_and_free(EVP_EC_gen("prime192v1")), declared), "identity.weak_key");
  }
  EXPECT_EQ(refused(rsa(2048, 3), KeyAlgorithm::rsa2048), "identity.weak_key");
}

TEST(KeyCheck, WhatIsNoKeyIsRefused) {
  Bytes good = spki_and_free(EVP_EC_gen("P-256"));
  Bytes off = good, longer = good;
  off.back() ^= 1;
  longer.push_back(0);
  EXPECT_EQ(refused(off, KeyAlgorithm::p256), "identity.bad_key");
  EXPECT_EQ(refused(longer, KeyAlgorithm::p256), "identity.bad_key");
  for (std::size_t size = 0; size < good.size(); size += 9)
    EXPECT_EQ(refused(View(good).first(size), KeyAlgorithm::p256), "identity.bad_key") << size;
}

TEST(WrappedRequest, MustBeSignedByItsOwnKeyForThisUnit) {
  SoftToken token;
  Vault vault(token.config());
  UnitKeyOrder order(HardwareId("otp", "0011"), Bytes(16), EphemeralKey().point());
  WrappedKey key = vault.make_unit_key(order);
  check_wrapped_request(key, order);
  WrappedKey bent = key, another = key;
  bent.signature[5] ^= 1;
  another.spki = vault.make_unit_key(order).spki;
  UnitKeyOrder other_unit = order;
  other_unit.hardware_id.id = "0012";
  EXPECT_EQ(fault_of([&] { check_wrapped_request(bent, order); }), "identity.bad_signature");
  EXPECT_EQ(fault_of([&] { check_wrapped_request(another, order); }), "identity.bad_signature");
  EXPECT_EQ(fault_of([&] { check_wrapped_request(key, other_unit); }), "identity.bad_signature");
  another.spki.pop_back();
  EXPECT_EQ(fault_of([&] { check_wrapped_request(another, order); }), "identity.bad_key");
}

}  // namespace
}  // namespace mintmark
