// What is checked of a unit before anything is certified or wrapped for it.
#pragma once

#include "hsm/unit_key.hpp"
#include "station/words/bytes.hpp"
#include "station/words/unit.hpp"

namespace mintmark {

// That `maker` (P-256 SPKI) signed for this unit's key: ECDSA over SHA-256(F("mintmark/attest",
// source, hardware id, spki)), 64 bytes. Fault("identity.attestation") where it did not.
void check_attestation(View maker, const HardwareId& unit, View spki, View attestation);

// That the new key signed its own request. Fault("identity.bad_signature") where it did not,
// "identity.bad_key" where the SPKI is none. P-256 keys only: all identity keys are.
void check_wrapped_request(const WrappedKey& key, const UnitKeyOrder& order);

}  // namespace mintmark
