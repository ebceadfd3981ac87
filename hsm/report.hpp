// What `doctor` shows of a token.
#pragma once

#include "hsm/connection.hpp"
#include "hsm/vault.hpp"

namespace mintmark::pkcs11 {

TokenReport report(Connection& connection, Session& session);

// One object, compared with its part of the role.
KeyReport key_report(Session& session, const KeyRole& role, const Part& part,
                     const std::string& label, CK_OBJECT_HANDLE key);
const char* word_of(CK_OBJECT_CLASS object_class);   // "secret key", "private key", "public key"
std::vector<std::string> uses_of(const Part& part);  // "sign", "decrypt": what it may be used for
std::string type_of(const KeyRole& role);            // "AES-256", "EC P-256"
TokenReport token_report(Module& module, CK_SLOT_ID slot);  // all but its keys

}  // namespace mintmark::pkcs11
