// The token's lot keys and the ledger's lots: a key lives as long as its lot is not closed.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "station/ledger/lots.hpp"

namespace mintmark {

// Those of `keys` whose lots are closed, or unknown to the ledger: what a crash between the token
// and the ledger left. `in_use` has the keys of lots that are about to be opened, `unfinished` the
// lots that are not closed. The keys are read first, then `in_use`, then the lots: so none is taken
// for stray whose lot is just being opened.
std::vector<std::string> stray_keys(const std::vector<std::string>& keys,
                                    std::set<std::string> in_use,
                                    const std::vector<Lot>& unfinished);

}  // namespace mintmark
