// What the first day of a station's token and that of an escrow token have in common.
#pragma once

#include "hsm/vault.hpp"

namespace mintmark::pkcs11 {

// C_InitToken in a free slot with the URI's label, and the user's PIN from the PIN file. Faults
// "token.exists" where that label is taken, "token.missing" without a free slot.
void make_token(const TokenConfig& config, View so_pin);

}  // namespace mintmark::pkcs11
