#include "station/rest/fields.hpp"

#include <charconv>

#include "station/ledger/strict.hpp"
#include "station/words/fault.hpp"

namespace mintmark {

namespace {

constexpr int kDepth = 8;

Fault wrong_type(std::string_view field, std::string_view wanted) {
  return Fault("http.wrong_type", {{"field", std::string(field)}, {"wanted", std::string(wanted)}});
}

Fault malformed(std::string_view reason) {
  return Fault("http.malformed", {{"reason", std::string(reason)}});
}

// A field that is there twice means different things to different readers.
nlohmann::json parse_once(std::string_view body) {
  std::vector<std::set<std::string>> seen;
  auto watch = [&](int, nlohmann::json::parse_event_t event, nlohmann::json& value) {
    using Event = nlohmann::json::parse_event_t;
    if (event == Event::object_start) seen.emplace_back();
    if (event == Event::object_end) seen.pop_back();
    if (event == Event::key && !seen.back().insert(value.get<std::string>()).second)
      throw malformed("a field is there twice");
    return true;
  };
  try {
    return nlohmann::json::parse(body, watch);
  } catch (const nlohmann::json::exception&) {
    throw malformed("not JSON");
  }
}

Bytes decoded(std::string_view field, const nlohmann::json& value) {
  if (!value.is_string()) throw wrong_type(field, "base64 text");
  auto bytes = from_base64(value.get_ref<const std::string&>());
  if (!bytes) throw wrong_type(field, "base64 text");
  return *bytes;
}

}  // namespace

std::uint64_t read_number(std::string_view text, const std::string& name, std::uint64_t low,
                          std::uint64_t high) {
  std::uint64_t number = 0;
  const char* last = text.data() + text.size();
  auto [end, error] = std::from_chars(text.data(), last, number);
  if (error != std::errc() || end != last || number < low || number > high)
    throw Fault("http.query", {{"name", name}});
  return number;
}

Fields::Fields(std::string_view body) {
  if (!shallow(body, kDepth)) throw malformed("nested too deeply");
  body_ = parse_once(body);
  if (!body_.is_object()) throw malformed("not a JSON object");
}

const nlohmann::json* Fields::find(std::string_view name) {
  asked_.emplace(name);
  auto at = body_.find(std::string(name));
  return at == body_.end() ? nullptr : &*at;
}

const nlohmann::json& Fields::require(std::string_view name) {
  const nlohmann::json* value = find(name);
  if (value == nullptr) throw Fault("http.missing_field", {{"field", std::string(name)}});
  return *value;
}

std::string Fields::text(std::string_view name, std::size_t max) {
  const nlohmann::json& value = require(name);
  if (!value.is_string()) throw wrong_type(name, "text");
  auto text = value.get<std::string>();
  if (text.empty()) throw wrong_type(name, "text that is not empty");
  if (text.size() > max)
    throw wrong_type(name, "text of at most " + std::to_string(max) + " bytes");
  return text;
}

std::optional<std::string> Fields::text_if(std::string_view name, std::size_t max) {
  if (find(name) == nullptr) return std::nullopt;
  return text(name, max);
}

std::vector<std::string> Fields::texts(std::string_view name, std::size_t max_items) {
  const nlohmann::json& value = require(name);
  if (!value.is_array() || value.size() > max_items) throw wrong_type(name, "a list of words");
  std::vector<std::string> out;
  for (const auto& item : value) {
    if (!item.is_string()) throw wrong_type(name, "a list of words");
    out.push_back(item.get<std::string>());
  }
  return out;
}

std::optional<std::int64_t> Fields::integer_if(std::string_view name, std::int64_t low,
                                               std::int64_t high) {
  const nlohmann::json* value = find(name);
  if (value == nullptr) return std::nullopt;
  std::string wanted = "a whole number from " + std::to_string(low) + " to " + std::to_string(high);
  if (!value->is_number_integer()) throw wrong_type(name, wanted);
  if (value->is_number_unsigned() && value->get<std::uint64_t>() > std::uint64_t{INT64_MAX})
    throw wrong_type(name, wanted);
  auto number = value->get<std::int64_t>();
  if (number < low || number > high) throw wrong_type(name, wanted);
  return number;
}

nlohmann::ordered_json Fields::object_if(std::string_view name, std::size_t max) {
  const nlohmann::json* value = find(name);
  if (value == nullptr) return nlohmann::ordered_json::object();
  if (!value->is_object() || value->dump().size() > max) throw wrong_type(name, "a small object");
  return nlohmann::ordered_json(*value);
}

Bytes Fields::base64(std::string_view name) { return decoded(name, require(name)); }

std::map<std::string, Bytes> Fields::base64_map(std::string_view name, std::size_t max_items) {
  const nlohmann::json& value = require(name);
  if (!value.is_object() || value.size() > max_items)
    throw wrong_type(name, "an object of base64 texts");
  std::map<std::string, Bytes> out;
  for (const auto& [key, item] : value.items())
    out.emplace(key, decoded(std::string(name) + "." + key, item));
  return out;
}

void Fields::finish() const {
  for (const auto& [key, value] : body_.items())
    if (!asked_.contains(key)) throw Fault("http.unknown_field", {{"field", key}});
}

}  // namespace mintmark
