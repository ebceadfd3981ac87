// A unit's PKCS#10 request (RFC 2986). Of all that it says only the public key is used: what a
// certificate says is the product's. One that asks for more is refused, so that no firmware relies
// on what it did not get.
#pragma once

#include <string>

#include "hsm/unit_key.hpp"
#include "station/words/bytes.hpp"

namespace mintmark {

struct Pkcs10Rules {
  Pkcs10Rules(KeyAlgorithm key, std::string unit_serial, const Digest& of_session)
      : algorithm(key), serial(std::move(unit_serial)), transcript(of_session) {}
  KeyAlgorithm algorithm;
  std::string serial;  // the subject is empty, or this as serialNumber or CN or both
  Digest transcript;   // challengePassword, in hex (unit-protocol.md section 5)
};

// The key (SubjectPublicKeyInfo, DER). Faults, in this order:
//  identity.request          (reason) not one whole request, or an attribute of another kind
//  identity.bad_key, .weak_key, .algorithm   as check_key
//  identity.bad_signature    not by that key, or over a digest weaker than SHA-256
//  identity.request_unbound  not made in this session
//  identity.subject          (subject)
//  identity.extension        (extension) other than key usage digitalSignature and CA:FALSE
Bytes check_pkcs10(View der, const Pkcs10Rules& rules);

}  // namespace mintmark
