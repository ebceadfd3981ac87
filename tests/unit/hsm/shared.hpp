// One token and its vault for the tests that change nothing in it.
#pragma once

#include <memory>

#include "tests/unit/hsm/softhsm.hpp"

namespace mintmark {

inline SoftToken& shared_token() {
  static SoftToken one;
  return one;
}

// Emptied by the test that takes the module away from everybody; made again when needed.
inline std::unique_ptr<Vault>& shared_vault() {
  static std::unique_ptr<Vault> one;
  return one;
}

inline Vault& vault() {
  if (!shared_vault()) shared_vault() = std::make_unique<Vault>(shared_token().config());
  return *shared_vault();
}

}  // namespace mintmark
