// The PIN: where it is read, and that a wrong one is tried once.
//
// Tokens lock after a few wrong PINs, and a service manager restarts what fails: together they
// would destroy a factory's keys within a minute. So a refused PIN is written to
// <state_dir>/pin-refused (the time and the token's answer, never the PIN) and synced before
// anything else happens, and while that file is there no login is tried at all.
#pragma once

#include <string>

#include "hsm/session.hpp"
#include "station/words/secret.hpp"

namespace mintmark::pkcs11 {

// The first line of a regular file that only its owner (we, or root giving it to us alone) can
// read. Fault("token.pin_file", path and reason) otherwise.
Secret read_pin(const std::string& path);

// Fault("token.pin_marked") while the mark is there.
void must_not_be_marked(const std::string& state_dir);

// C_Login as the user, once. A token that is logged in already is no fault. Fault("token.pin")
// after writing the mark; Fault("token.pin_mark") without trying where the mark could not be
// written if it had to be.
void log_in(Session& session, const std::string& pin_file, const std::string& state_dir);

}  // namespace mintmark::pkcs11
