// What two officers can do together at this station.
#include "station/ledger/lots.hpp"
#include "station/ledger/returns.hpp"
#include "station/rest/key_acts.hpp"
#include "station/rest/rest.hpp"

namespace mintmark {

std::vector<ActKind> act_kinds() {
  std::vector<ActKind> out = key_acts();
  out.push_back({"unit.release", &returns::check_release, &returns::release, nullptr});
  out.push_back({"unit.reopen", &returns::check_reopen, &returns::reopen, nullptr});
  out.push_back({"unit.retire", &returns::check_retire, &returns::retire, nullptr});
  out.push_back({"station.resume", &lots::check_resume_issuing, &lots::resume_issuing, nullptr});
  return out;
}

}  // namespace mintmark
