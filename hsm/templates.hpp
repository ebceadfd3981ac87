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

extern const View kP256Parameters;     // DER: OBJECT IDENTIFIER prime256v1 (RFC 5480)
extern const View kP384Parameters;     // secp384r1
extern const View kP521Parameters;     // secp521r1
extern const View kEd25519Parameters;  // id-Ed25519 (RFC 8410; PKCS#11 v3.0 section 2.3.5)

// CKA_EC_POINT without its DER OCTET STRING, which some tokens leave away. Empty if there is none.
Bytes session_point(Session& session, CK_OBJECT_HANDLE open);

}  // namespace mintmark::pkcs11
