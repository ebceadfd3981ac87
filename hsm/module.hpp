// A PKCS#11 module: the shared library behind a token. Loaded and initialised once per process and
// never unloaded, because its threads and exit handlers outlive any owner. Never fork (without
// exec) after the first load.
#pragma once

#include <p11-kit/pkcs11.h>

#include <mutex>
#include <string>
#include <vector>

#include "hsm/uri.hpp"

namespace mintmark::pkcs11 {

// Section 5.4, C_Initialize: with CKF_OS_LOCKING_OK, never with NULL, because several threads call.
// pReserved is NULL, as the standard has it, unless the module wants its parameters there: NSS
// reads a pointer to them in its place, and one more pointer after it.
struct InitializeArgs {
  explicit InitializeArgs(char* parameters);  // empty for none
  CK_C_INITIALIZE_ARGS standard{};
  void* after = nullptr;
};

class Module {
 public:
  // Fault("token.module") where there is no such library, it is no PKCS#11 module, or it was
  // initialised with other parameters; token.module_crashed, token.module_hung (probe.hpp).
  // `parameters` is for modules that want a string in the reserved field of C_Initialize
  // (TokenConfig::init_parameters); empty for all others.
  static Module& load(const std::string& path, const std::string& parameters = "");

  // The only place where Mintmark gets at Cryptoki functions is this module's own list.
  const CK_FUNCTION_LIST& api() const { return *functions_; }
  const std::string& path() const { return path_; }

  CK_INFO info();
  std::vector<CK_SLOT_ID> slots_with_token();
  CK_TOKEN_INFO token_info(CK_SLOT_ID slot);
  CK_SLOT_INFO slot_info(CK_SLOT_ID slot);

  // The slot of the one token that the URI means. Fault("token.missing") without any;
  // Fault("token.uri") with several.
  CK_SLOT_ID find(const TokenUri& uri);

  // C_Finalize and C_Initialize, which is what some modules need when a device comes back. Does
  // nothing and returns false while any session is open or when somebody else initialised it.
  bool restart();

  // Sessions tell of themselves, so that restart knows.
  void session_opens();
  void session_closed();

 private:
  Module(std::string path, std::string parameters);
  void initialize();

  std::string path_, parameters_;
  CK_FUNCTION_LIST* functions_ = nullptr;
  bool ours_ = false;  // we initialised it, so we may finalise it
  std::recursive_mutex mutex_;
  int sessions_ = 0;
};

}  // namespace mintmark::pkcs11
