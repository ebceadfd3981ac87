// A unit that two officers let come back (ledger/returns.hpp) is reopened where it sits: it wipes
// what it was given, opens provisioning, and may make a new key (schema/unit-protocol.md
// section 6.10).
#pragma once

#include "station/ledger/returns.hpp"
#include "station/line/passage.hpp"
#include "station/line/services.hpp"

namespace mintmark {

class Reopening {
 public:
  Reopening(Services services, Passage& passage) : services_(services), p_(passage) {}

  // Before the unit is enrolled; nothing where no permission is in force. May be repeated: whatever
  // a crash left is found again by what the unit shows. Afterwards known_spki is the key that
  // stays; where a new one is to be made, the unit counts as not certified. What the unit says it
  // did is not believed: it restarts, and must be unlocked and hold neither credential nor marker.
  // Faults "unit.lacks_capability", "reopen.refused" (error), "reopen.ignored" (what).
  Task<void> carry_out();

 private:
  Task<void> ask(std::vector<std::string> acts);
  Task<Json> see_wiped(Bytes spki);

  Services services_;
  Passage& p_;
};

}  // namespace mintmark
