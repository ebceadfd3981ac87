// What the demo's simulated scanner does: reads the control symbol off a label.
#pragma once

#include <optional>

#include "station/words/bytes.hpp"
#include "station/words/unit.hpp"

namespace mintmark {

// The control symbol in the first Data Matrix (^BX), Code 128 (^BC) or QR (^BQ) field of a rendered
// label that holds one; nullopt when there is none.
std::optional<ControlSymbol> read_control_symbol(View zpl);

}  // namespace mintmark
