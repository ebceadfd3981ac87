#include "hsm/report.hpp"

#include "hsm/uri.hpp"

namespace mintmark::pkcs11 {

static std::string version(CK_VERSION v) {
  return std::to_string(v.major) + "." + std::to_string(v.minor);
}

#define FLAG(x) \
  { x, #x }

// Section 3.2, CK_TOKEN_INFO.
static std::vector<std::string> words_of(CK_FLAGS flags) {
  static const std::pair<CK_FLAGS, const char*> kWords[] = {
      FLAG(CKF_RNG),
      FLAG(CKF_WRITE_PROTECTED),
      FLAG(CKF_LOGIN_REQUIRED),
      FLAG(CKF_USER_PIN_INITIALIZED),
      FLAG(CKF_PROTECTED_AUTHENTICATION_PATH),
      FLAG(CKF_TOKEN_INITIALIZED),
      FLAG(CKF_USER_PIN_COUNT_LOW),
      FLAG(CKF_USER_PIN_FINAL_TRY),
      FLAG(CKF_USER_PIN_LOCKED),
      FLAG(CKF_USER_PIN_TO_BE_CHANGED),
      FLAG(CKF_SO_PIN_COUNT_LOW),
      FLAG(CKF_SO_PIN_FINAL_TRY),
      FLAG(CKF_SO_PIN_LOCKED),
  };
  std::vector<std::string> out;
  for (const auto& [flag, word] : kWords)
    if ((flags & flag) != 0) out.emplace_back(word);
  return out;
}

#undef FLAG

const char* word_of(CK_OBJECT_CLASS object_class) {
  if (object_class == CKO_SECRET_KEY) return "secret key";
  return object_class == CKO_PRIVATE_KEY ? "private key" : "public key";
}

static std::string shown(const std::optional<Bytes>& value) {
  if (!value) return "unknown";
  if (value->size() == 1) return value->at(0) != 0 ? "true" : "false";
  return hex(*value);
}

static void read_flags(Session& session, const Part& part, CK_OBJECT_HANDLE key, KeyReport& out) {
  auto add = [&](CK_ATTRIBUTE_TYPE type) {
    out.attributes.emplace_back(name_of_attribute(type), shown(session.attribute(key, type)));
  };
  for (const Flag& flag : part.flags) add(flag.type);
  add(CKA_LOCAL);
  if (part.object_class == CKO_PUBLIC_KEY) return;
  add(CKA_ALWAYS_SENSITIVE);
  add(CKA_NEVER_EXTRACTABLE);
}

// What it is, in words: the size of a secret, the curve of a pair.
std::string type_of(const KeyRole& role) {
  if (role.type == CKK_AES) return "AES-" + std::to_string(8 * role.value_len);
  if (role.type == CKK_GENERIC_SECRET) return std::to_string(8 * role.value_len) + "-bit secret";
  if (role.type == CKK_RSA) return "RSA-" + std::to_string(role.value_len);
  return role.type == CKK_EC_EDWARDS ? "Ed25519" : "EC P-256";
}

// Section 4.3, CKA_LOCAL; section 4.9: what never was outside has always been sensitive, too.
static bool was_made_inside(Session& session, const Part& part, CK_OBJECT_HANDLE key) {
  auto says = [&](CK_ATTRIBUTE_TYPE type) {
    auto value = session.attribute(key, type);
    return value && value->size() == 1 && value->at(0) != 0;
  };
  if (part.object_class == CKO_PUBLIC_KEY) return says(CKA_LOCAL);
  return says(CKA_LOCAL) && says(CKA_ALWAYS_SENSITIVE);
}

std::vector<std::string> uses_of(const Part& part) {
  static const std::pair<CK_ATTRIBUTE_TYPE, const char*> kUses[] = {
      {CKA_ENCRYPT, "encrypt"}, {CKA_DECRYPT, "decrypt"}, {CKA_SIGN, "sign"},
      {CKA_VERIFY, "verify"},   {CKA_WRAP, "wrap"},       {CKA_UNWRAP, "unwrap"},
      {CKA_DERIVE, "derive"},
  };
  std::vector<std::string> out;
  for (const auto& [type, word] : kUses)
    for (const Flag& flag : part.flags)
      if (flag.type == type && flag.value) out.emplace_back(word);
  return out;
}

KeyReport key_report(Session& session, const KeyRole& role, const Part& part,
                     const std::string& label, CK_OBJECT_HANDLE key) {
  KeyReport out;
  out.label = label;
  out.part = word_of(part.object_class);
  out.type = type_of(role);
  out.made_inside = was_made_inside(session, part, key);
  out.mechanism = name_of_mechanism(role.use);
  out.used_by = role.used_by;
  out.wrong = differences(session, role, part, key);
  read_flags(session, part, key, out);
  return out;
}

static void add_keys(Session& session, const KeyRole& role, const Part& part,
                     const std::string& label, std::vector<KeyReport>& out) {
  for (CK_OBJECT_HANDLE key : find(session, part, label))
    out.push_back(key_report(session, role, part, label, key));
}

// Every AES key in the token is a lot's, or should not be here and is shown for it.
static void add_lot_keys(Session& session, std::vector<KeyReport>& out) {
  Attributes which;
  which.number(CKA_CLASS, CKO_SECRET_KEY).number(CKA_KEY_TYPE, CKK_AES).flag(CKA_TOKEN, true);
  for (CK_OBJECT_HANDLE key : session.find(which)) {
    std::string label(text(session.attribute(key, CKA_LABEL).value_or(Bytes{})));
    out.push_back(key_report(session, kLotKey, kLotKey.secret, label, key));
  }
}

TokenReport token_report(Module& module, CK_SLOT_ID slot) {
  TokenReport out;
  CK_INFO library = module.info();
  CK_TOKEN_INFO token = module.token_info(slot);
  out.module_path = module.path();
  out.library = field(library.libraryDescription);
  out.library_version = version(library.libraryVersion);
  out.cryptoki_version = version(library.cryptokiVersion);
  out.label = field(token.label);
  out.manufacturer = field(token.manufacturerID);
  out.model = field(token.model);
  out.serial = field(token.serialNumber);
  out.flags = words_of(token.flags);
  // Section 3.2, CK_SLOT_INFO: CKF_HW_SLOT is how a token says that it is hardware.
  out.is_soft = (module.slot_info(slot).flags & CKF_HW_SLOT) == 0;
  return out;
}

TokenReport report(Connection& connection, Session& session) {
  TokenReport out = token_report(connection.module(), connection.slot());
  const KeyRole& fingerprint = fingerprint_role(session, connection.fingerprint_key());
  add_keys(session, fingerprint, fingerprint.secret, std::string(fingerprint.label), out.keys);
  for (SignerRole signer : kSignerRoles) {
    const KeyRole& role = role_of(signer);
    for (int generation = 1; generation <= connection.newest(signer); ++generation) {
      const KeyRole& form = *connection.signer(signer, generation).role;
      add_keys(session, form, form.secret, label_of(role, generation), out.keys);
      add_keys(session, form, form.open, label_of(role, generation), out.keys);
    }
  }
  add_keys(session, kDerivationKey, kDerivationKey.secret, std::string(kDerivationKey.label),
           out.keys);
  add_lot_keys(session, out.keys);
  return out;
}

}  // namespace mintmark::pkcs11
