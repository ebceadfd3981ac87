// ZPL II as a list of commands: what the template's lint and the demo's scanner both read.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "station/words/bytes.hpp"

namespace mintmark {

// One `^XY...` up to the next caret. `code` is two characters ("FO", "A0"); `args` is what follows,
// without the line ends behind it (field data keeps every byte). Views into the caller's bytes.
struct ZplCommand {
  std::string_view code;
  std::string_view args;
  int line = 1;  // from 1, where the caret stands
};

// nullopt when a byte that is not white space comes before the first caret, or a caret has no
// two-character code behind it.
std::optional<std::vector<ZplCommand>> zpl_commands(std::string_view zpl);

// Undoes ^FH with the default indicator: `_5E` becomes `^`. nullopt on `_` without two hex digits.
std::optional<std::string> zpl_unescape(std::string_view data);

// True for the bytes that stand for themselves in field data; every other byte goes as `_XX`.
bool zpl_plain(std::uint8_t byte);

}  // namespace mintmark
