// A unit's key, made in the token for a unit that has no random generator. It leaves the token only
// wrapped for one unit: under a key agreed with that unit's static public key (NIST SP 800-56A,
// one-pass), by AES key wrap with padding (RFC 5649). schema/unit-protocol.md section 12 is the
// unit's side.
//
// PKCS#11 cannot know whose public key it agrees with: that the static key is the unit's own is for
// an attestation to say, before this is called.
#pragma once

#include <optional>
#include <string_view>

#include "station/words/bytes.hpp"
#include "station/words/crypto.hpp"
#include "station/words/unit.hpp"

namespace mintmark {

enum class KeyAlgorithm { p256, p384, ed25519, rsa2048, rsa3072 };
std::string_view word(KeyAlgorithm algorithm);  // "P-256", as a product file writes it
std::optional<KeyAlgorithm> key_algorithm_from(std::string_view word);

// How the shared X coordinate becomes the wrapping key. Tokens offer one or the other.
//   x963_sha256   ANSI X9.63 with SHA-256 and the context as shared info (CKD_SHA256_KDF)
//   aes_cbc_data  AES-256-CBC under the X coordinate, IV 0, of the 32-byte context
//                 (CKD_NULL, then CKM_AES_CBC_ENCRYPT_DATA)
enum class WrapKdf { x963_sha256, aes_cbc_data };
std::string_view word(WrapKdf kdf);  // "x963-sha256", "aes-cbc-data": words of the unit protocol

struct UnitKeyOrder {
  UnitKeyOrder() = default;
  UnitKeyOrder(HardwareId unit, Bytes run_id, Bytes point,
               KeyAlgorithm key_algorithm = KeyAlgorithm::p256)
      : hardware_id(std::move(unit)),
        run(std::move(run_id)),
        unit_point(std::move(point)),
        algorithm(key_algorithm) {}
  HardwareId hardware_id;
  Bytes run;         // 16 bytes of the run id
  Bytes unit_point;  // the unit's static key: P-256, uncompressed, 65 bytes
  KeyAlgorithm algorithm = KeyAlgorithm::p256;
};

struct WrappedKey {
  WrappedKey() = default;
  Bytes point;  // the token's ephemeral P-256 point, 65 bytes
  WrapKdf kdf = WrapKdf::x963_sha256;
  Bytes wrapped;  // PKCS#8 PrivateKeyInfo (RFC 5208), perhaps with zeros behind it, wrapped
  Bytes spki;     // of the new key, DER
  // By the new key over the SHA-256 digest of wrapped_request(): ECDSA (r, s), RSASSA-PKCS1-v1_5,
  // or Ed25519 with the digest for its message.
  Bytes signature;
};

// What the wrapping key is bound to: SHA-256(F("mintmark/unit-key", source, hardware id, run,
// token's point, unit's point)).
Digest wrap_context(const UnitKeyOrder& order, View token_point);

// What the new key signs, so that nothing is certified whose private half is not there:
// F("mintmark/unit-key-request", context, spki).
Bytes wrapped_request(const Digest& context, View spki);

// The wrapping key, as the unit computes it from the shared X coordinate.
Secret wrapping_key(WrapKdf kdf, const Secret& shared, const Digest& context);

}  // namespace mintmark
