// Whether a public key may be certified at all, and is of the kind that a profile declares.
#pragma once

#include "hsm/unit_key.hpp"
#include "station/words/bytes.hpp"

namespace mintmark {

// `spki` is SubjectPublicKeyInfo, DER. Faults, in this order: "identity.bad_key" where it is no key
// or a point off its curve; "identity.weak_key" (argument `key`, such as "rsa 1024") below 112 bits
// of strength (NIST SP 800-57: RSA 2048, EC 224), or an RSA exponent that is even or below 65537;
// "identity.algorithm" (arguments `key`, `wanted`) where it is not exactly the declared one;
// "identity.bad_key" again where it is not in the form that is fingerprinted: an elliptic curve by
// its name, a point uncompressed.
void check_key(View spki, KeyAlgorithm declared);

}  // namespace mintmark
