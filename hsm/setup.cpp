// A token's first day: initialising it and making the station's keys in it.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <vector>

#include "hsm/clone.hpp"
#include "hsm/connection.hpp"
#include "hsm/pin.hpp"
#include "hsm/rv.hpp"
#include "hsm/setup.hpp"
#include "hsm/vault.hpp"

namespace mintmark {

using pkcs11::KeyRole;
using pkcs11::Module;
using pkcs11::must;
using pkcs11::Session;
using pkcs11::TokenUri;

static Fault exists(const TokenUri& uri) { return Fault("token.exists", {{"token", uri.name()}}); }

static void must_be_new(Module& module, const TokenUri& uri) {
  for (CK_SLOT_ID slot : module.slots_with_token()) {
    CK_TOKEN_INFO token = module.token_info(slot);
    bool initialised = (token.flags & CKF_TOKEN_INITIALIZED) != 0;
    if (initialised && pkcs11::field(token.label) == uri.label()) throw exists(uri);
  }
}

static CK_SLOT_ID free_slot(Module& module, const TokenUri& uri) {
  for (CK_SLOT_ID slot : module.slots_with_token())
    if ((module.token_info(slot).flags & CKF_TOKEN_INITIALIZED) == 0) return slot;
  throw Fault("token.missing", {{"token", uri.name()}}, "no slot with a token yet to initialise");
}

// Section 5.5, C_InitToken: the label is 32 characters, blank padded.
static void init_token(Module& module, const TokenUri& uri, View so_pin) {
  std::array<CK_UTF8CHAR, 32> label{};
  label.fill(' ');
  if (uri.label().empty() || uri.label().size() > label.size())
    throw Fault("token.uri", {{"reason", "token= must be 1 to 32 bytes"}});
  std::copy(uri.label().begin(), uri.label().end(), label.begin());
  Secret pin = Secret::copy_of(so_pin);
  must("C_InitToken", module.api().C_InitToken(free_slot(module, uri), pin.mutable_view().data(),
                                               pin.size(), label.data()));
}

// The security officer gives the user a PIN. The token's slot may have another number by now, so it
// is found again by its label. Closing the session ends the officer's login.
static void init_user_pin(Module& module, const TokenUri& uri, View so_pin, View user_pin) {
  Session session(module, module.find(uri), Session::Access::write);
  must("C_Login", session.login(CKU_SO, so_pin));
  session.init_pin(user_pin);
}

// Half of a pair is nobody's doing that could be named: a person must look at it.
static bool is_there(Session& session, const KeyRole& role) {
  bool secret = !pkcs11::find(session, role.secret, role.label).empty();
  bool open = role.is_pair() ? !pkcs11::find(session, role.open, role.label).empty() : secret;
  if (secret == open) return secret;
  throw Fault("token.key", {{"key", std::string(role.label)}, {"attribute", "half of a pair"}});
}

// Those that the token has not: all of them, or what a try that broke off did not come to.
static std::vector<const KeyRole*> lacking(Session& session) {
  std::vector<const KeyRole*> out;
  for (const KeyRole* role : pkcs11::station_keys())
    if (!is_there(session, *role)) out.push_back(role);
  return out;
}

// A token that lets a key out that may leave only under a trusted one would let this one out, too:
// it is asked with a key of no worth.
static void must_keep_in(Session& session) {
  const KeyRole& role = pkcs11::kClonableFingerprintKey;
  auto of_no_worth = pkcs11::clone_attributes().flag(CKA_TOKEN, false);
  of_no_worth.number(CKA_VALUE_LEN, role.value_len);
  CK_OBJECT_HANDLE key = session.generate_key(role.generate, std::move(of_no_worth));
  bool kept = !pkcs11::leaves_under_stranger(session, key);
  session.destroy(key);
  if (!kept)
    throw Fault("token.key", {{"key", std::string(pkcs11::kFingerprintKey.label)},
                              {"attribute", "CKA_WRAP_WITH_TRUSTED is not kept by this token"}});
}

static const KeyRole& role_of(Vault::Fingerprint fingerprint) {
  return fingerprint == Vault::Fingerprint::own ? pkcs11::kFingerprintKey
                                                : pkcs11::kClonableFingerprintKey;
}

static void make_fingerprint_key(Session& session, Vault::Fingerprint fingerprint,
                                 const ClonedKey& clone) {
  const KeyRole& role = role_of(fingerprint);
  if (fingerprint != Vault::Fingerprint::own) must_keep_in(session);
  if (fingerprint == Vault::Fingerprint::cloned)
    pkcs11::unwrap_fingerprint_key(session, clone);
  else
    pkcs11::generate(session, role, role.label);
}

// One that an earlier try left may be another than is asked for now.
static void must_be_asked_for(Session& session, Vault::Fingerprint fingerprint,
                              const ClonedKey& clone) {
  const KeyRole& role = role_of(fingerprint);
  CK_OBJECT_HANDLE key = pkcs11::find_one(session, role.secret, role.label);
  if (&pkcs11::check_fingerprint_key(session, key) != &role)
    throw Fault("token.key", {{"key", std::string(role.label)}, {"attribute", "CKA_EXTRACTABLE"}});
  if (fingerprint != Vault::Fingerprint::cloned) return;
  pkcs11::must_be_the_compared(session, key, clone.check_value);
  pkcs11::forget_unwrap_key(session);
}

void Vault::create_keys(const TokenConfig& config, Fingerprint fingerprint,
                        const ClonedKey& clone) {
  TokenUri uri(config.uri);
  pkcs11::must_not_be_marked(config.state_dir);
  Module& module = Module::load(uri.module_path(), config.init_parameters);
  Session session(module, module.find(uri), Session::Access::write);
  pkcs11::log_in(session, pkcs11::pin_file(config, uri), config.state_dir);
  std::vector<const KeyRole*> roles = lacking(session);
  if (roles.empty()) throw exists(uri);
  // What is made stays where a later one fails: the next try completes it, and nothing here ever
  // destroys a key of a station.
  for (const KeyRole* role : roles) {
    if (role == &pkcs11::kFingerprintKey)
      make_fingerprint_key(session, fingerprint, clone);
    else
      pkcs11::generate(session, *role, role->label);
  }
  must_be_asked_for(session, fingerprint, clone);
  ::sync();  // SoftHSM2 leaves that to others
}

void pkcs11::make_token(const TokenConfig& config, View so_pin) {
  TokenUri uri(config.uri);
  pkcs11::must_not_be_marked(config.state_dir);
  pkcs11::must_be_markable(config.state_dir);
  Secret user_pin = pkcs11::read_pin(pkcs11::pin_file(config, uri));
  Module& module = Module::load(uri.module_path(), config.init_parameters);
  must_be_new(module, uri);
  init_token(module, uri, so_pin);
  init_user_pin(module, uri, so_pin, user_pin.view());
}

void Vault::create(const TokenConfig& config, View so_pin, Fingerprint fingerprint) {
  pkcs11::make_token(config, so_pin);
  create_keys(config, fingerprint);
}

}  // namespace mintmark
