#include "station/label/command.hpp"

#include <algorithm>

namespace mintmark {

static bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\r'; }

static std::string_view without_line_ends(std::string_view args) {
  while (!args.empty() && is_blank(args.back())) args.remove_suffix(1);
  return args;
}

std::optional<std::vector<ZplCommand>> zpl_commands(std::string_view zpl) {
  std::vector<ZplCommand> out;
  std::size_t at = std::min(zpl.find('^'), zpl.size());
  std::string_view before = zpl.substr(0, at);
  if (!std::all_of(before.begin(), before.end(), is_blank)) return std::nullopt;
  int line = 1 + static_cast<int>(std::count(before.begin(), before.end(), '\n'));
  while (at < zpl.size()) {
    std::string_view piece = zpl.substr(at, zpl.find('^', at + 1) - at);
    if (piece.size() < 3) return std::nullopt;
    ZplCommand command{piece.substr(1, 2), piece.substr(3), line};
    if (command.code != "FD") command.args = without_line_ends(command.args);
    out.push_back(command);
    line += static_cast<int>(std::count(piece.begin(), piece.end(), '\n'));
    at += piece.size();
  }
  return out;
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

std::optional<std::string> zpl_unescape(std::string_view data) {
  std::string out;
  for (std::size_t i = 0; i < data.size(); ++i) {
    if (data[i] != '_') {
      out += data[i];
      continue;
    }
    if (i + 2 >= data.size()) return std::nullopt;
    int high = hex_digit(data[i + 1]), low = hex_digit(data[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

bool zpl_plain(std::uint8_t byte) {
  bool letter = (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
  bool digit = byte >= '0' && byte <= '9';
  return letter || digit || std::string_view(" .:/-").find(static_cast<char>(byte)) < 5;
}

}  // namespace mintmark
