// The public-key and symmetric primitives that the station computes itself (OpenSSL 3). What needs
// a long-lived key is in the token, not here: these keys live for one session.
#pragma once

#include <optional>

#include "station/words/bytes.hpp"
#include "station/words/secret.hpp"

struct evp_pkey_st;

namespace mintmark {

Digest sha256(View data);
Digest hmac_sha256(View key, View data);

// RFC 5869 with SHA-256.
Secret hkdf_sha256(View salt, View input, std::string_view info, std::size_t size);

// RFC 8018 with HMAC-SHA-256, `size` bytes.
Secret pbkdf2_sha256(View password, View salt, unsigned iterations, std::size_t size = 32);

// AES-256-GCM, 12-byte nonce, 16-byte tag behind the ciphertext.
Bytes gcm_seal(View key, View nonce, View aad, View plain);
std::optional<Secret> gcm_open(View key, View nonce, View aad, View sealed);

// AES-256 key wrap with padding (RFC 5649, NIST SP 800-38F KWP). nullopt where `wrapped` was not
// made under `key`, is cut short or altered.
Bytes kwp_wrap(View key, View plain);
std::optional<Secret> kwp_unwrap(View key, View wrapped);

// An ephemeral P-256 key. Points are uncompressed: 0x04, X, Y: 65 bytes.
class EphemeralKey {
 public:
  EphemeralKey();
  ~EphemeralKey();
  EphemeralKey(EphemeralKey&&) noexcept;
  Bytes point() const;
  // The shared X coordinate, 32 bytes; nullopt where `peer` is not a point of the curve.
  std::optional<Secret> agree(View peer) const;

 private:
  evp_pkey_st* key_;
};

// P-256 SubjectPublicKeyInfo (DER, named curve, uncompressed point): always 91 bytes.
std::optional<Bytes> p256_point(View spki);  // nullopt unless it is exactly that, and on the curve
Bytes p256_spki(View point);

// ECDSA over a SHA-256 digest; `signature` is r and s, 32 bytes each (IEEE P1363).
bool p256_verify(View spki, const Digest& digest, View signature);

// A unit's identity key: a P-256, P-384, Ed25519 or RSA key (2048, 3072) as a whole SPKI. Whether
// it is one that a product asks for is for others to check.
bool is_identity_key(View spki);
// Its signature over a session's transcript (schema/unit-protocol.md section 4): ECDSA (r and s,
// each as long as the order) or RSASSA-PKCS1-v1_5 of that SHA-256 digest, Ed25519 over its 32
// bytes.
bool identity_verify(View spki, const Digest& transcript, View signature);

// Ed25519 over the message itself; `public_key` 32 bytes, `signature` 64 (RFC 8032).
bool ed25519_verify(View public_key, View message, View signature);

}  // namespace mintmark
