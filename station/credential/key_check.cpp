#include "station/credential/key_check.hpp"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <array>
#include <memory>
#include <string>

#include "station/words/crypto.hpp"
#include "station/words/fault.hpp"

namespace mintmark {

namespace {

using PublicKey = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

// The whole input is one key, and a point is on its curve.
PublicKey parse_public(View spki) {
  const unsigned char* at = spki.data();
  PublicKey key(d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size())), &EVP_PKEY_free);
  if (!key || at != spki.data() + spki.size()) throw Fault("identity.bad_key");
  std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> check(
      EVP_PKEY_CTX_new(key.get(), nullptr), &EVP_PKEY_CTX_free);
  if (EVP_PKEY_public_check_quick(check.get()) != 1) throw Fault("identity.bad_key");
  return key;
}

std::string curve_of(EVP_PKEY* key) {
  std::array<char, 64> name{};
  std::size_t size = 0;
  if (EVP_PKEY_get_group_name(key, name.data(), name.size(), &size) != 1) return "";
  return {name.data(), size};
}

bool has_sound_exponent(EVP_PKEY* key) {
  BIGNUM* e = nullptr;
  if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) != 1) return false;
  bool sound = BN_is_odd(e) == 1 && BN_num_bits(e) >= 17;
  BN_free(e);
  return sound;
}

// For people and for comparison: "rsa 2048", "ec prime256v1", "ed25519".
std::string kind_of(EVP_PKEY* key) {
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
      return "rsa " + std::to_string(EVP_PKEY_get_bits(key));
    case EVP_PKEY_EC:
      return "ec " + curve_of(key);
    case EVP_PKEY_ED25519:
      return "ed25519";
    default:
      return "other";
  }
}

std::string kind_of(KeyAlgorithm algorithm) {
  switch (algorithm) {
    case KeyAlgorithm::p256:
      return "ec prime256v1";
    case KeyAlgorithm::p384:
      return "ec secp384r1";
    case KeyAlgorithm::ed25519:
      return "ed25519";
    case KeyAlgorithm::rsa2048:
      return "rsa 2048";
    case KeyAlgorithm::rsa3072:
      return "rsa 3072";
  }
  return "";
}

// Each key has one encoding, since its fingerprint is over it: an elliptic curve by its name, a
// point uncompressed.
bool is_in_its_one_form(EVP_PKEY* key, View spki) {
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_EC:
      return spki.size() == (curve_of(key) == "prime256v1" ? 91U : 120U);
    default: {
      unsigned char* der = nullptr;
      int size = i2d_PUBKEY(key, &der);
      bool same = size > 0 && equal(View(der, static_cast<std::size_t>(size)), spki);
      OPENSSL_free(der);
      return same;
    }
  }
}

}  // namespace

void check_key(View spki, KeyAlgorithm declared) {
  if (declared == KeyAlgorithm::p256 && p256_point(spki)) return;  // all of the below, and quicker
  PublicKey key = parse_public(spki);
  std::string kind = kind_of(key.get());
  bool is_rsa = EVP_PKEY_get_base_id(key.get()) == EVP_PKEY_RSA;
  if (EVP_PKEY_get_security_bits(key.get()) < 112 || (is_rsa && !has_sound_exponent(key.get())))
    throw Fault("identity.weak_key", {{"key", kind}});
  if (kind != kind_of(declared))
    throw Fault("identity.algorithm", {{"key", kind}, {"wanted", kind_of(declared)}});
  if (!is_in_its_one_form(key.get(), spki)) throw Fault("identity.bad_key");
}

}  // namespace mintmark
