#include "station/label/scan.hpp"

#include "station/label/command.hpp"

namespace mintmark {

static std::optional<ControlSymbol> symbol_in(const ZplCommand& face, std::string_view data,
                                              bool escaped) {
  if (face.code == "BQ") data.remove_prefix(std::min<std::size_t>(3, data.size()));  // "MA,"
  if (!data.starts_with("MM1")) return std::nullopt;  // it may be a secret: not copied, not read
  auto plain = escaped ? zpl_unescape(data) : std::string(data);
  return plain ? ControlSymbol::parse(*plain) : std::nullopt;
}

std::optional<ControlSymbol> read_control_symbol(View zpl) {
  auto commands = zpl_commands(text(zpl));
  if (!commands) return std::nullopt;
  ZplCommand face;
  bool escaped = false;
  for (const ZplCommand& command : *commands) {
    if (command.code == "FO" || command.code == "FT") {
      face = {};
      escaped = false;
    }
    if (command.code == "FH") escaped = true;
    if (command.code == "BX" || command.code == "BC" || command.code == "BQ") face = command;
    if (command.code != "FD" || face.code.empty()) continue;
    if (auto symbol = symbol_in(face, command.args, escaped)) return symbol;
  }
  return std::nullopt;
}

}  // namespace mintmark
