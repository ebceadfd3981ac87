// How a key that was made in the token leaves it for one unit: agreed with the unit's key, wrapped
// under what follows from that. Tokens differ in both steps, and what they claim to offer is not
// always what they do, so a route is measured: by going it, with session objects, to the end where
// a unit would stand.
#pragma once

#include <p11-kit/pkcs11.h>

#include <functional>
#include <memory>
#include <optional>

#include "hsm/session.hpp"
#include "hsm/unit_key.hpp"

namespace mintmark::pkcs11 {

// PKCS#11 v3.0 section 2.14.3; p11-kit's header is older. RFC 5649 by definition.
inline constexpr CK_MECHANISM_TYPE kAesKeyWrapKwp = 0x210b;

struct WrapRoute {
  WrapKdf kdf = WrapKdf::x963_sha256;
  CK_MECHANISM_TYPE wrap = kAesKeyWrapKwp;  // one that did as RFC 5649 says
};

// In the token: a session key that may wrap and do nothing else, for the holder of `peer` (an
// uncompressed P-256 point). `ephemeral` is a P-256 private key that may derive.
CK_OBJECT_HANDLE derive_wrapping_key(Session& session, WrapKdf kdf, CK_OBJECT_HANDLE ephemeral,
                                     View peer, const Digest& context);

// The first route on which a known value comes out as RFC 5649 says, and a P-256 key that the token
// made reaches the unit (played here); nullopt where there is none. `open` gives a new session for
// each try, because one that failed is spoilt.
std::optional<WrapRoute> measure_wrap_route(const std::function<std::unique_ptr<Session>()>& open);

}  // namespace mintmark::pkcs11
