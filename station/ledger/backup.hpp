// Copies of a ledger, and looking at one without opening it for work: another process may have it
// open meanwhile.
#pragma once

#include <string>

#include "station/ledger/audit.hpp"

namespace mintmark {

// The ledger as it was at one moment, into a new file of its owner's only; the copy is audited.
// Faults "ledger.exists" (path), "disk.full", and those of audit_file.
Audited back_up(const std::string& ledger, const std::string& copy);
// Every entry and row (audit.hpp). Changes nothing. Faults "ledger.missing", "ledger.newer",
// "ledger.older" (version; it has not been opened by this version yet), "ledger.tampered".
Audited audit_file(const std::string& path);
// The newest signed note in it; empty where there is none.
std::string newest_note(const std::string& path);

}  // namespace mintmark
