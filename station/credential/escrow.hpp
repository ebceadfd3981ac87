// The escrow seal (schema/escrow.md): anybody who has the public key can close it; only the escrow
// token opens it.
#pragma once

#include <functional>

#include "station/words/bytes.hpp"
#include "station/words/secret.hpp"

namespace mintmark {

// What a secret under the run seal or the escrow seal is bound to: each value as 32-bit big-endian
// length and bytes (FORMATS, "Run seal"). `hardware` is source:id.
Bytes seal_aad(std::string_view ledger, std::string_view run, std::string_view hardware,
               std::string_view klass, View fingerprint);

// 0x01, the ephemeral point (65 bytes), ciphertext, tag (16). `spki`: P-256, 91 bytes. Fault
// "escrow.key" where it is none.
Bytes close_escrow(View spki, View aad, const Secret& secret);

// `agree` is ECDH by the private half: the shared X for an ephemeral point. Fault "seal.broken"
// (key) where key, AAD or bytes are not those of the seal.
using Agree = std::function<Secret(View point)>;
Secret open_escrow(const Agree& agree, View spki, View aad, View sealed);

}  // namespace mintmark
