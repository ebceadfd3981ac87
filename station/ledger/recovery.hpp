// A restored, older ledger becomes the station's again. What it cannot know is burnt: open runs
// end, open lots are closed and their keys go, so that no counter of a run seal is ever used twice;
// what the lost journal is known to have given out is never given out again.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "station/ledger/people.hpp"
#include "station/words/unit.hpp"

namespace mintmark {

// What an export tells of the part that this ledger does not have.
struct LostPart {
  LostPart() = default;
  Head head;                                       // of its checkpoint
  std::string note;                                // that checkpoint
  std::vector<std::string> orders, serials, macs;  // used
  std::vector<std::string> fingerprints;           // "<scope>:<hex>"
  std::vector<HardwareId> units;                   // seen in runs
  std::string roster;                              // the newest one applied in it
};

struct Recovery {
  Recovery() = default;
  std::string act, reason;    // UUIDv7; why
  std::string first, second;  // officers
  std::vector<Head> lost;     // anchors that this ledger does not reach
  std::string note;           // the newest of them that is a signed checkpoint; may be empty
  std::optional<LostPart> part;
};

inline constexpr const char* kRecovered = "ledger.recovered";  // code of what ends by it

// The files journal.jsonl and checkpoint of an export. Fault "recovery.journal" (reason) unless it
// goes on where `ours` ends, or ended before a recovery, under a signature of this station.
LostPart read_lost_part(Reader& db, const Tree& ours, const std::string& directory);

// Faults as of acts::propose and acts::confirm; "recovery.roster" (roster) where the lost part has
// a newer roster than this ledger.
void recover(Transaction& db, const Recovery& recovery);

}  // namespace mintmark
