// Inside of qualify.hpp: one contract, and what they all need.
#pragma once

#include <span>
#include <stdexcept>
#include <string>
#include <utility>

#include "hsm/qualify.hpp"
#include "hsm/rv.hpp"
#include "hsm/templates.hpp"

namespace mintmark::pkcs11 {

// The token did what it must not do, or something wrong.
class Violated : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

inline void keep(bool condition, const char* otherwise) {
  if (!condition) throw Violated(otherwise);
}

// A session of the contract's own, and more where it needs them.
struct Bench {
  Session& session;
  const OpenSession& open;
};

struct Contract {
  std::string_view name;
  bool needed;
  // Says what was seen. Throws Violated, or CallFault where the token does not offer it.
  std::string (*keep)(Bench& bench);
};

// Two that decide how checkpoints are signed.
inline constexpr std::string_view kEd25519Contract = "Ed25519 signs";
inline constexpr std::string_view kP256Contract = "ECDSA P-256 signs";

std::vector<Finding> keep_contracts(const OpenSession& open, std::span<const Contract> contracts);

std::span<const Contract> key_contracts();
std::span<const Contract> object_contracts();
std::span<const Contract> crypto_contracts();
std::span<const Contract> wrap_contracts();

// The name of the CK_RV with which the token refused `act`; Violated(otherwise) if it did not.
template <class Act>
std::string must_refuse(const char* otherwise, Act act) {
  try {
    act();
  } catch (const CallFault& fault) {
    return name_of(fault.rv());
  }
  throw Violated(otherwise);
}

CK_OBJECT_HANDLE make_secret(Session& session, CK_KEY_TYPE type, CK_ULONG size,
                             std::initializer_list<CK_ATTRIBUTE_TYPE> uses,
                             Leaves leaves = Leaves::never);
KeyPair make_pair_on(Session& session, View curve, std::initializer_list<CK_ATTRIBUTE_TYPE> uses,
                     Leaves leaves = Leaves::never);
// A secret key whose value is known here, for known answers.
CK_OBJECT_HANDLE import_secret(Session& session, CK_KEY_TYPE type, View value,
                               std::initializer_list<CK_ATTRIBUTE_TYPE> uses,
                               Leaves leaves = Leaves::never);
// Of the key wraps, the first that this token wraps a 32-byte key with; CallFault if none.
CK_MECHANISM any_key_wrap(const OpenSession& open);

Bytes octets(std::string_view hex_text);

}  // namespace mintmark::pkcs11
