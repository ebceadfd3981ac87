// One SoftHSM2 token behind the fault module, with all station keys, for a program of this suite.
#pragma once

#include "tests/unit/hsm/softhsm.hpp"

namespace mintmark {

class FaultToken {
 public:
  FaultToken() : inner_(SoftToken::With::nothing) {
    Vault::create(config(), view(SoftToken::kSoPin));
  }

  std::string uri() const {
    return "pkcs11:token=" + inner_.label() + "?module-path=" + MINTMARK_FAULT_MODULE +
           "&pin-source=file:" + inner_.pin_file().string();
  }
  TokenConfig config(int sessions = 4) const {
    return {uri(), "", inner_.state_dir().string(), sessions};
  }
  const SoftToken& inner() const { return inner_; }

 private:
  SoftToken inner_;
};

inline FaultToken& fault_token() {
  static FaultToken one;
  return one;
}

}  // namespace mintmark
