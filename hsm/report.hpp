// What `doctor` shows of a token.
#pragma once

#include "hsm/connection.hpp"
#include "hsm/vault.hpp"

namespace mintmark::pkcs11 {

TokenReport report(Connection& connection, Session& session);

}  // namespace mintmark::pkcs11
