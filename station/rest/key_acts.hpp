// Two officers' acts about keys: what may be proposed, and what a confirmed one does.
#pragma once

#include <vector>

#include "station/rest/rest.hpp"

namespace mintmark {

// escrow.install  subject: the key's comparison value; arguments {spki}: done when confirmed
// escrow.open     subject: a serial; taken away by one of the two
// hsm.clone       subject: comparison value of the recipient's key; arguments {spki}: taken away
// hsm.derivation-key  subject: the key's label: made when confirmed
// hsm.rotate      subject: a signer's role: done when confirmed
std::vector<ActKind> key_acts();

// First 8 bytes of a public key's SHA-256, as two people compare them: xxxx-xxxx-xxxx-xxxx.
std::string comparison(View spki);

}  // namespace mintmark
