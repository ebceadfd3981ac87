// The token's half of wrapped unit keys: the calls, by the route that was measured (route.hpp).
#pragma once

#include <p11-kit/pkcs11.h>

#include <vector>

#include "hsm/route.hpp"
#include "hsm/unit_key.hpp"

namespace mintmark::pkcs11 {

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

// Makes, signs, wraps and destroys. Fault("identity.bad_point") where the unit's point is not on
// P-256; "rng.broken" where two fresh keys are equal; "token.refused" for an algorithm that the
// token has not.
WrappedKey make_wrapped_key(Session& session, const WrapRoute& route, const UnitKeyOrder& order);

}  // namespace mintmark::pkcs11
