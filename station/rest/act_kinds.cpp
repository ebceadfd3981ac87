// What two officers can do together at this station.
#include "station/ledger/lots.hpp"
#include "station/ledger/returns.hpp"
#include "station/rest/rest.hpp"

namespace mintmark {

std::vector<ActKind> act_kinds() {
  return {{"unit.release", &returns::check_release, &returns::release, nullptr},
          {"unit.reopen", &returns::check_reopen, &returns::reopen, nullptr},
          {"unit.retire", &returns::check_retire, &returns::retire, nullptr},
          {"station.resume", &lots::check_resume_issuing, &lots::resume_issuing, nullptr}};
}

}  // namespace mintmark
