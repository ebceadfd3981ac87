// Cryptoki's return values: the one table from CK_RV to a fault and to what may be done about it.
#pragma once

#include <p11-kit/pkcs11.h>

#include <string>
#include <string_view>

#include "station/words/fault.hpp"

namespace mintmark::pkcs11 {

enum class Recovery {
  never,    // the token said no and will say no again
  session,  // this session is spoilt: once more on a new one, if the operation may be repeated
  login,    // the login is gone, and the handles found under it: connect again, then once more
  away,     // token, device or module is gone: fail; the next call connects again
  pin       // about the PIN: nothing may be tried again
};

std::string name_of(CK_RV rv);  // "CKR_PIN_INCORRECT"; the hexadecimal number if unknown
Recovery recovery_of(CK_RV rv);

// A Cryptoki call that did not return CKR_OK. Its code follows from the recovery: token.refused,
// token.away or token.pin (token.full and token.pin_locked for their one value), with arguments
// `call` and `rv`.
class CallFault : public Fault {
 public:
  CallFault(std::string_view call, CK_RV rv);
  CK_RV rv() const { return rv_; }
  Recovery recovery() const { return recovery_of(rv_); }

 private:
  CK_RV rv_;
};

inline void must(std::string_view call, CK_RV rv) {
  if (rv != CKR_OK) throw CallFault(call, rv);
}

}  // namespace mintmark::pkcs11
