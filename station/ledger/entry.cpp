#include "station/ledger/entry.hpp"

#include <algorithm>

#include "station/words/fault.hpp"

namespace mintmark {

static constexpr std::string_view kFixedKeys[] = {"seq",  "station", "at",  "mono",
                                                  "boot", "actor",   "type"};

std::string compact(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

static bool stands_for_itself(char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; }

void append_quoted(std::string& out, std::string_view value) {
  if (!std::all_of(value.begin(), value.end(), stands_for_itself)) {
    out += compact(Json(value));
    return;
  }
  out.append(1, '"').append(value).append(1, '"');
}

Entry Entry::of(const Json& object) {
  Entry out;
  for (const auto& [key, value] : object.items())
    if (value.is_string())
      out.add(key, value.get_ref<const std::string&>());
    else
      out.add(key, value);
  return out;
}

void Entry::begin(std::string_view key) {
  if (std::find(std::begin(kFixedKeys), std::end(kFixedKeys), key) != std::end(kFixedKeys))
    throw Fault("ledger.failed", {{"reason", "a fixed key: " + std::string(key)}});
  if (!text_.empty()) text_ += ',';
  append_quoted(text_, key);
  text_ += ':';
}

void Entry::put(std::string_view key, std::string_view value) {
  if (key == "run") run_ = value;
  append_quoted(text_, value);
}

}  // namespace mintmark
