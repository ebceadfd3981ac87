#include "station/credential/attestation.hpp"

#include "station/credential/key_check.hpp"
#include "station/words/crypto.hpp"
#include "station/words/fault.hpp"

namespace mintmark {

static Fault::Args of(const HardwareId& unit) {
  return {{"source", unit.source}, {"hardware_id", unit.id}};
}

void check_attestation(View maker, const HardwareId& unit, View spki, View attestation) {
  Digest digest = sha256(frame({view("mintmark/attest"), view(unit.source), unit.raw(), spki}));
  if (!p256_verify(maker, digest, attestation)) throw Fault("identity.attestation", of(unit));
}

void check_wrapped_request(const WrappedKey& key, const UnitKeyOrder& order) {
  check_key(key.spki, order.algorithm);
  Digest digest = sha256(wrapped_request(wrap_context(order, key.point), key.spki));
  if (!identity_verify(key.spki, digest, key.signature))
    throw Fault("identity.bad_signature", of(order.hardware_id));
}

}  // namespace mintmark
