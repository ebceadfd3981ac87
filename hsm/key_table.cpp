#include "hsm/key_table.hpp"

#include "hsm/keys.hpp"
#include "hsm/report.hpp"

namespace mintmark {

namespace {

using pkcs11::KeyRole;
using pkcs11::Part;

struct User {
  std::string_view label, who;
};

// By role: everybody else's way to a key ends at the vault, which offers only these.
constexpr User kUsers[] = {
    {"mintmark-fingerprint", "every mint; `doctor`"},
    {"mintmark-ca", "the step enrol, for a committed request"},
    {"mintmark-journal", "the station, for its own journal"},
    {"mintmark-reopen", "two officers"},
    {"mintmark-label", "the station, for a label that it prints"},
    {"mintmark-unwrap", "`init`, once; destroyed then"},
    {"mintmark-trusted", "two officers, once; destroyed then"},
    {"mintmark-escrow", "two officers, at their desk"},
    {"", "runs of that lot that are not finished"},
    {"mintmark-derivation", "every mint of such a product"},
};

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

// Those of the protecting attributes that are true, by their names without CKA_.
std::string protection(const Part& part) {
  std::vector<std::string> out;
  for (CK_ATTRIBUTE_TYPE type : {CKA_TOKEN, CKA_PRIVATE, CKA_SENSITIVE, CKA_EXTRACTABLE,
                                 CKA_WRAP_WITH_TRUSTED, CKA_TRUSTED, CKA_MODIFIABLE})
    for (const pkcs11::Flag& flag : part.flags)
      if (flag.type == type && flag.value)
        out.emplace_back(pkcs11::name_of_attribute(type).substr(4));
  return joined(out);
}

std::string row(const KeyRole& role) {
  std::string who;
  for (const User& user : kUsers)
    if (user.label == role.label) who = user.who;
  const Part& part = role.secret.flags.empty() ? role.open : role.secret;
  std::string label = role.label.empty() ? "mintmark-lot-<id>" : std::string(role.label);
  return "| `" + label + "` | " + pkcs11::type_of(role) + " | " + joined(pkcs11::uses_of(part)) +
         " (" + std::string(pkcs11::name_of_mechanism(role.use)) + ") | " + protection(part) +
         " | " + std::string(role.used_by) + " | " + who + " |";
}

}  // namespace

std::vector<std::string> key_table() {
  std::vector<std::string> out;
  for (const KeyRole* role : pkcs11::station_keys()) out.push_back(row(*role));
  for (const KeyRole* role :
       {&pkcs11::kLotKey, &pkcs11::kClonableFingerprintKey, &pkcs11::kTrustedKey,
        &pkcs11::kUnwrapKey, &pkcs11::kEscrowKey, &pkcs11::kDerivationKey})
    out.push_back(row(*role));
  return out;
}

}  // namespace mintmark
