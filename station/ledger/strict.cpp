#include "station/ledger/strict.hpp"

#include <algorithm>
#include <vector>

#include "station/words/clock.hpp"
#include "station/words/fault.hpp"

namespace mintmark {

StrictObject::StrictObject(const Json& json, std::string code, std::string path)
    : json_(&json), code_(std::move(code)), path_(std::move(path)) {
  if (!json.is_object()) refuse("", "not an object");
}

void StrictObject::refuse(const std::string& key, const std::string& reason) const {
  std::string dot = path_.empty() || key.empty() ? "" : ".";
  throw Fault(code_, {{"field", path_ + dot + key}, {"reason", reason}});
}

const Json* StrictObject::any(const std::string& key) {
  seen_.insert(key);
  auto it = json_->find(key);
  return it == json_->end() ? nullptr : &*it;
}

const Json& StrictObject::must(const std::string& key) {
  const Json* found = any(key);
  if (found == nullptr) refuse(key, "missing");
  return *found;
}

std::string StrictObject::text(const std::string& key, std::size_t most) {
  const Json& value = must(key);
  if (!value.is_string()) refuse(key, "not a text");
  auto out = value.get<std::string>();
  if (out.empty()) refuse(key, "empty");
  if (out.size() > most) refuse(key, "too long");
  return out;
}

std::string StrictObject::optional_text(const std::string& key, std::size_t most) {
  return json_->contains(key) ? text(key, most) : std::string();
}

std::int64_t StrictObject::number(const std::string& key, std::int64_t least, std::int64_t most) {
  const Json& value = must(key);
  if (!value.is_number_integer()) refuse(key, "not a whole number");
  bool huge = value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX;
  if (huge || value.get<std::int64_t>() < least || value.get<std::int64_t>() > most)
    refuse(key, "not in " + std::to_string(least) + " to " + std::to_string(most));
  return value.get<std::int64_t>();
}

bool StrictObject::boolean(const std::string& key) {
  const Json& value = must(key);
  if (!value.is_boolean()) refuse(key, "not true or false");
  return value.get<bool>();
}

const Json& StrictObject::list(const std::string& key) {
  const Json& value = must(key);
  if (!value.is_array()) refuse(key, "not a list");
  return value;
}

StrictObject StrictObject::object(const std::string& key) {
  const Json& value = must(key);
  if (!value.is_object()) refuse(key, "not an object");
  return {value, code_, path_.empty() ? key : path_ + "." + key};
}

void StrictObject::finish() const {
  for (const auto& [key, value] : json_->items())
    if (!seen_.contains(key)) refuse(key, "unknown field");
}

Json parse_strict(View bytes, std::size_t most, const std::string& code) {
  auto refuse = [&code](const std::string& reason) {
    return Fault(code, {{"field", ""}, {"reason", reason}});
  };
  if (bytes.size() > most) throw refuse("larger than " + std::to_string(most) + " bytes");
  std::vector<std::set<std::string>> keys;
  std::string twice;
  bool deep = false;
  auto watch = [&](int depth, Json::parse_event_t event, Json& value) {
    deep = deep || depth > 8;
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event != Json::parse_event_t::key) return true;
    auto key = value.get<std::string>();
    if (!keys.back().insert(key).second) twice = key;
    return true;
  };
  Json out = Json::parse(bytes.begin(), bytes.end(), watch, false);
  if (out.is_discarded()) throw refuse("not JSON");
  if (deep) throw refuse("nested too deeply");
  if (!twice.empty()) throw refuse("twice: " + twice);
  return out;
}

bool shallow(std::string_view json, int limit) {
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    char c = json[i];
    if (quoted) {
      if (c == '\\') ++i;
      if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      if (++depth > limit) return false;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return true;
}

std::optional<Json> read_entry(std::string_view line) {
  static constexpr int kDepth = 16;
  if (line.size() > kLargestEntry || !shallow(line, kDepth)) return std::nullopt;
  Json out = Json::parse(line, nullptr, false);
  if (!out.is_object()) return std::nullopt;
  return out;
}

static bool is_time(std::string_view text) {
  static constexpr std::string_view kShape = "0000-00-00T00:00:00Z";
  if (text.size() != kShape.size() || !is_date(text.substr(0, 10))) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    bool digit = text[i] >= '0' && text[i] <= '9';
    if (kShape[i] == '0' ? !digit : text[i] != kShape[i]) return false;
  }
  return text.substr(11, 2) < "24" && text.substr(14, 2) < "60" && text.substr(17, 2) < "61";
}

bool is_until(const std::string& text) { return is_date(text) || is_time(text); }

bool is_past(const std::string& until) {
  // Both forms sort as text, digit by digit.
  if (until.size() == 10) return today() > until;
  return utc_now().substr(0, 19) >= until.substr(0, 19);
}

}  // namespace mintmark
