#include "hsm/qualify.hpp"

#include <algorithm>
#include <array>

#include "hsm/connection.hpp"
#include "hsm/contract.hpp"
#include "hsm/pin.hpp"
#include "station/words/fault.hpp"

namespace mintmark {

namespace pkcs11 {

CK_OBJECT_HANDLE make_secret(Session& session, CK_KEY_TYPE type, CK_ULONG size,
                             std::initializer_list<CK_ATTRIBUTE_TYPE> uses, Leaves leaves) {
  Attributes key = session_secret(type, uses, leaves);
  key.number(CKA_VALUE_LEN, size);
  return session.generate_key(type == CKK_AES ? CKM_AES_KEY_GEN : CKM_GENERIC_SECRET_KEY_GEN, key);
}

KeyPair make_pair_on(Session& session, View curve, std::initializer_list<CK_ATTRIBUTE_TYPE> uses,
                     Leaves leaves) {
  bool edwards = equal(curve, kEd25519Parameters);
  CK_KEY_TYPE type = edwards ? CKK_EC_EDWARDS : CKK_EC;
  Attributes open = session_public(type, {CKA_VERIFY});
  open.bytes(CKA_EC_PARAMS, curve);
  return session.generate_pair(edwards ? CKM_EC_EDWARDS_KEY_PAIR_GEN : CKM_EC_KEY_PAIR_GEN, open,
                               session_private(type, uses, leaves));
}

CK_OBJECT_HANDLE import_secret(Session& session, CK_KEY_TYPE type, View value,
                               std::initializer_list<CK_ATTRIBUTE_TYPE> uses, Leaves leaves) {
  return session.create(session_secret(type, uses, leaves).bytes(CKA_VALUE, value));
}

CK_MECHANISM any_key_wrap(const OpenSession& open) {
  std::array<CK_MECHANISM_TYPE, 3> all = {kAesKeyWrapKwp, CKM_AES_KEY_WRAP_PAD, CKM_AES_KEY_WRAP};
  for (CK_MECHANISM_TYPE one : all) {
    CK_MECHANISM wrap{one, nullptr, 0};
    try {
      auto session = open();
      session->wrap(wrap, make_secret(*session, CKK_AES, 32, {CKA_WRAP}),
                    make_secret(*session, CKK_AES, 32, {CKA_ENCRYPT}, Leaves::wrapped));
      return wrap;
    } catch (const CallFault&) {
      if (one == all.back()) throw;
    }
  }
  return {};
}

Bytes octets(std::string_view hex_text) { return from_hex(hex_text).value_or(Bytes{}); }

static Finding keep_one(const Contract& contract, const OpenSession& open) {
  Finding out;
  out.contract = contract.name;
  out.needed = contract.needed;
  try {
    auto session = open();
    Bench bench{*session, open};
    out.says = contract.keep(bench);
  } catch (const Violated& violated) {
    out.kept = Kept::violated;
    out.says = violated.what();
  } catch (const CallFault& fault) {
    out.kept = Kept::not_offered;
    out.says = fault.args().at("call") + " " + name_of(fault.rv());
  }
  return out;
}

std::vector<Finding> keep_contracts(const OpenSession& open, std::span<const Contract> contracts) {
  std::vector<Finding> out;
  for (const Contract& contract : contracts) out.push_back(keep_one(contract, open));
  return out;
}

std::vector<Finding> keep_contracts(const OpenSession& open) {
  std::vector<Finding> out;
  for (auto part : {key_contracts(), object_contracts(), crypto_contracts(), wrap_contracts()})
    for (Finding& one : keep_contracts(open, part)) out.push_back(std::move(one));
  return out;
}

// By doing it: what a token says of its mechanisms is not what it does.
static std::optional<CK_MECHANISM_TYPE> journal_signature(const std::vector<Finding>& findings) {
  auto kept = [&](std::string_view name) {
    return std::any_of(findings.begin(), findings.end(), [&](const Finding& one) {
      return one.contract == name && one.kept == Kept::yes;
    });
  };
  if (kept(kEd25519Contract)) return CKM_EDDSA;
  if (kept(kP256Contract)) return CKM_ECDSA;
  return std::nullopt;
}

}  // namespace pkcs11

std::string_view word(Kept kept) {
  if (kept == Kept::yes) return "kept";
  return kept == Kept::not_offered ? "not offered" : "VIOLATED";
}

bool Qualification::suitable() const {
  return journal && std::none_of(findings.begin(), findings.end(), [](const Finding& one) {
           return one.needed && one.kept != Kept::yes;
         });
}

static std::string route_in_words(const std::optional<pkcs11::WrapRoute>& route) {
  if (!route) return "wrapped keys: none; products that need a key from the token are refused";
  std::string kdf = route->kdf == WrapKdf::x963_sha256
                        ? "CKM_ECDH1_DERIVE with CKD_SHA256_KDF"
                        : "CKM_ECDH1_DERIVE with CKD_NULL, then CKM_AES_CBC_ENCRYPT_DATA";
  return "wrapped keys: " + kdf + "; RFC 5649 by mechanism 0x" +
         (route->wrap == pkcs11::kAesKeyWrapKwp ? "210B" : "210A");
}

std::vector<std::string> Qualification::uses() const {
  std::vector<std::string> out;
  if (!journal)
    out.emplace_back("checkpoints: no signature, so no station");
  else
    out.emplace_back(*journal == CKM_EDDSA ? "checkpoints: Ed25519 (C2SP note type 0x01)"
                                           : "checkpoints: ECDSA P-256 (Mintmark's note type)");
  out.push_back(route_in_words(route));
  return out;
}

Qualification qualify(const TokenConfig& config) {
  using pkcs11::Session;
  pkcs11::TokenUri uri(config.uri);
  auto& module = pkcs11::Module::load(uri.module_path(), config.init_parameters);
  CK_SLOT_ID slot = module.find(uri);
  Session anchor(module, slot, Session::Access::read);
  pkcs11::log_in(anchor, pkcs11::pin_file(config, uri), config.state_dir);
  pkcs11::OpenSession open = [&] {
    return std::make_unique<Session>(module, slot, Session::Access::read);
  };
  Qualification out;
  CK_TOKEN_INFO token = module.token_info(slot);
  CK_INFO library = module.info();
  out.token = pkcs11::field(token.label) + " (" + pkcs11::field(token.manufacturerID) + " " +
              pkcs11::field(token.model) + ")";
  out.library = pkcs11::field(library.libraryDescription) + " " +
                std::to_string(library.libraryVersion.major) + "." +
                std::to_string(library.libraryVersion.minor) + ", " + module.path();
  out.findings = pkcs11::keep_contracts(open);
  out.route = pkcs11::measure_wrap_route(open);
  out.journal = pkcs11::journal_signature(out.findings);
  out.rates = pkcs11::measure_rates(open, out.route);
  return out;
}

}  // namespace mintmark
