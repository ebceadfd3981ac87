// A real NSS softoken for tests: a second token, of other ways than SoftHSM2. One for a process,
// because a module takes its parameters (the directory) once.
#pragma once

#include <stdexcept>
#include <string>

#include "hsm/module.hpp"
#include "hsm/rv.hpp"
#include "hsm/session.hpp"
#include "tests/unit/hsm/softhsm.hpp"

namespace mintmark {

// The token "mintmark-nss" with a user's PIN and no keys. Its directory is its token, and the PIN
// is set by an officer who has none.
inline const TokenConfig& nss_token() {
  static const TemporaryDirectory directory;
  static const TokenConfig config = [] {
    std::filesystem::create_directories(directory.path() / "db");
    std::filesystem::create_directories(directory.path() / "state");
    write_file(directory.path() / "pin", "4711-user\n");
    TokenConfig out;
    out.uri = "pkcs11:token=mintmark-nss?module-path=" MINTMARK_NSS "&pin-source=file:" +
              (directory.path() / "pin").string();
    out.state_dir = (directory.path() / "state").string();
    out.init_parameters = "configdir='sql:" + (directory.path() / "db").string() +
                          "' certPrefix='' keyPrefix='' secmod='' flags= "
                          "dbTokenDescription='mintmark-nss'";
    pkcs11::TokenUri uri(out.uri);
    auto& module = pkcs11::Module::load(uri.module_path(), out.init_parameters);
    pkcs11::Session session(module, module.find(uri), pkcs11::Session::Access::write);
    pkcs11::must("C_Login", session.login(CKU_SO, {}));
    session.init_pin(view("4711-user"));
    return out;
  }();
  return config;
}

}  // namespace mintmark
