#include "station/words/crypto.hpp"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <algorithm>
#include <memory>
#include <new>
#include <stdexcept>
#include <utility>

#include "station/words/fault.hpp"

namespace mintmark {

namespace {

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* p) const {
    Free(p);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Deleter<EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Deleter<EVP_MD_CTX_free>>;
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, Deleter<EVP_CIPHER_CTX_free>>;
using Kdf = std::unique_ptr<EVP_KDF, Deleter<EVP_KDF_free>>;
using KdfContext = std::unique_ptr<EVP_KDF_CTX, Deleter<EVP_KDF_CTX_free>>;

void must(bool ok, const char* what) {
  if (!ok) throw Fault("crypto.failed", {}, what);
}

OSSL_PARAM octets(const char* name, View data) {
  // OpenSSL's parameters are not const-correct; it only reads.
  return OSSL_PARAM_construct_octet_string(name, const_cast<std::uint8_t*>(data.data()),
                                           data.size());
}

// Whether 65 bytes are a point of P-256. Its cofactor is 1: every point but infinity, which has no
// such form, has the full order, so that being on the curve is all there is to check (SP 800-56A,
// 5.6.2.3.4). The group is made once: that takes as long as a signature.
bool is_on_p256(View point) {
  using Point = std::unique_ptr<EC_POINT, Deleter<EC_POINT_free>>;
  static const EC_GROUP* const group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
  must(group != nullptr, "P-256");
  Point out(EC_POINT_new(group));
  return point.size() == 65 && point[0] == 4 && out &&
         EC_POINT_oct2point(group, out.get(), point.data(), point.size(), nullptr) == 1;
}

Key make_p256() {
  char group[] = "P-256";
  OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
                         OSSL_PARAM_construct_end()};
  KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  EVP_PKEY* key = nullptr;
  must(EVP_PKEY_fromdata_init(context.get()) == 1 &&
           EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_KEY_PARAMETERS, params) == 1,
       "P-256");
  return Key(key);
}

// Of a point that is on the curve. Here, too, the group is made once, and copied.
Key key_from_point(View point) {
  static const Key group = make_p256();
  Key out(EVP_PKEY_dup(group.get()));
  must(out && EVP_PKEY_set1_encoded_public_key(out.get(), point.data(), point.size()) == 1,
       "P-256 point");
  return out;
}

// SubjectPublicKeyInfo of an uncompressed P-256 point, up to the point (RFC 5480).
constexpr std::uint8_t kSpkiPrefix[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                        0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                        0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};

}  // namespace

Digest sha256(View data) {
  // Fetched once and kept: looking it up costs more than hashing a block of random numbers.
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  Digest out;
  must(EVP_Digest(data.data(), data.size(), out.data(), nullptr, algorithm, nullptr) == 1,
       "SHA-256");
  return out;
}

Digest hmac_sha256(View key, View data) {
  Digest out;
  std::size_t n = 0;
  must(EVP_Q_mac(nullptr, "HMAC", nullptr, "SHA256", nullptr, key.data(), key.size(), data.data(),
                 data.size(), out.data(), out.size(), &n) != nullptr,
       "HMAC-SHA-256");
  return out;
}

static Secret derive(const char* kdf_name, const OSSL_PARAM* params, std::size_t size) {
  Kdf kdf(EVP_KDF_fetch(nullptr, kdf_name, nullptr));
  KdfContext context(EVP_KDF_CTX_new(kdf.get()));
  Secret out(size);
  must(EVP_KDF_derive(context.get(), out.mutable_view().data(), size, params) == 1, kdf_name);
  return out;
}

Secret hkdf_sha256(View salt, View input, std::string_view info, std::size_t size) {
  char digest[] = "SHA256";
  OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
                         octets(OSSL_KDF_PARAM_SALT, salt), octets(OSSL_KDF_PARAM_KEY, input),
                         octets(OSSL_KDF_PARAM_INFO, view(info)), OSSL_PARAM_construct_end()};
  return derive("HKDF", params, size);
}

Secret pbkdf2_sha256(View password, View salt, unsigned iterations, std::size_t size) {
  char digest[] = "SHA256";
  int pkcs5 = 1;  // the caller's salt and count are taken as they are: the unit chose them
  std::uint8_t nothing = 0;
  if (password.empty()) password = View(&nothing, 0);
  OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
                         octets(OSSL_KDF_PARAM_PASSWORD, password),
                         octets(OSSL_KDF_PARAM_SALT, salt),
                         OSSL_PARAM_construct_uint(OSSL_KDF_PARAM_ITER, &iterations),
                         OSSL_PARAM_construct_int(OSSL_KDF_PARAM_PKCS5, &pkcs5),
                         OSSL_PARAM_construct_end()};
  return derive("PBKDF2", params, size);
}

Bytes gcm_seal(View key, View nonce, View aad, View plain) {
  must(key.size() == 32 && nonce.size() == 12, "AES-256-GCM sizes");
  CipherContext c(EVP_CIPHER_CTX_new());
  Bytes out(plain.size() + 16);
  int n = 0;
  must(EVP_EncryptInit_ex2(c.get(), EVP_aes_256_gcm(), key.data(), nonce.data(), nullptr) == 1 &&
           (aad.empty() || EVP_EncryptUpdate(c.get(), nullptr, &n, aad.data(),
                                             static_cast<int>(aad.size())) == 1) &&
           EVP_EncryptUpdate(c.get(), out.data(), &n, plain.data(),
                             static_cast<int>(plain.size())) == 1 &&
           EVP_EncryptFinal_ex(c.get(), out.data() + n, &n) == 1 &&
           EVP_CIPHER_CTX_ctrl(c.get(), EVP_CTRL_AEAD_GET_TAG, 16, out.data() + plain.size()) == 1,
       "AES-256-GCM");
  return out;
}

std::optional<Secret> gcm_open(View key, View nonce, View aad, View sealed) {
  if (key.size() != 32 || nonce.size() != 12 || sealed.size() < 16) return std::nullopt;
  CipherContext c(EVP_CIPHER_CTX_new());
  Secret out(sealed.size() - 16);
  std::uint8_t spare[16];
  std::uint8_t* plain = out.empty() ? spare : out.mutable_view().data();
  int n = 0;
  auto* tag = const_cast<std::uint8_t*>(sealed.data() + out.size());
  bool ok =
      EVP_DecryptInit_ex2(c.get(), EVP_aes_256_gcm(), key.data(), nonce.data(), nullptr) == 1 &&
      (aad.empty() ||
       EVP_DecryptUpdate(c.get(), nullptr, &n, aad.data(), static_cast<int>(aad.size())) == 1) &&
      EVP_DecryptUpdate(c.get(), plain, &n, sealed.data(), static_cast<int>(out.size())) == 1 &&
      EVP_CIPHER_CTX_ctrl(c.get(), EVP_CTRL_AEAD_SET_TAG, 16, tag) == 1 &&
      EVP_DecryptFinal_ex(c.get(), plain + n, &n) == 1;
  if (!ok) return std::nullopt;
  return out;
}

using Cipher = std::unique_ptr<EVP_CIPHER, Deleter<EVP_CIPHER_free>>;

static CipherContext kwp_context() {
  CipherContext c(EVP_CIPHER_CTX_new());
  must(c != nullptr, "AES-256-WRAP-PAD");
  EVP_CIPHER_CTX_set_flags(c.get(), EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
  return c;
}

Bytes kwp_wrap(View key, View plain) {
  must(key.size() == 32 && !plain.empty(), "AES-256-WRAP-PAD sizes");
  Cipher cipher(EVP_CIPHER_fetch(nullptr, "AES-256-WRAP-PAD", nullptr));
  CipherContext c = kwp_context();
  Bytes out((plain.size() + 7) / 8 * 8 + 8);
  int n = 0;
  must(cipher && EVP_EncryptInit_ex2(c.get(), cipher.get(), key.data(), nullptr, nullptr) == 1 &&
           EVP_EncryptUpdate(c.get(), out.data(), &n, plain.data(),
                             static_cast<int>(plain.size())) == 1 &&
           n == static_cast<int>(out.size()),
       "AES-256-WRAP-PAD");
  return out;
}

std::optional<Secret> kwp_unwrap(View key, View wrapped) {
  must(key.size() == 32, "AES-256-WRAP-PAD sizes");
  if (wrapped.size() < 16 || wrapped.size() % 8 != 0) return std::nullopt;
  Cipher cipher(EVP_CIPHER_fetch(nullptr, "AES-256-WRAP-PAD", nullptr));
  CipherContext c = kwp_context();
  Secret out(wrapped.size());
  int n = 0;
  if (!cipher || EVP_DecryptInit_ex2(c.get(), cipher.get(), key.data(), nullptr, nullptr) != 1 ||
      EVP_DecryptUpdate(c.get(), out.mutable_view().data(), &n, wrapped.data(),
                        static_cast<int>(wrapped.size())) != 1 ||
      n <= 0)
    return std::nullopt;
  out.shrink(static_cast<std::size_t>(n));
  return out;
}

EphemeralKey::EphemeralKey() : key_(EVP_EC_gen("P-256")) { must(key_ != nullptr, "P-256 key"); }
EphemeralKey::~EphemeralKey() { EVP_PKEY_free(key_); }
EphemeralKey::EphemeralKey(EphemeralKey&& other) noexcept
    : key_(std::exchange(other.key_, nullptr)) {}

Bytes EphemeralKey::point() const {
  Bytes out(65);
  std::size_t n = 0;
  must(EVP_PKEY_get_octet_string_param(key_, OSSL_PKEY_PARAM_PUB_KEY, out.data(), out.size(), &n) ==
               1 &&
           n == out.size(),
       "P-256 point");
  return out;
}

std::optional<Secret> EphemeralKey::agree(View peer) const {
  if (!is_on_p256(peer)) return std::nullopt;
  Key other = key_from_point(peer);
  KeyContext context(EVP_PKEY_CTX_new(key_, nullptr));
  Secret out(32);
  std::size_t n = out.size();
  if (EVP_PKEY_derive_init(context.get()) != 1 ||
      EVP_PKEY_derive_set_peer(context.get(), other.get()) != 1 ||
      EVP_PKEY_derive(context.get(), out.mutable_view().data(), &n) != 1 || n != out.size())
    return std::nullopt;
  return out;
}

std::optional<Bytes> p256_point(View spki) {
  if (spki.size() != 91 || !equal(spki.first(sizeof kSpkiPrefix), kSpkiPrefix)) return std::nullopt;
  View point = spki.subspan(sizeof kSpkiPrefix);
  if (!is_on_p256(point)) return std::nullopt;
  return to_bytes(point);
}

Bytes p256_spki(View point) {
  Bytes out(std::begin(kSpkiPrefix), std::end(kSpkiPrefix));
  out.insert(out.end(), point.begin(), point.end());
  return out;
}

// r and s, each `half` bytes, in OpenSSL's form.
static bool ecdsa_verify(EVP_PKEY* key, std::size_t half, const Digest& digest, View signature) {
  if (signature.size() != 2 * half) return false;
  auto size = static_cast<int>(half);
  std::unique_ptr<ECDSA_SIG, Deleter<ECDSA_SIG_free>> parts(ECDSA_SIG_new());
  ECDSA_SIG_set0(parts.get(), BN_bin2bn(signature.data(), size, nullptr),
                 BN_bin2bn(signature.data() + half, size, nullptr));
  Bytes der(2 * half + 16);
  unsigned char* end = der.data();
  int n = i2d_ECDSA_SIG(parts.get(), &end);
  KeyContext context(EVP_PKEY_CTX_new(key, nullptr));
  return n > 0 && EVP_PKEY_verify_init(context.get()) == 1 &&
         EVP_PKEY_verify(context.get(), der.data(), static_cast<std::size_t>(n), digest.data(),
                         digest.size()) == 1;
}

bool p256_verify(View spki, const Digest& digest, View signature) {
  auto point = p256_point(spki);
  return point && ecdsa_verify(key_from_point(*point).get(), 32, digest, signature);
}

static bool rsa_verify(EVP_PKEY* key, const Digest& digest, View signature) {
  KeyContext context(EVP_PKEY_CTX_new(key, nullptr));
  return EVP_PKEY_verify_init(context.get()) == 1 &&
         EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) == 1 &&
         EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha256()) == 1 &&
         EVP_PKEY_verify(context.get(), signature.data(), signature.size(), digest.data(),
                         digest.size()) == 1;
}

// Null for what is none of those that identity_verify knows.
static Key identity_key(View spki) {
  constexpr std::size_t kLargest = 550;  // RSA-4096
  if (spki.size() > kLargest) return nullptr;
  const unsigned char* at = spki.data();
  Key key(d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size())));
  if (!key || at != spki.data() + spki.size()) return nullptr;
  int kind = EVP_PKEY_get_base_id(key.get()), bits = EVP_PKEY_get_bits(key.get());
  bool known = kind == EVP_PKEY_ED25519 ||
               (kind == EVP_PKEY_RSA && (bits == 2048 || bits == 3072)) ||
               (kind == EVP_PKEY_EC && EVP_PKEY_get_security_bits(key.get()) == 192);
  return known ? std::move(key) : nullptr;
}

bool is_identity_key(View spki) { return p256_point(spki) || identity_key(spki); }

bool identity_verify(View spki, const Digest& transcript, View signature) {
  if (p256_point(spki)) return p256_verify(spki, transcript, signature);
  Key key = identity_key(spki);
  if (!key) return false;
  switch (EVP_PKEY_get_base_id(key.get())) {
    case EVP_PKEY_EC:
      return ecdsa_verify(key.get(), 48, transcript, signature);
    case EVP_PKEY_RSA:
      return rsa_verify(key.get(), transcript, signature);
    default: {
      DigestContext context(EVP_MD_CTX_new());
      return EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
             EVP_DigestVerify(context.get(), signature.data(), signature.size(), transcript.data(),
                              transcript.size()) == 1;
    }
  }
}

bool ed25519_verify(View public_key, View message, View signature) {
  if (public_key.size() != 32 || signature.size() != 64) return false;
  Key key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, public_key.data(), 32));
  DigestContext context(EVP_MD_CTX_new());
  return key && EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(),
                          message.size()) == 1;
}

}  // namespace mintmark
