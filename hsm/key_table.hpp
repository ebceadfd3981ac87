// The table of the station's keys as the README has it: made from the roles in keys.hpp, so that
// what is written there is what is in the code (a test compares).
#pragma once

#include <string>
#include <vector>

namespace mintmark {

// Rows of a Markdown table: key, type, mechanism, may, stated attributes, who may use it.
std::vector<std::string> key_table();

}  // namespace mintmark
