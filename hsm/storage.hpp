// Where a token in software keeps its files. A real token has none here, and nobody need care.
#pragma once

#include <optional>
#include <string>

#include "hsm/vault.hpp"

namespace mintmark {

// SoftHSM2 says it in its configuration file, NSS softoken in the parameters it is given; nullopt
// for any other module, or where it cannot be read.
std::optional<std::string> token_directory(const TokenConfig& config);

}  // namespace mintmark
