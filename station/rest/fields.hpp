// Strict JSON bodies: an object of the fields that somebody asks for, each of its type, and nothing
// else. Faults: http.malformed (reason), http.missing_field (field), http.wrong_type (field,
// wanted), http.unknown_field (field).
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "station/words/bytes.hpp"

namespace mintmark {

// A whole decimal number of a query. Fault "http.query" (name) for anything else.
std::uint64_t read_number(std::string_view text, const std::string& name, std::uint64_t low,
                          std::uint64_t high);

class Fields {
 public:
  explicit Fields(std::string_view body);

  std::string text(std::string_view name, std::size_t max = 1024);  // not empty
  std::optional<std::string> text_if(std::string_view name, std::size_t max = 1024);
  std::vector<std::string> texts(std::string_view name, std::size_t max_items = 16);
  std::optional<std::int64_t> integer_if(std::string_view name, std::int64_t low,
                                         std::int64_t high);
  nlohmann::ordered_json object_if(std::string_view name, std::size_t max = 4096);  // {} if absent
  Bytes base64(std::string_view name);
  std::map<std::string, Bytes> base64_map(std::string_view name, std::size_t max_items = 16);
  void finish() const;  // refuses the fields that nobody asked for

 private:
  const nlohmann::json* find(std::string_view name);
  const nlohmann::json& require(std::string_view name);

  nlohmann::json body_;
  std::set<std::string, std::less<>> asked_;
};

}  // namespace mintmark
