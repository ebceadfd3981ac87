// What two officers can do together at this station.
#include "station/rest/rest.hpp"

namespace mintmark {

std::vector<ActKind> act_kinds() { return {}; }

}  // namespace mintmark
