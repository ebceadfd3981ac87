// Units and runs as the API shows them: what the ledger knows, and no secret.
#pragma once

#include <string>
#include <vector>

#include "station/ledger/ledger.hpp"

namespace mintmark::units {

// {"units":[...], "next": serial or null}. An empty `lot` or `opened_by` means any.
Json page(Reader& db, const std::string& lot, const std::string& opened_by,
          const std::string& after, int limit);
// With runs, labels and the certificate's digest. Fault "unit.unknown" (serial).
Json one(Reader& db, const std::string& serial);
Json run(Reader& db, const std::string& id);  // Fault "run.unknown" (run)

// Of units that have one: the newest certificate, DER. Fault "unit.unknown" (serial).
Bytes certificate(Reader& db, const std::string& serial);
std::vector<std::string> certified(Reader& db);  // serials, in order

}  // namespace mintmark::units
