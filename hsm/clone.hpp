// One fingerprint key for several stations, so that they share one space of secrets.
//
// At the recipient, make_unwrap_key makes an RSA pair whose private half only unwraps; the public
// half travels. At the source, two officers have compared it, import_trusted has the security
// officer vouch for it, and Vault::clone_fingerprint_key wraps under it and destroys it. At the
// recipient, Vault::create_keys(cloned) unwraps and destroys the pair.
//
// The user's PIN alone gets the key out at no point: at the source CKA_TRUSTED is the SO's to give
// (PKCS#11 v2.40, table 22); at the recipient CKA_UNWRAP_TEMPLATE lets it in only as well kept as
// it was. Tokens that do not keep either are refused, because it is tried. Faults as of vault.hpp.
#pragma once

#include "hsm/keys.hpp"
#include "hsm/vault.hpp"

namespace mintmark {

// At the recipient. With an SO PIN the token is made first. A pair that is there already is kept
// and answered again. SubjectPublicKeyInfo, RSA, DER.
Bytes make_unwrap_key(const TokenConfig& config, View so_pin);

// Fault("clone.request") for what is no RSA-3072 key of make_unwrap_key.
void check_unwrap_key(View spki);

// At the source, as the security officer; no other login to the token may be open in this process.
// Fault("token.pin") for a wrong SO PIN: it is tried once. Faults of check_unwrap_key. What an
// earlier call made is replaced.
void import_trusted(const TokenConfig& config, View so_pin, View spki);

// Destroys what import_trusted made, if it is there: where nothing came of the clone.
void forget_trusted(const TokenConfig& config, View so_pin);

// What two people compare: the first 8 bytes of the key's SHA-256, as xxxx-xxxx-xxxx-xxxx.
std::string comparison_value(View spki);

namespace pkcs11 {

Bytes wrap_fingerprint_key(Session& session, CK_OBJECT_HANDLE fingerprint, View spki);
// Checked before it is the token's; then the unwrap pair is destroyed. Faults "clone.check",
// "token.key".
void unwrap_fingerprint_key(Session& session, const ClonedKey& clone);
void must_be_the_compared(Session& session, CK_OBJECT_HANDLE key, View check_value);
void forget_unwrap_key(Session& session);
// Whether the token unwraps into a key that the user may read.
bool lets_in_readable(Session& session, const KeyPair& pair, View spki);
// Whether the token hands `key` out under a public key that nobody vouched for.
bool leaves_under_stranger(Session& session, CK_OBJECT_HANDLE key);

}  // namespace pkcs11
}  // namespace mintmark
