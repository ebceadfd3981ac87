// The PIN: where it is read, and that a wrong one is tried once.
//
// Tokens lock after a few wrong PINs, and a service manager restarts what fails: together they
// would destroy a factory's keys within a minute. So a refused PIN is written to
// <state_dir>/pin-refused (the time and the token's answer, never the PIN) and synced before
// anything else happens, and while that file is there no login is tried at all.
#pragma once

#include <sys/types.h>

#include <string>

#include "hsm/session.hpp"
#include "station/words/secret.hpp"

namespace mintmark::pkcs11 {

// The first line of a regular file that only its owner (we, or root giving it to us alone) can
// read. Fault("token.pin_file", path and reason) otherwise.
Secret read_pin(const std::string& path);

// Whether a POSIX access list (system.posix_acl_access as the kernel writes it) gives reading to
// the file's owner and to `user` and nothing to anybody else. systemd hands a credential to a
// service's user in this way, which shows as group bits in the file's mode.
bool names_only(View access_list, uid_t user);

// Fault("token.pin_mark") where a mark could not be written: asked before a token is touched.
void must_be_markable(const std::string& state_dir);

// Fault("token.pin_marked") while the mark is there.
void must_not_be_marked(const std::string& state_dir);

// C_Login as the user, once. A token that is logged in already is no fault. Fault("token.pin")
// after writing the mark; Fault("token.pin_mark") without trying where the mark could not be
// written if it had to be.
void log_in(Session& session, const std::string& pin_file, const std::string& state_dir);

}  // namespace mintmark::pkcs11
