// How a key that was made in the token leaves it for one unit: agreed with the unit's key, wrapped
// under what follows from that. Tokens differ in both steps, and what they claim to offer is not
// always what they do, so a route is measured: by going it, with session objects, to the end where
// a unit would stand.
#pragma once

#include <p11-kit/pkcs11.h>

#include <functional>
#include <memory>
#include <optional>

#include "hsm/session.hpp"
#include "station/words/crypto.hpp"

namespace mintmark::pkcs11 {

// PKCS#11 v3.0 section 2.14.3; p11-kit's header is older. RFC 5649 by definition.
inline constexpr CK_MECHANISM_TYPE kAesKeyWrapKwp = 0x210b;

// From the agreed point's X coordinate Z and a context digest D (32 bytes) to an AES-256 key.
enum class Kdf {
  // CKM_ECDH1_DERIVE with CKD_SHA256_KDF, shared data D: SHA-256(Z, 00000001, D) (ANSI X9.63).
  x963_sha256,
  // For tokens with CKD_NULL alone: Z as an AES-256 key that may only derive, then
  // CKM_AES_CBC_ENCRYPT_DATA: AES-256-CBC(Z, IV 0, D) without padding.
  aes_cbc_data
};

struct WrapRoute {
  Kdf kdf = Kdf::x963_sha256;
  CK_MECHANISM_TYPE wrap = kAesKeyWrapKwp;  // one that did as RFC 5649 says
};

// In the token: a session key that may wrap and do nothing else, for the holder of `peer` (an
// uncompressed P-256 point). `ephemeral` is a P-256 private key that may derive.
CK_OBJECT_HANDLE derive_wrapping_key(Session& session, Kdf kdf, CK_OBJECT_HANDLE ephemeral,
                                     View peer, const Digest& context);

// The same key where the unit is: `shared` is Z, 32 bytes.
Secret wrapping_key(Kdf kdf, View shared, const Digest& context);

// RFC 5649 with AES-256, in OpenSSL: nullopt where the blob is not one of `key`'s.
std::optional<Secret> unwrap_kwp(View key, View wrapped);

// The first route that gives a unit (played here) the P-256 key which the token made; nullopt where
// none does. `open` gives a new session for each try, because one that failed is spoilt.
std::optional<WrapRoute> measure_wrap_route(const std::function<std::unique_ptr<Session>()>& open);

}  // namespace mintmark::pkcs11
