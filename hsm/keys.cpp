#include "hsm/keys.hpp"

#include <algorithm>
#include <array>

#include "hsm/rv.hpp"
#include "hsm/templates.hpp"

namespace mintmark::pkcs11 {

namespace {

// Fingerprints and derivation: signs, and does nothing else.
constexpr Flag kMacOnly[] = {
    {CKA_TOKEN, true},     {CKA_PRIVATE, true},      {CKA_MODIFIABLE, false},
    {CKA_SENSITIVE, true}, {CKA_EXTRACTABLE, false}, {CKA_WRAP_WITH_TRUSTED, false},
    {CKA_ENCRYPT, false},  {CKA_DECRYPT, false},     {CKA_SIGN, true},
    {CKA_VERIFY, false},   {CKA_WRAP, false},        {CKA_UNWRAP, false},
    {CKA_DERIVE, false},
};

// The same for a key that other stations get: section 4.6.2 (CKA_WRAP_WITH_TRUSTED) keeps it from
// leaving under any key that the user could make or import.
constexpr Flag kMacAndClone[] = {
    {CKA_TOKEN, true},     {CKA_PRIVATE, true},     {CKA_MODIFIABLE, false},
    {CKA_SENSITIVE, true}, {CKA_EXTRACTABLE, true}, {CKA_WRAP_WITH_TRUSTED, true},
    {CKA_ENCRYPT, false},  {CKA_DECRYPT, false},    {CKA_SIGN, true},
    {CKA_VERIFY, false},   {CKA_WRAP, false},       {CKA_UNWRAP, false},
    {CKA_DERIVE, false},
};

// The private half that takes a clone in: it unwraps. It must not decrypt: that would show the key.
constexpr Flag kUnwrapOnly[] = {
    {CKA_COPYABLE, false},
    {CKA_TOKEN, true},
    {CKA_PRIVATE, true},
    {CKA_MODIFIABLE, false},
    {CKA_SENSITIVE, true},
    {CKA_EXTRACTABLE, false},
    {CKA_WRAP_WITH_TRUSTED, false},
    {CKA_ALWAYS_AUTHENTICATE, false},
    {CKA_DECRYPT, false},
    {CKA_SIGN, false},
    {CKA_SIGN_RECOVER, false},
    {CKA_UNWRAP, true},
    {CKA_DERIVE, false},
};

// Its public half where it was made: it only leaves.
constexpr Flag kOpenOnly[] = {
    {CKA_TOKEN, true},   {CKA_PRIVATE, false},        {CKA_MODIFIABLE, false}, {CKA_ENCRYPT, false},
    {CKA_VERIFY, false}, {CKA_VERIFY_RECOVER, false}, {CKA_WRAP, false},       {CKA_DERIVE, false},
};

// And at the source, where the security officer vouches for it.
constexpr Flag kTrustedWrap[] = {
    {CKA_TOKEN, true},    {CKA_PRIVATE, false}, {CKA_MODIFIABLE, false},
    {CKA_ENCRYPT, false}, {CKA_VERIFY, false},  {CKA_VERIFY_RECOVER, false},
    {CKA_WRAP, true},     {CKA_DERIVE, false},  {CKA_TRUSTED, true},
};

// The private half of the escrow key: agrees on a secret, and nothing else.
constexpr Flag kAgreeOnly[] = {
    {CKA_TOKEN, true},
    {CKA_PRIVATE, true},
    {CKA_MODIFIABLE, false},
    {CKA_SENSITIVE, true},
    {CKA_EXTRACTABLE, false},
    {CKA_WRAP_WITH_TRUSTED, false},
    {CKA_ALWAYS_AUTHENTICATE, false},
    {CKA_DECRYPT, false},
    {CKA_SIGN, false},
    {CKA_SIGN_RECOVER, false},
    {CKA_UNWRAP, false},
    {CKA_DERIVE, true},
};

// A lot's run seal: encrypts and decrypts. It must not wrap: what wraps and decrypts gives away
// every key that it can wrap.
constexpr Flag kSealOnly[] = {
    {CKA_TOKEN, true},     {CKA_PRIVATE, true},      {CKA_MODIFIABLE, false},
    {CKA_SENSITIVE, true}, {CKA_EXTRACTABLE, false}, {CKA_WRAP_WITH_TRUSTED, false},
    {CKA_ENCRYPT, true},   {CKA_DECRYPT, true},      {CKA_SIGN, false},
    {CKA_VERIFY, false},   {CKA_WRAP, false},        {CKA_UNWRAP, false},
    {CKA_DERIVE, false},
};

// The private half of every signer.
constexpr Flag kSignOnly[] = {
    {CKA_TOKEN, true},
    {CKA_PRIVATE, true},
    {CKA_MODIFIABLE, false},
    {CKA_SENSITIVE, true},
    {CKA_EXTRACTABLE, false},
    {CKA_WRAP_WITH_TRUSTED, false},
    {CKA_ALWAYS_AUTHENTICATE, false},
    {CKA_DECRYPT, false},
    {CKA_SIGN, true},
    {CKA_SIGN_RECOVER, false},
    {CKA_UNWRAP, false},
    {CKA_DERIVE, false},
};

// The public half.
constexpr Flag kVerifyOnly[] = {
    {CKA_TOKEN, true},  {CKA_PRIVATE, false},        {CKA_MODIFIABLE, false}, {CKA_ENCRYPT, false},
    {CKA_VERIFY, true}, {CKA_VERIFY_RECOVER, false}, {CKA_WRAP, false},       {CKA_DERIVE, false},
};

constexpr Part kSigner = {CKO_PRIVATE_KEY, kSignOnly};
constexpr Part kVerifier = {CKO_PUBLIC_KEY, kVerifyOnly};

}  // namespace

// clang-format off
const KeyRole kFingerprintKey = {"mintmark-fingerprint", "fingerprints of secrets",
    CKK_GENERIC_SECRET, CKM_GENERIC_SECRET_KEY_GEN, CKM_SHA256_HMAC, 32, {},
    {CKO_SECRET_KEY, kMacOnly}, {}};
const KeyRole kClonableFingerprintKey = {"mintmark-fingerprint", "fingerprints of secrets, for several stations",
    CKK_GENERIC_SECRET, CKM_GENERIC_SECRET_KEY_GEN, CKM_SHA256_HMAC, 32, {},
    {CKO_SECRET_KEY, kMacAndClone}, {}};
const KeyRole kUnwrapKey = {"mintmark-unwrap", "taking in a cloned fingerprint key",
    CKK_RSA, CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_PKCS_OAEP, 3072, {},
    {CKO_PRIVATE_KEY, kUnwrapOnly}, {CKO_PUBLIC_KEY, kOpenOnly}};
const KeyRole kTrustedKey = {"mintmark-trusted", "sending a clone of the fingerprint key",
    CKK_RSA, CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_PKCS_OAEP, 3072, {},
    {}, {CKO_PUBLIC_KEY, kTrustedWrap}};
const KeyRole kEscrowKey = {"mintmark-escrow", "the escrow seal, in a token of its own",
    CKK_EC, CKM_EC_KEY_PAIR_GEN, CKM_ECDH1_DERIVE, 0, kP256Parameters,
    {CKO_PRIVATE_KEY, kAgreeOnly}, {CKO_PUBLIC_KEY, kOpenOnly}};
const KeyRole kCaKey = {"mintmark-ca", "device certificates",
    CKK_EC, CKM_EC_KEY_PAIR_GEN, CKM_ECDSA, 0, kP256Parameters, kSigner, kVerifier};
const KeyRole kJournalKeyP256 = {"mintmark-journal", "checkpoints of the journal",
    CKK_EC, CKM_EC_KEY_PAIR_GEN, CKM_ECDSA, 0, kP256Parameters, kSigner, kVerifier};
const KeyRole kJournalKey = {"mintmark-journal", "checkpoints of the journal",
    CKK_EC_EDWARDS, CKM_EC_EDWARDS_KEY_PAIR_GEN, CKM_EDDSA, 0, kEd25519Parameters, kSigner,
    kVerifier, &kJournalKeyP256};
const KeyRole kReopenKey = {"mintmark-reopen", "permissions to reopen a unit",
    CKK_EC, CKM_EC_KEY_PAIR_GEN, CKM_ECDSA, 0, kP256Parameters, kSigner, kVerifier};
const KeyRole kLabelKeyP256 = {"mintmark-label", "short tokens on labels",
    CKK_EC, CKM_EC_KEY_PAIR_GEN, CKM_ECDSA, 0, kP256Parameters, kSigner, kVerifier};
const KeyRole kLabelKey = {"mintmark-label", "short tokens on labels",
    CKK_EC_EDWARDS, CKM_EC_EDWARDS_KEY_PAIR_GEN, CKM_EDDSA, 0, kEd25519Parameters, kSigner,
    kVerifier, &kLabelKeyP256};
const KeyRole kLotKey = {"", "the run seal of a lot",
    CKK_AES, CKM_AES_KEY_GEN, CKM_AES_GCM, 32, {}, {CKO_SECRET_KEY, kSealOnly}, {}};
const KeyRole kDerivationKey = {"mintmark-derivation", "passwords of products that have them derived",
    CKK_GENERIC_SECRET, CKM_GENERIC_SECRET_KEY_GEN, CKM_SHA256_HMAC, 32, {},
    {CKO_SECRET_KEY, kMacOnly}, {}};
// clang-format on

std::span<const KeyRole* const> station_keys() {
  static constexpr std::array kAll = {&kFingerprintKey, &kCaKey, &kJournalKey, &kReopenKey,
                                      &kLabelKey};
  return kAll;
}

std::string label_of(const KeyRole& role, int generation) {
  std::string label(role.label);
  return generation == 1 ? label : label + "-" + std::to_string(generation);
}

const KeyRole& role_of(SignerRole signer) {
  static constexpr std::array kRoles = {&kCaKey, &kJournalKey, &kReopenKey, &kLabelKey};
  return *kRoles.at(static_cast<std::size_t>(signer));
}

bool is_lot_label(std::string_view label) {
  auto keys = station_keys();
  return !label.empty() && !label.starts_with(kDerivationKey.label) &&
         std::none_of(keys.begin(), keys.end(),
                      [&](const KeyRole* key) { return label.starts_with(key->label); });
}

// What a key of this role must be, except its curve: all of it is checked when it is found.
static Attributes expected(const KeyRole& role, const Part& part) {
  Attributes out;
  out.number(CKA_CLASS, part.object_class).number(CKA_KEY_TYPE, role.type);
  for (const Flag& flag : part.flags) out.flag(flag.type, flag.value);
  if (part.object_class == CKO_SECRET_KEY) out.number(CKA_VALUE_LEN, role.value_len);
  if (part.object_class != CKO_PUBLIC_KEY) out.number(CKA_ALLOWED_MECHANISMS, role.use);
  return out;
}

static Attributes named(Attributes out, std::string_view label) {
  return out.bytes(CKA_LABEL, view(label)).bytes(CKA_ID, view(label));
}

static Attributes without(const Attributes& all, CK_ATTRIBUTE_TYPE type) {
  Attributes out;
  for (const auto& [one, value] : all.items())
    if (one != type) out.bytes(one, value);
  return out;
}

// Table 31 of the mechanisms: the length of an unwrapped key is not the template's to say. And
// SoftHSM2 cannot fill in an object that it was told never to modify.
Attributes clone_attributes() {
  Attributes out;
  const Attributes table = expected(kClonableFingerprintKey, kClonableFingerprintKey.secret);
  for (const auto& [type, value] : table.items())
    if (type != CKA_VALUE_LEN && type != CKA_MODIFIABLE && type != CKA_TOKEN &&
        type != CKA_ALLOWED_MECHANISMS)
      out.bytes(type, value);
  return out;
}

// Section 4.9, CKA_UNWRAP_TEMPLATE: what comes in through this key is as well kept as it was where
// it came from, or it does not come in. Without it whoever has the user's PIN could unwrap into a
// key that he may read. The array points at what lives as long as the process.
static View unwrapped_only_as_clone() {
  static Attributes kept = clone_attributes();
  static const std::vector<CK_ATTRIBUTE> array = kept.raw();
  return {reinterpret_cast<const std::uint8_t*>(array.data()), array.size() * sizeof array[0]};
}

static KeyPair generate_as(Session& session, const KeyRole& role, std::string_view label,
                           const Attributes& table) {
  Attributes secret = named(table, label);
  if (&role == &kUnwrapKey) secret.bytes(CKA_UNWRAP_TEMPLATE, unwrapped_only_as_clone());
  if (!role.is_pair()) return {session.generate_key(role.generate, secret), CK_INVALID_HANDLE};
  Attributes open = named(expected(role, role.open), label);
  if (role.type == CKK_RSA) {
    constexpr std::uint8_t kPublicExponent[] = {0x01, 0x00, 0x01};
    open.number(CKA_MODULUS_BITS, role.value_len).bytes(CKA_PUBLIC_EXPONENT, kPublicExponent);
  } else {
    open.bytes(CKA_EC_PARAMS, role.curve);
  }
  return session.generate_pair(role.generate, open, secret);
}

// Some tokens keep no CKA_ALLOWED_MECHANISMS and refuse a template that has it. They get one
// without; a token that does keep it gets no key without (differences() would show it).
static KeyPair generate_form(Session& session, const KeyRole& role, std::string_view label) {
  const Attributes table = expected(role, role.secret);
  std::size_t before = find(session, role.secret, label).size();
  try {
    return generate_as(session, role, label, table);
  } catch (const CallFault& fault) {
    bool about_template = fault.recovery() == Recovery::never || fault.rv() == CKR_GENERAL_ERROR;
    if (!about_template || find(session, role.secret, label).size() != before) throw;
    KeyPair made = generate_as(session, role, label, without(table, CKA_ALLOWED_MECHANISMS));
    if (differences(session, role, role.secret, made.secret).empty()) return made;
    session.destroy(made.secret);
    if (role.is_pair()) session.destroy(made.open);
    throw;
  }
}

static bool is_lacking(CK_RV rv) {
  return rv == CKR_MECHANISM_INVALID || rv == CKR_FUNCTION_NOT_SUPPORTED ||
         rv == CKR_CURVE_NOT_SUPPORTED || rv == CKR_DOMAIN_PARAMS_INVALID;
}

KeyPair generate(Session& session, const KeyRole& role, std::string_view label) {
  try {
    return generate_form(session, role, label);
  } catch (const CallFault& fault) {
    if (role.instead == nullptr || !is_lacking(fault.rv())) throw;
  }
  return generate_form(session, *role.instead, label);
}

const KeyRole& form_of(Session& session, const KeyRole& role, std::string_view label) {
  if (role.instead == nullptr) return role;
  auto found = find(session, role.secret, label);
  if (found.empty()) return role;
  auto type = session.attribute(found.front(), CKA_KEY_TYPE);
  return type && number_in(*type) == role.instead->type ? *role.instead : role;
}

Attributes template_of(const KeyRole& role, const Part& part, std::string_view label) {
  return named(expected(role, part), label);
}

std::vector<CK_OBJECT_HANDLE> find(Session& session, const Part& part, std::string_view label) {
  Attributes which;
  which.number(CKA_CLASS, part.object_class).bytes(CKA_LABEL, view(label));
  return session.find(which);
}

}  // namespace mintmark::pkcs11

namespace mintmark {

static constexpr std::array<std::string_view, kSignerRoles.size()> kSignerWords = {
    "ca", "journal", "reopen", "label"};

std::string_view word(SignerRole signer) {
  return kSignerWords.at(static_cast<std::size_t>(signer));
}

std::optional<SignerRole> signer_from(std::string_view word_of_one) {
  for (SignerRole signer : kSignerRoles)
    if (word(signer) == word_of_one) return signer;
  return std::nullopt;
}

}  // namespace mintmark

namespace mintmark::pkcs11 {

static Fault wrong(std::string_view label, std::string attribute) {
  return Fault("token.key", {{"key", std::string(label)}, {"attribute", std::move(attribute)}});
}

CK_OBJECT_HANDLE find_one(Session& session, const Part& part, std::string_view label) {
  auto found = find(session, part, label);
  if (found.empty()) throw wrong(label, "missing");
  if (found.size() > 1) throw wrong(label, "several");
  return found.front();
}

static CK_OBJECT_HANDLE find_part(Session& session, const KeyRole& role, const Part& part,
                                  std::string_view label) {
  CK_OBJECT_HANDLE key = find_one(session, part, label);
  std::string differs = differences(session, role, part, key);
  if (!differs.empty()) throw wrong(label, differs);
  return key;
}

KeyPair find_checked(Session& session, const KeyRole& role, std::string_view label) {
  KeyPair out;
  out.secret = find_part(session, role, role.secret, label);
  if (role.is_pair()) out.open = find_part(session, role, role.open, label);
  return out;
}

const KeyRole& fingerprint_role(Session& session, CK_OBJECT_HANDLE key) {
  auto says = [&](CK_ATTRIBUTE_TYPE type) {
    auto value = session.attribute(key, type);
    return value && value->size() == 1 && value->at(0) != 0;
  };
  bool clonable = says(CKA_EXTRACTABLE) && says(CKA_WRAP_WITH_TRUSTED);
  return clonable ? kClonableFingerprintKey : kFingerprintKey;
}

const KeyRole& check_fingerprint_key(Session& session, CK_OBJECT_HANDLE key) {
  const KeyRole& role = fingerprint_role(session, key);
  std::string differs = differences(session, role, role.secret, key);
  if (!differs.empty()) throw wrong(role.label, differs);
  return role;
}

// A token may write CK_TRUE as any byte but 0.
static bool same_value(const Bytes& want, const Bytes& have) {
  if (want.size() == 1 && have.size() == 1) return (want[0] != 0) == (have[0] != 0);
  return want == have;
}

static bool is_local(Session& session, CK_OBJECT_HANDLE key) {
  auto local = session.attribute(key, CKA_LOCAL);
  return local && local->size() == 1 && local->at(0) != 0;
}

std::string differences(Session& session, const KeyRole& role, const Part& part,
                        CK_OBJECT_HANDLE key) {
  const Attributes table = expected(role, part);
  std::string out;
  // SoftHSM2 does not keep the length of a key that was unwrapped: there the check value, which
  // both stations compare, stands for it.
  bool clone = &role == &kClonableFingerprintKey && !is_local(session, key);
  for (const auto& [type, want] : table.items()) {
    if (type == CKA_VALUE_LEN && clone) continue;
    auto have = session.attribute(key, type);
    if (have && same_value(want, *have)) continue;
    if (!have && type == CKA_ALLOWED_MECHANISMS) continue;  // nothing that this token keeps
    out += (out.empty() ? "" : " ") + std::string(name_of_attribute(type));
  }
  return out;
}

Bytes public_point(Session& session, const KeyRole& role, CK_OBJECT_HANDLE open) {
  Bytes point = ec_point(session, open, role.type == CKK_EC ? kP256Point : kEd25519Point);
  if (point.empty()) throw wrong(role.label, "CKA_EC_POINT");
  return point;
}

void check_pair(Session& session, const KeyRole& role, const KeyPair& pair, View point) {
  // Domain of its own: never a certificate, a checkpoint or a permission.
  Digest digest = sha256(view("mintmark: do these two halves belong together?"));
  Bytes signature = session.sign(role.use, pair.secret, digest);
  bool together = role.type == CKK_EC ? p256_verify(p256_spki(point), digest, signature)
                                      : ed25519_verify(point, digest, signature);
  if (!together) throw wrong(role.label, "pair");
}

}  // namespace mintmark::pkcs11
