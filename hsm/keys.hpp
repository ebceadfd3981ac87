// The station's keys in its token: the ONE table of their roles. What a key may do is stated
// attribute by attribute, true or false, because tokens differ in what they assume: SoftHSM2 lets a
// key of which nothing was said encrypt, sign and wrap.
#pragma once

#include <p11-kit/pkcs11.h>

#include <span>
#include <string>
#include <string_view>

#include "hsm/attributes.hpp"
#include "hsm/session.hpp"
#include "hsm/signer.hpp"
#include "station/words/crypto.hpp"

namespace mintmark::pkcs11 {

struct Flag {
  CK_ATTRIBUTE_TYPE type;
  bool value;
};

// One object in the token. A pair has two.
struct Part {
  CK_OBJECT_CLASS object_class = CKO_SECRET_KEY;
  std::span<const Flag> flags;
};

struct KeyRole {
  std::string_view label;  // CKA_LABEL and CKA_ID; empty for the lot keys, which bring their own
  std::string_view used_by;
  CK_KEY_TYPE type;
  CK_MECHANISM_TYPE generate;
  CK_MECHANISM_TYPE use;  // and no other: CKA_ALLOWED_MECHANISMS
  CK_ULONG value_len;     // of secret keys
  View curve;             // CKA_EC_PARAMS of pairs
  Part secret;
  Part open;  // without flags where there is no public key
  // The same role in a token without Ed25519.
  const KeyRole* instead = nullptr;

  bool is_pair() const { return !open.flags.empty(); }
};

extern const KeyRole kFingerprintKey;  // HMAC-SHA-256: fingerprints of secrets
extern const KeyRole kCaKey;           // P-256: signs device certificates
extern const KeyRole kJournalKey;      // Ed25519, else P-256: signs checkpoints
extern const KeyRole kReopenKey;       // P-256: signs permissions to reopen a unit
extern const KeyRole kLabelKey;        // Ed25519, else P-256: signs the short tokens on labels
// The fingerprint key where other stations are to share it: it leaves the token only under a public
// key that the security officer imported as trusted. A clone of it is the same at its station.
extern const KeyRole kClonableFingerprintKey;
extern const KeyRole kUnwrapKey;  // RSA-3072: takes a cloned fingerprint key in, then goes
// Its public half at the source: wraps, made by the security officer, then goes.
extern const KeyRole kTrustedKey;
extern const KeyRole kEscrowKey;  // P-256 in the escrow token: opens what the station closed
extern const KeyRole kLotKey;     // AES-256-GCM: the run seal of one lot
// HMAC-SHA-256: derives passwords, for products that ask for that. Only where two officers made it.
extern const KeyRole kDerivationKey;

// Those that a station is made with.
std::span<const KeyRole* const> station_keys();

// A signer that was rotated has a key for each generation, numbered from 1: "mintmark-ca",
// "mintmark-ca-2" and so on.
std::string label_of(const KeyRole& role, int generation);
const KeyRole& role_of(SignerRole signer);

// Which of the two a fingerprint key is meant to be: the one that may leave, under trusted keys
// alone, is the clonable one.
const KeyRole& fingerprint_role(Session& session, CK_OBJECT_HANDLE key);
// And is, in every attribute. Fault("token.key") where it is neither.
const KeyRole& check_fingerprint_key(Session& session, CK_OBJECT_HANDLE key);

// Whether `label` is free for a lot key: not empty, not the label of a station key of any
// generation.
bool is_lot_label(std::string_view label);

// What the key of this label is in this token: `role`, or what stands in for it.
const KeyRole& form_of(Session& session, const KeyRole& role, std::string_view label);

// A new key of a role, or of what stands in for it where the token lacks its mechanism; its
// handles.
KeyPair generate(Session& session, const KeyRole& role, std::string_view label);

// All objects of this label and class.
std::vector<CK_OBJECT_HANDLE> find(Session& session, const Part& part, std::string_view label);
// Its only one. Fault("token.key") with attribute "missing" or "several" otherwise.
CK_OBJECT_HANDLE find_one(Session& session, const Part& part, std::string_view label);
// Every part of the role, found and checked.
KeyPair find_checked(Session& session, const KeyRole& role, std::string_view label);

// What a key of this role must be: for those that are imported.
Attributes template_of(const KeyRole& role, const Part& part, std::string_view label);
// What a clone of the fingerprint key is while it comes in: all that protects it.
Attributes clone_attributes();

// The names of the attributes that differ from the table, separated by blanks; empty if none does.
std::string differences(Session& session, const KeyRole& role, const Part& part,
                        CK_OBJECT_HANDLE key);

// The public key without its DER OCTET STRING, which some tokens leave away: 65 bytes (P-256) or
// 32 (Ed25519). Fault("token.key") for any other size.
Bytes public_point(Session& session, const KeyRole& role, CK_OBJECT_HANDLE open);

// That the two halves of a pair belong together: signs and verifies. Fault("token.key", "pair").
void check_pair(Session& session, const KeyRole& role, const KeyPair& pair, View point);

}  // namespace mintmark::pkcs11
