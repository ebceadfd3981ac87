// What a token does of what Mintmark asks of tokens, measured by doing it: contracts that each
// hold, are not on offer, or are broken. Session objects only, and nothing stays: it may be run on
// a token that is in use. Both `mintmark hsm qualify` and the contract suite in tests/vault run
// this.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hsm/route.hpp"
#include "hsm/vault.hpp"

namespace mintmark {

enum class Kept { yes, not_offered, violated };
std::string_view word(Kept kept);  // "kept", "not offered", "VIOLATED"

struct Finding {
  std::string contract;
  Kept kept = Kept::yes;
  std::string says;     // what was seen: a CK_RV by its name, or a measured fact
  bool needed = false;  // no station without it
};

struct Rate {
  std::string operation;
  double per_second = 0;  // 1 / median time of one, in one session
};

struct Qualification {
  std::string token, library;
  std::vector<Finding> findings;
  std::optional<pkcs11::WrapRoute> route;  // of wrapped keys; none: such products are refused
  // CKM_EDDSA, else CKM_ECDSA: the type of checkpoints' signatures. None: no journal.
  std::optional<CK_MECHANISM_TYPE> journal;
  std::vector<Rate> rates;

  bool suitable() const;                  // every needed contract is kept
  std::vector<std::string> uses() const;  // what Mintmark will therefore use, a sentence each
};

// Logs in once (pin.hpp) and measures. Faults as in vault.hpp.
Qualification qualify(const TokenConfig& config);

namespace pkcs11 {

// A new session of a token that somebody is logged in to.
using OpenSession = std::function<std::unique_ptr<Session>()>;

std::vector<Finding> keep_contracts(const OpenSession& open);
std::vector<Rate> measure_rates(const OpenSession& open, const std::optional<WrapRoute>& route);

}  // namespace pkcs11
}  // namespace mintmark
