// Templates of session objects: what a key may do is stated for every use, true or false, like
// those of the station's own keys (keys.hpp), but nothing of them outlives its session.
#pragma once

#include <p11-kit/pkcs11.h>

#include <initializer_list>

#include "hsm/attributes.hpp"
#include "hsm/session.hpp"

namespace mintmark::pkcs11 {

enum class Leaves { never, wrapped };  // CKA_EXTRACTABLE; all of them are CKA_SENSITIVE

// `uses` are those of CKA_ENCRYPT .. CKA_DERIVE that are true. Class and type are stated, so they
// serve generating, deriving and unwrapping alike.
Attributes session_secret(CK_KEY_TYPE type, std::initializer_list<CK_ATTRIBUTE_TYPE> uses,
                          Leaves leaves);
Attributes session_private(CK_KEY_TYPE type, std::initializer_list<CK_ATTRIBUTE_TYPE> uses,
                           Leaves leaves);
Attributes session_public(CK_KEY_TYPE type, std::initializer_list<CK_ATTRIBUTE_TYPE> uses);

// CKA_EC_PARAMS. DER: OBJECT IDENTIFIER prime256v1, secp384r1, secp521r1 (RFC 5480), id-Ed25519
// (RFC 8410; PKCS#11 v3.0 section 2.3.5).
inline constexpr std::uint8_t kP256Parameters[] = {0x06, 0x08, 0x2a, 0x86, 0x48,
                                                   0xce, 0x3d, 0x03, 0x01, 0x07};
inline constexpr std::uint8_t kP384Parameters[] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22};
inline constexpr std::uint8_t kP521Parameters[] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23};
inline constexpr std::uint8_t kEd25519Parameters[] = {0x06, 0x03, 0x2b, 0x65, 0x70};

// Bytes of a public key: an uncompressed point, or the 32 of Ed25519.
inline constexpr std::size_t kP256Point = 65, kP384Point = 97, kP521Point = 133, kEd25519Point = 32;

// CKA_EC_POINT without its DER OCTET STRING, which some tokens leave away. Empty unless `size`
// bytes are left: told by its size, because a key may begin with bytes that look like DER.
Bytes ec_point(Session& session, CK_OBJECT_HANDLE open, std::size_t size);

}  // namespace mintmark::pkcs11
