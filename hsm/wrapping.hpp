// The token's half of wrapped unit keys: which mechanisms it really has, and the calls.
#pragma once

#include <p11-kit/pkcs11.h>

#include <vector>

#include "hsm/route.hpp"
#include "hsm/session.hpp"
#include "hsm/unit_key.hpp"

namespace mintmark::pkcs11 {

inline constexpr CK_MECHANISM_TYPE kAesKeyWrapPad = 0x210A;  // v2.40: PKCS#7 and RFC 3394, or not

struct WrapMethod {
  WrapKdf kdf = WrapKdf::x963_sha256;
  CK_MECHANISM_TYPE mechanism = kAesKeyWrapKwp;
};

// Session objects that go with the scope, whatever ends it. A session that an exception spoils is
// closed by its pool, which destroys them a second way.
class Temporary {
 public:
  explicit Temporary(Session& session) : session_(session) {}
  ~Temporary();
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;

  CK_OBJECT_HANDLE keep(CK_OBJECT_HANDLE object);
  KeyPair keep(KeyPair pair);
  void destroy_all();  // a key that stays behind is a fault

 private:
  Session& session_;
  std::vector<CK_OBJECT_HANDLE> objects_;
};

// Found by doing it: a known value is wrapped under a key agreed with a known partner, and the
// result compared with what RFC 5649 says. Mechanism lists are not believed: 0x210A is one thing in
// the standard and another in SoftHSM2. Fault("token.refused", call "C_WrapKey") where no way
// works.
WrapMethod measure_wrapping(Session& session);

// Makes, signs, wraps and destroys. Fault("identity.bad_point") where the unit's point is not on
// P-256; "rng.broken" where two fresh keys are equal; "token.refused" for an algorithm that the
// token has not.
WrappedKey make_wrapped_key(Session& session, const WrapMethod& method, const UnitKeyOrder& order);

}  // namespace mintmark::pkcs11
