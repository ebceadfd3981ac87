// Tokens that are not as they must be: each a fault with a name, and nothing half done.
#include <cstdio>
#include <set>

#include "hsm/keys.hpp"
#include "hsm/pin.hpp"
#include "hsm/rv.hpp"
#include "hsm/session.hpp"
#include "station/words/crypto.hpp"
#include "tests/unit/fault_of.hpp"
#include "tests/vault/fault.hpp"
#include "tests/vault/token.hpp"

namespace mintmark {
namespace {

int tried = 0, violations = 0;

void expect(const std::string& what, const std::string& found, const std::string& wanted) {
  ++tried;
  if (found == wanted) return;
  ++violations;
  std::printf("FAILED %s: \"%s\", not \"%s\"\n", what.c_str(), found.c_str(), wanted.c_str());
}

void expect(const std::string& what, bool good) { expect(what, good ? "yes" : "no", "yes"); }

fault::Control& module() { return fault::control(MINTMARK_FAULT_MODULE); }

void arm(const char* function, unsigned long occurrence, CK_RV rv) {
  fault::Rule rule;
  rule.function = function;
  rule.occurrence = occurrence;
  rule.rv = rv;
  module().arm(rule);
}

bool was_called(const std::string& function) {
  for (const fault::Call& call : module().calls())
    if (call.function == function) return true;
  return false;
}

std::string opening(const FaultToken& token) {
  return fault_of([&] { Vault vault(token.config()); });
}

// Why a vault does not open: the attribute that a "token.key" names.
std::string attribute_of_opening(const FaultToken& token) {
  try {
    Vault vault(token.config());
  } catch (const Fault& fault) {
    return fault.code() == "token.key" ? fault.args().at("attribute") : std::string(fault.code());
  }
  return "";
}

// What another program with the PIN can do to the token.
class Intruder {
 public:
  explicit Intruder(const FaultToken& token)
      : session_(pkcs11::Module::load(MINTMARK_FAULT_MODULE),
                 pkcs11::Module::load(MINTMARK_FAULT_MODULE).find(pkcs11::TokenUri(token.uri())),
                 pkcs11::Session::Access::write) {
    Secret pin = pkcs11::read_pin(token.inner().pin_file().string());
    session_.login(CKU_USER, pin.view());
  }
  pkcs11::Session& operator*() { return session_; }
  pkcs11::Session* operator->() { return &session_; }
  std::size_t objects() { return session_.find({}).size(); }

 private:
  pkcs11::Session session_;
};

void a_locked_pin() {
  FaultToken token;
  std::string state = token.inner().state_dir().string();
  arm("C_Login", 1, CKR_PIN_LOCKED);
  expect("a locked PIN", opening(token), "token.pin_locked");
  expect("a locked PIN is written down", pin_marked(state));
  module().disarm();
  expect("a locked PIN is not tried again", opening(token), "token.pin_marked");
  expect("no C_Login behind a mark", !was_called("C_Login"));
  clear_pin_mark(state);
  expect("the PIN is good again", opening(token), "");
}

void a_wrong_pin() {
  FaultToken token;
  std::string state = token.inner().state_dir().string();
  write_file(token.inner().pin_file(), "0000-wrong\n");
  module().disarm();
  expect("a wrong PIN", opening(token), "token.pin");
  expect("a wrong PIN again", opening(token), "token.pin_marked");
  write_file(token.inner().pin_file(), "4711-user\n");
  clear_pin_mark(state);
  expect("the right PIN", opening(token), "");
}

void a_missing_key() {
  for (const pkcs11::KeyRole* role : pkcs11::station_keys()) {
    FaultToken token;
    Intruder intruder(token);
    auto found = pkcs11::find(*intruder, role->secret, role->label);
    for (CK_OBJECT_HANDLE key : found) intruder->destroy(key);
    expect(std::string(role->label) + " missing", attribute_of_opening(token), "missing");
  }
}

void a_key_twice() {
  FaultToken token;
  Intruder intruder(token);
  pkcs11::generate(*intruder, pkcs11::kFingerprintKey, pkcs11::kFingerprintKey.label);
  expect("two keys with one label", attribute_of_opening(token), "several");
}

// Every flag that the table states, turned round in a key that replaces the station's.
void a_key_with_wrong_attributes() {
  for (const pkcs11::Flag& turned : pkcs11::kFingerprintKey.secret.flags) {
    if (turned.type == CKA_TOKEN || turned.type == CKA_PRIVATE)
      continue;  // another session's, nobody's
    FaultToken token;
    Intruder intruder(token);
    for (auto key : pkcs11::find(*intruder, pkcs11::kFingerprintKey.secret, "mintmark-fingerprint"))
      intruder->destroy(key);
    pkcs11::Attributes weak;
    weak.number(CKA_CLASS, CKO_SECRET_KEY).number(CKA_KEY_TYPE, CKK_GENERIC_SECRET);
    weak.number(CKA_VALUE_LEN, 32).number(CKA_ALLOWED_MECHANISMS, CKM_SHA256_HMAC);
    for (const pkcs11::Flag& flag : pkcs11::kFingerprintKey.secret.flags)
      weak.flag(flag.type, flag.type == turned.type ? !flag.value : flag.value);
    weak.bytes(CKA_LABEL, view("mintmark-fingerprint")).bytes(CKA_ID, view("x"));
    intruder->generate_key(CKM_GENERIC_SECRET_KEY_GEN, weak);
    std::string name(pkcs11::name_of_attribute(turned.type));
    expect("a key with another " + name, attribute_of_opening(token), name);
  }
}

void a_full_token() {
  FaultToken token;
  Vault vault(token.config());
  Intruder intruder(token);
  std::size_t before = intruder.objects();
  for (CK_RV rv : {CKR_DEVICE_MEMORY, CKR_GENERAL_ERROR, CKR_FUNCTION_FAILED}) {
    arm("C_GenerateKey", 1, rv);
    expect("no room for a lot key, " + pkcs11::name_of(rv),
           fault_of([&] { vault.create_lot_key("mintmark-lot-full"); }), "token.full");
    module().disarm();
    expect("nothing of it is left", intruder.objects() == before);
  }
  vault.create_lot_key("mintmark-lot-full");
  expect("there is room again", vault.has_lot_key("mintmark-lot-full"));
}

void a_token_that_is_full_halfway() {
  for (unsigned long nth = 1; nth <= pkcs11::station_keys().size() - 1; ++nth) {
    FaultToken token;
    Intruder intruder(token);
    for (CK_OBJECT_HANDLE key : intruder->find({})) intruder->destroy(key);
    arm("C_GenerateKeyPair", nth, CKR_DEVICE_MEMORY);
    expect("no room for a station's keys", fault_of([&] { Vault::create_keys(token.config()); }),
           "token.full");
    module().disarm();
    expect("no vault with some of its keys", !opening(token).empty());
    expect("the next try completes them", fault_of([&] { Vault::create_keys(token.config()); }),
           "");
    expect("all are there, once", opening(token), "");
  }
}

// The calls of one rotation: the first and the second of each function.
std::set<std::pair<std::string, unsigned long>> calls_of_a_rotation(Vault& vault) {
  module().disarm();
  vault.create_next(SignerRole::label);
  std::set<std::pair<std::string, unsigned long>> out;
  for (const fault::Call& call : module().calls())
    if (call.occurrence <= 2) out.emplace(call.function, call.occurrence);
  return out;
}

// One rotation with a fault in it, and one after it.
void rotate_with(Vault& vault, const fault::Rule& rule) {
  std::string what = rule.function + " " + std::to_string(rule.occurrence) + ", " +
                     pkcs11::name_of(rule.rv) +
                     (rule.harm == fault::Harm::perform_refuse ? " (performed)" : "");
  int before = vault.newest(SignerRole::label), made = 0;
  module().arm(rule);
  std::string code = fault_of([&] { made = vault.create_next(SignerRole::label); });
  module().disarm();
  expect("a rotation that says it went well has: " + what, !code.empty() || made == before + 1);
  expect("and can be done again: " + what,
         fault_of([&] { made = vault.create_next(SignerRole::label); }), "");
  expect("with a new key: " + what, made > before);
  Bytes signature = vault.sign(SignerRole::label, view("x"), made);
  expect("that signs: " + what,
         ed25519_verify(vault.public_key(SignerRole::label, made), view("x"), signature));
  expect("and is not in use by itself: " + what, vault.in_use(SignerRole::label) == 1);
}

void a_token_that_fails_while_a_signer_is_rotated() {
  using fault::Harm;
  const std::pair<Harm, CK_RV> kHarms[] = {{Harm::refuse, CKR_DEVICE_ERROR},
                                           {Harm::refuse, CKR_SESSION_HANDLE_INVALID},
                                           {Harm::perform_refuse, CKR_FUNCTION_FAILED},
                                           {Harm::perform_refuse, CKR_DEVICE_REMOVED}};
  for (auto [harm, rv] : kHarms) {
    FaultToken token;
    Vault vault(token.config());
    for (const auto& [function, occurrence] : calls_of_a_rotation(vault)) {
      fault::Rule rule;
      rule.function = function;
      rule.occurrence = occurrence;
      rule.harm = harm;
      rule.rv = rv;
      rotate_with(vault, rule);
    }
  }
}

int run() {
  a_locked_pin();
  a_wrong_pin();
  a_missing_key();
  a_key_twice();
  a_key_with_wrong_attributes();
  a_full_token();
  a_token_that_is_full_halfway();
  a_token_that_fails_while_a_signer_is_rotated();
  std::printf("sweep bad input: tried %d, violations %d\n", tried, violations);
  return violations == 0 ? 0 : 1;
}

}  // namespace
}  // namespace mintmark

int main() {
  try {
    return mintmark::run();
  } catch (const std::exception& error) {
    std::printf("FAILED: %s\n", error.what());
  }
  return 1;
}
