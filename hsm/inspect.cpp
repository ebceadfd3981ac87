// A token read back, whatever is in it: for `mintmark hsm show`.
#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <tuple>

#include "hsm/connection.hpp"
#include "hsm/pin.hpp"
#include "hsm/report.hpp"
#include "hsm/vault_state.hpp"

namespace mintmark {

using pkcs11::KeyRole;
using pkcs11::Module;
using pkcs11::Part;
using pkcs11::Session;

namespace {

constexpr std::string_view kLotLabels = "mintmark-lot-";

// "mintmark-ca", and its later generations "mintmark-ca-2" and so on.
bool is_of_role(const KeyRole& role, std::string_view label) {
  if (label == role.label) return true;
  std::string stem = std::string(role.label) + "-";
  if (!role.is_pair() || !label.starts_with(stem)) return false;
  int generation = 0;
  label.remove_prefix(stem.size());
  auto [end, error] = std::from_chars(label.data(), label.data() + label.size(), generation);
  return error == std::errc() && end == label.data() + label.size() && generation > 1;
}

const Part* part_of(const KeyRole& role, CK_OBJECT_CLASS object_class) {
  if (role.secret.object_class == object_class) return &role.secret;
  return role.is_pair() && role.open.object_class == object_class ? &role.open : nullptr;
}

KeyReport unknown(Session& session, CK_OBJECT_CLASS object_class, const std::string& label,
                  CK_OBJECT_HANDLE key) {
  KeyReport out;
  out.label = label;
  out.part = pkcs11::word_of(object_class);
  out.type =
      "key type " +
      std::to_string(pkcs11::number_in(session.attribute(key, CKA_KEY_TYPE).value_or(Bytes{})));
  out.wrong = "unknown";
  return out;
}

// The station's keys as this one has them.
std::vector<const KeyRole*> station_roles(Vault::Fingerprint fingerprint) {
  auto keys = pkcs11::station_keys();
  std::vector<const KeyRole*> out(keys.begin(), keys.end());
  if (fingerprint != Vault::Fingerprint::own)
    std::replace(out.begin(), out.end(), &pkcs11::kFingerprintKey,
                 &pkcs11::kClonableFingerprintKey);
  return out;
}

// Those of a ceremony, which are not there when it is over.
constexpr std::array kPassing = {&pkcs11::kUnwrapKey, &pkcs11::kTrustedKey, &pkcs11::kEscrowKey};

// Of the roles that bear this label, the one that fits best: the fewest differences.
KeyReport compared(Session& session, const std::vector<const KeyRole*>& roles,
                   CK_OBJECT_CLASS object_class, CK_OBJECT_HANDLE key) {
  std::string label(text(session.attribute(key, CKA_LABEL).value_or(Bytes{})));
  std::optional<KeyReport> best;
  auto try_role = [&](const KeyRole& role) {
    const Part* part = part_of(role, object_class);
    if (part == nullptr) return;
    KeyReport one = pkcs11::key_report(session, role, *part, label, key);
    if (!best || one.wrong.size() < best->wrong.size()) best = std::move(one);
  };
  for (const KeyRole* role : roles)
    if (is_of_role(*role, label)) {
      try_role(*role);
      if (role->instead != nullptr) try_role(*role->instead);
    }
  for (const KeyRole* role : kPassing)
    if (label == role->label) try_role(*role);
  if (label.starts_with(kLotLabels)) try_role(pkcs11::kLotKey);
  if (label == pkcs11::kDerivationKey.label) try_role(pkcs11::kDerivationKey);
  return best ? std::move(*best) : unknown(session, object_class, label, key);
}

void add_class(Session& session, const std::vector<const KeyRole*>& roles,
               CK_OBJECT_CLASS object_class, std::vector<KeyReport>& out) {
  pkcs11::Attributes which;
  which.number(CKA_CLASS, object_class).flag(CKA_TOKEN, true);
  for (CK_OBJECT_HANDLE key : session.find(which))
    out.push_back(compared(session, roles, object_class, key));
}

void add_to(std::string& wrong, const char* word) {
  if (!wrong.empty()) wrong += " ";
  wrong += word;
}

void mark_outsiders(std::vector<KeyReport>& keys, Vault::Fingerprint fingerprint) {
  for (KeyReport& key : keys) {
    bool may_be =
        key.label == pkcs11::kTrustedKey.label ||
        (fingerprint == Vault::Fingerprint::cloned && key.label == pkcs11::kFingerprintKey.label);
    if (!key.made_inside && !may_be && key.wrong != "unknown") add_to(key.wrong, "CKA_LOCAL");
  }
}

// The unwrap pair may wait for the station's first day; nothing else of a ceremony stays.
void mark_passing(std::vector<KeyReport>& keys) {
  bool station = std::any_of(keys.begin(), keys.end(), [](const KeyReport& key) {
    return key.label == pkcs11::kFingerprintKey.label;
  });
  for (KeyReport& key : keys) {
    bool unwrap = key.label == pkcs11::kUnwrapKey.label;
    if ((unwrap && station) || key.label == pkcs11::kTrustedKey.label)
      add_to(key.wrong, "leftover");
    if (key.label == pkcs11::kEscrowKey.label) add_to(key.wrong, "misplaced");
  }
}

void mark_several(std::vector<KeyReport>& keys) {
  std::map<std::pair<std::string, std::string>, int> count;
  for (const KeyReport& key : keys) ++count[{key.label, key.part}];
  for (KeyReport& key : keys)
    if (count[{key.label, key.part}] > 1) add_to(key.wrong, "several");
}

void add_missing(const std::vector<const KeyRole*>& roles, std::vector<KeyReport>& keys) {
  for (const KeyRole* role : roles)
    for (const Part* part : {&role->secret, &role->open}) {
      if (part->flags.empty()) continue;
      KeyReport missing;
      missing.label = role->label;
      missing.part = pkcs11::word_of(part->object_class);
      missing.type = pkcs11::type_of(*role);
      missing.used_by = role->used_by;
      missing.wrong = "missing";
      bool there = std::any_of(keys.begin(), keys.end(), [&](const KeyReport& key) {
        return key.label == missing.label && key.part == missing.part;
      });
      if (!there) keys.push_back(std::move(missing));
    }
}

}  // namespace

TokenReport Vault::inspect(const TokenConfig& config, Fingerprint fingerprint) {
  pkcs11::TokenUri uri(config.uri);
  pkcs11::must_not_be_marked(config.state_dir);
  Module& module = Module::load(uri.module_path(), config.init_parameters);
  CK_SLOT_ID slot = module.find(uri);
  Session session(module, slot, Session::Access::read);
  pkcs11::log_in(session, pkcs11::pin_file(config, uri), config.state_dir);
  TokenReport out = pkcs11::token_report(module, slot);
  std::vector<const KeyRole*> roles = station_roles(fingerprint);
  for (CK_OBJECT_CLASS each : {CKO_SECRET_KEY, CKO_PRIVATE_KEY, CKO_PUBLIC_KEY})
    add_class(session, roles, each, out.keys);
  out.anchors = notes_in(session, Vault::kAnchor);
  mark_outsiders(out.keys, fingerprint);
  mark_passing(out.keys);
  mark_several(out.keys);
  add_missing(roles, out.keys);
  std::sort(out.keys.begin(), out.keys.end(), [](const KeyReport& a, const KeyReport& b) {
    return std::tie(a.label, a.part) < std::tie(b.label, b.part);
  });
  return out;
}

}  // namespace mintmark
