#include "station/words/unit.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace mintmark {

Bytes HardwareId::raw() const { return from_hex(id).value_or(Bytes{}); }

static bool upper_or_digit(char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

bool is_serial(std::string_view text) {
  if (text.empty() || text.size() > 32 || !upper_or_digit(text.front())) return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return upper_or_digit(c) || c == '.' || c == '_' || c == '-'; });
}

static bool is_place(std::string_view text) {
  return !text.empty() && text.size() <= 16 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

std::string ControlSymbol::str() const {
  return "MM1:" + serial + ":" + place + ":" + std::to_string(attempt);
}

std::optional<ControlSymbol> ControlSymbol::parse(std::string_view text) {
  if (!text.starts_with("MM1:")) return std::nullopt;
  text.remove_prefix(4);
  auto first = text.find(':');
  auto second = first == text.npos ? first : text.find(':', first + 1);
  if (second == text.npos) return std::nullopt;
  ControlSymbol out(std::string(text.substr(0, first)),
                    std::string(text.substr(first + 1, second - first - 1)), 0);
  std::string_view number = text.substr(second + 1);
  auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), out.attempt);
  bool whole = error == std::errc() && end == number.data() + number.size();
  if (!whole || out.attempt < 1 || number.front() == '0') return std::nullopt;
  if (!is_serial(out.serial) || !is_place(out.place)) return std::nullopt;
  return out;
}

static constexpr std::array<std::string_view, 11> kSteps = {
    "identify",    "reserve", "enrol", "mint", "inject", "prove",
    "reset_check", "lock",    "label", "scan", "done"};

std::string_view word(Step step) { return kSteps.at(static_cast<std::size_t>(step)); }

std::optional<Step> step_from(std::string_view word) {
  for (std::size_t i = 0; i < kSteps.size(); ++i)
    if (kSteps.at(i) == word) return static_cast<Step>(i);
  return std::nullopt;
}

Step after(Step step) {
  return step == Step::done ? step : static_cast<Step>(static_cast<int>(step) + 1);
}

}  // namespace mintmark
