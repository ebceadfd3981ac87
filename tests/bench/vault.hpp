// The parts of the vault's bench that have a file of their own.
#pragma once

#include "tests/unit/hsm/softhsm.hpp"

namespace mintmark::bench {

// Prints `bench vault.key.1t` and `.2t`: the raw calls' median time divided by the vault's.
void measure_unit_key(const SoftToken& token, Vault& vault);

}  // namespace mintmark::bench
