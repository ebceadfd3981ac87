// The factory-reset check: what the user set is gone, what the label says is back, the identity
// stayed.
#pragma once

#include "station/line/passage.hpp"
#include "station/line/services.hpp"

namespace mintmark {

// Proven, or not proven with reason "sampled" where this unit was not due. Faults "reset.*", which
// accuse the firmware.
Task<Evidence> check_reset(Services services, Passage& passage);

// Opens an identity session on a unit that has just been reset: a lost or changed identity is a
// "reset.*" fault.
Task<void> reopen_session_after_reset(Passage& passage);

}  // namespace mintmark
