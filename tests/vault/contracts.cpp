// The contract suite: what Mintmark asks of tokens (hsm/qualify.hpp, and here what needs objects of
// the token or a wrong PIN), kept by SoftHSM2, by NSS softoken, and by any token that
// MINTMARK_TEST_MODULE names with a URI. A table of it goes to standard output.
//
// What a token is known not to keep stands in a list of facts, so that a change shows: any finding
// that is neither "kept" nor the fact on the list ends the program with status 1. Of a token that
// nobody here knows, every contract that a station needs must be kept.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "hsm/contract.hpp"
#include "hsm/keys.hpp"
#include "hsm/pin.hpp"
#include "hsm/report.hpp"
#include "station/words/fault.hpp"
#include "tests/unit/hsm/nss.hpp"
#include "tests/unit/hsm/softhsm.hpp"

namespace mintmark {
namespace {

using pkcs11::Attributes;
using pkcs11::Bench;
using pkcs11::Contract;
using pkcs11::keep;
using pkcs11::Session;

struct Fact {
  const char* contract;
  Kept kept;
  const char* says;  // how the finding begins
};

// SoftHSM2 2.6.1.
constexpr Fact kSoftHsmFacts[] = {
    {"a wrong PIN is refused", Kept::yes, "CKR_PIN_INCORRECT"},
    {"an unextractable secret key is not wrapped", Kept::yes, "CKR_KEY_UNEXTRACTABLE"},
    {"a key does its allowed mechanism alone", Kept::yes, "CKR_MECHANISM_INVALID"},
    {"wrap-with-trusted needs a trusted key", Kept::yes, "CKR_KEY_NOT_WRAPPABLE"},
    {"key wrap 0x210B", Kept::not_offered, "C_WrapKey CKR_MECHANISM_INVALID"},
    {"key wrap 0x210A", Kept::yes, "is RFC 5649, of data filled with zeros"},
    {"ECDH with CKD_SHA256_KDF", Kept::not_offered, "C_DeriveKey CKR_MECHANISM_PARAM_INVALID"},
    {"a key leaves for one unit and arrives", Kept::yes, "CKD_NULL"},
    {"RSA-OAEP wrap with SHA-256", Kept::not_offered, "C_WrapKey CKR_ARGUMENTS_BAD"},
    {"token object: journal key", Kept::yes, "Ed25519"},
    {"labels of token objects", Kept::yes, "two may share one"},
};

// NSS softoken 3.87 enforces neither CKA_EXTRACTABLE nor what a key may be used with: it serves to
// see that Mintmark works with another token, not to keep anybody's keys.
constexpr Fact kNssFacts[] = {
    {"a wrong PIN is refused", Kept::yes, "CKR_PIN_INCORRECT"},
    {"a key made inside says so", Kept::violated, "CKA_LOCAL of "},
    {"an unextractable secret key is not wrapped", Kept::violated, ""},
    {"an unextractable private key is not wrapped", Kept::violated, ""},
    {"a key does its allowed mechanism alone", Kept::violated, ""},
    {"wrap-with-trusted needs a trusted key", Kept::violated, ""},
    {"random numbers in larger pieces", Kept::yes, "64 KiB in a call, then CKR_ARGUMENTS_BAD"},
    {"Ed25519 signs", Kept::not_offered, "C_GenerateKeyPair CKR_MECHANISM_INVALID"},
    {"key wrap 0x210B", Kept::yes, "RFC 5649"},
    {"key wrap 0x210A", Kept::yes, "is RFC 3394 with PKCS#7 padding"},
    {"a key leaves for one unit and arrives", Kept::yes, "CKD_SHA256_KDF"},
    {"token object: journal key", Kept::yes, "EC P-256"},
    {"labels of token objects", Kept::yes, "the second takes the place of the first"},
};

// A token that this program has made, or has been given.
struct Token {
  const char* name;
  TokenConfig config;
  std::span<const Fact> facts;
  bool ours = true;  // may be written to, and its PIN tried
};

std::unique_ptr<Session> session_of(const TokenConfig& config, Session::Access access) {
  pkcs11::TokenUri uri(config.uri);
  auto& module = pkcs11::Module::load(uri.module_path(), config.init_parameters);
  return std::make_unique<Session>(module, module.find(uri), access);
}

// Objects of the token, each destroyed again.

const TokenConfig* under_test = nullptr;

std::unique_ptr<Session> writer() { return session_of(*under_test, Session::Access::write); }

void destroy(Session& session, const pkcs11::KeyPair& pair) {
  session.destroy(pair.secret);
  if (pair.open != CK_INVALID_HANDLE) session.destroy(pair.open);
}

std::string role_is_made(const pkcs11::KeyRole& role) {
  auto session = writer();
  std::string label = role.label.empty() ? "contract-lot" : std::string(role.label);
  pkcs11::KeyPair pair = pkcs11::generate(*session, role, label);
  const pkcs11::KeyRole& form = pkcs11::form_of(*session, role, label);
  std::string differs = pkcs11::differences(*session, form, form.secret, pair.secret);
  if (form.is_pair()) differs += pkcs11::differences(*session, form, form.open, pair.open);
  destroy(*session, pair);
  if (!differs.empty()) throw pkcs11::Violated(differs);
  return pkcs11::type_of(form);
}

std::string fingerprint_key(Bench&) { return role_is_made(pkcs11::kFingerprintKey); }
std::string ca_key(Bench&) { return role_is_made(pkcs11::kCaKey); }
std::string journal_key(Bench&) { return role_is_made(pkcs11::kJournalKey); }
std::string lot_key(Bench&) { return role_is_made(pkcs11::kLotKey); }

std::string stays_after_its_session(Bench& bench) {
  auto maker = writer();
  pkcs11::generate(*maker, pkcs11::kLotKey, "contract-stays");
  maker.reset();
  auto found = pkcs11::find(bench.session, pkcs11::kLotKey.secret, "contract-stays");
  keep(found.size() == 1, "the key is not there");
  bench.session.gcm_encrypt(found.front(), Bytes(12, 1), {}, Bytes(16, 2));
  writer()->destroy(found.front());
  keep(pkcs11::find(bench.session, pkcs11::kLotKey.secret, "contract-stays").empty(),
       "a destroyed key was found");
  return "and is gone when destroyed";
}

std::string two_of_one_label(Bench&) {
  auto session = writer();
  pkcs11::generate(*session, pkcs11::kLotKey, "contract-twice");
  pkcs11::generate(*session, pkcs11::kLotKey, "contract-twice");
  auto found = pkcs11::find(*session, pkcs11::kLotKey.secret, "contract-twice");
  for (CK_OBJECT_HANDLE one : found) session->destroy(one);
  keep(!found.empty(), "neither of two was found");
  return found.size() == 2 ? "two may share one" : "the second takes the place of the first";
}

constexpr Contract kTokenObjects[] = {
    {"token object: fingerprint key", true, fingerprint_key},
    {"token object: CA key", true, ca_key},
    {"token object: journal key", true, journal_key},
    {"token object: lot key", true, lot_key},
    {"a token object outlives its session", true, stays_after_its_session},
    {"labels of token objects", true, two_of_one_label},
};

// The PIN: before anybody is logged in.

std::string wrong_pin(Bench& bench) {
  CK_RV rv = bench.session.login(CKU_USER, view("not the PIN"));
  keep(rv != CKR_OK, "a wrong PIN logged in");
  keep(pkcs11::recovery_of(rv) == pkcs11::Recovery::pin, "the code is not one about the PIN");
  return pkcs11::name_of(rv);
}

std::string nothing_private_without_login(Bench& bench) {
  return pkcs11::must_refuse("a private key was made without a login", [&] {
    pkcs11::make_secret(bench.session, CKK_AES, 32, {CKA_ENCRYPT});
  });
}

std::string right_pin(Bench& bench) {
  Secret pin = pkcs11::read_pin(pkcs11::TokenUri(under_test->uri).pin_file());
  pkcs11::must("C_Login", bench.session.login(CKU_USER, pin.view()));
  CK_RV again = bench.session.login(CKU_USER, pin.view());
  keep(again == CKR_USER_ALREADY_LOGGED_IN, "a second login is not CKR_USER_ALREADY_LOGGED_IN");
  return "again: " + pkcs11::name_of(again);
}

constexpr Contract kLogin[] = {
    {"without login, nothing private", false, nothing_private_without_login},
    {"a wrong PIN is refused", true, wrong_pin},
    {"the right PIN, and once more", true, right_pin},
};

using Findings = std::map<std::string, Finding>;

void add(Findings& to, std::vector<Finding> findings, std::vector<std::string>* order) {
  for (Finding& one : findings) {
    if (order != nullptr) order->push_back(one.contract);
    to.emplace(one.contract, std::move(one));
  }
}

Findings examine(const Token& token, std::vector<std::string>* order) {
  under_test = &token.config;
  Findings out;
  pkcs11::OpenSession open = [&] { return session_of(token.config, Session::Access::read); };
  auto anchor = open();
  if (token.ours) add(out, pkcs11::keep_contracts(open, kLogin), order);
  if (!token.ours)
    pkcs11::log_in(*anchor, pkcs11::TokenUri(token.config.uri).pin_file(), token.config.state_dir);
  add(out, pkcs11::keep_contracts(open), order);
  if (token.ours) add(out, pkcs11::keep_contracts(open, kTokenObjects), order);
  return out;
}

// As the facts say, or kept; of an unknown token only what is needed.
bool as_expected(const Token& token, const Finding& finding) {
  if (!token.ours) return !finding.needed || finding.kept == Kept::yes;
  for (const Fact& fact : token.facts)
    if (finding.contract == fact.contract)
      return finding.kept == fact.kept && finding.says.starts_with(fact.says);
  return finding.kept == Kept::yes;
}

int check_token(const Token& token, const Findings& found) {
  int wrong = 0;
  for (const auto& [name, finding] : found) {
    if (as_expected(token, finding)) continue;
    ++wrong;
    std::printf("WRONG %s: %s: %s, %s\n", token.name, name.c_str(),
                std::string(word(finding.kept)).c_str(), finding.says.c_str());
  }
  for (const Fact& fact : token.facts)
    if (!found.contains(fact.contract)) {
      ++wrong;
      std::printf("WRONG %s: no contract \"%s\"\n", token.name, fact.contract);
    }
  return wrong;
}

std::string cell(const Findings& found, const std::string& contract) {
  auto at = found.find(contract);
  if (at == found.end()) return "-";
  const Finding& one = at->second;
  return one.kept == Kept::yes ? one.says : std::string(word(one.kept)) + ": " + one.says;
}

void print_table(const std::vector<Token>& tokens, const std::vector<Findings>& found,
                 const std::vector<std::string>& order) {
  std::printf("note %-46s", "contract");
  for (const Token& token : tokens) std::printf(" | %-48s", token.name);
  std::printf("\n");
  for (const std::string& contract : order) {
    std::printf("note %-46s", contract.c_str());
    for (const Findings& one : found) std::printf(" | %-48s", cell(one, contract).c_str());
    std::printf("\n");
  }
}

// Tokens.

// SoftHSM2 with a PIN and nothing else.
TokenConfig make_softhsm(const SoftToken& token) {
  Vault::create(token.config(), view(SoftToken::kSoPin));
  return token.config();
}

int run() {
  TemporaryDirectory directory;
  SoftToken soft(SoftToken::With::nothing);
  std::vector<Token> tokens;
  tokens.push_back({"SoftHSM2", make_softhsm(soft), kSoftHsmFacts});
  tokens.push_back({"NSS softoken", nss_token(), kNssFacts});
  if (const char* uri = std::getenv("MINTMARK_TEST_MODULE")) {
    TokenConfig config;
    config.uri = uri;
    config.state_dir = directory.path().string();
    if (const char* parameters = std::getenv("MINTMARK_TEST_MODULE_PARAMETERS"))
      config.init_parameters = parameters;
    tokens.push_back({"MINTMARK_TEST_MODULE", config, {}, false});
  }
  std::vector<std::string> order;
  std::vector<Findings> found;
  for (const Token& token : tokens)
    found.push_back(examine(token, found.empty() ? &order : nullptr));
  print_table(tokens, found, order);
  int wrong = 0;
  for (std::size_t i = 0; i < tokens.size(); ++i) wrong += check_token(tokens[i], found[i]);
  std::printf("sweep contracts: tried %zu, violations %d\n", order.size() * tokens.size(), wrong);
  return wrong == 0 ? 0 : 1;
}

}  // namespace
}  // namespace mintmark

int main() {
  try {
    return mintmark::run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
  }
  return 1;
}
