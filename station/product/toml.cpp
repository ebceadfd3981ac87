#include "station/product/toml.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <utility>

#include "station/words/fault.hpp"

namespace mintmark {

namespace {

Fault invalid(const std::string& file, std::int64_t line, const std::string& key,
              const std::string& reason) {
  return Fault("config.invalid",
               {{"file", file}, {"line", std::to_string(line)}, {"key", key}, {"reason", reason}});
}

}  // namespace

TomlTable::TomlTable(std::shared_ptr<const toml::table> root, const toml::table* table,
                     std::string file, std::string path)
    : root_(std::move(root)), table_(table), file_(std::move(file)), path_(std::move(path)) {}

TomlTable TomlTable::parse(std::string_view text, std::string file) {
  try {
    auto root = std::make_shared<const toml::table>(toml::parse(text, file));
    const toml::table* table = root.get();
    return {std::move(root), table, std::move(file), ""};
  } catch (const toml::parse_error& error) {
    throw invalid(file, error.source().begin.line, "", std::string(error.description()));
  }
}

TomlTable TomlTable::parse_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Fault("config.missing", {{"file", path}});
  std::ostringstream text;
  text << file.rdbuf();
  return parse(text.str(), path);
}

void TomlTable::refuse_at(const toml::source_region* where, const std::string& key,
                          const std::string& reason) const {
  std::int64_t line = where != nullptr ? static_cast<std::int64_t>(where->begin.line) : 0;
  throw invalid(file_, line, path_.empty() ? key : path_ + "." + key, reason);
}

void TomlTable::refuse(std::string_view key, const std::string& reason) const {
  const toml::node* node = table_->get(key);
  refuse_at(node != nullptr ? &node->source() : &table_->source(), std::string(key), reason);
}

const toml::node* TomlTable::find(std::string_view key) {
  asked_.emplace(key);
  return table_->get(key);
}

const toml::node& TomlTable::require(std::string_view key, std::string_view type) {
  const toml::node* node = find(key);
  if (node == nullptr) refuse(key, "is missing: a " + std::string(type) + " is needed");
  return *node;
}

std::string TomlTable::string(std::string_view key) {
  auto value = require(key, "string").value_exact<std::string>();
  if (!value) refuse(key, "must be a string");
  return *value;
}

std::int64_t TomlTable::integer(std::string_view key, std::int64_t low, std::int64_t high) {
  auto value = require(key, "number").value_exact<std::int64_t>();
  if (!value) refuse(key, "must be a whole number");
  if (*value < low || *value > high)
    refuse(key, "must be from " + std::to_string(low) + " to " + std::to_string(high));
  return *value;
}

std::string TomlTable::word(std::string_view key) {
  std::string value = string(key);
  bool known = std::all_of(value.begin(), value.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
  if (value.empty() || value.size() > 32 || !known) refuse(key, "must be a word of a-z, 0-9 and -");
  return value;
}

std::string TomlTable::printable(std::string_view key, std::size_t longest) {
  std::string value = string(key);
  bool control = std::any_of(value.begin(), value.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
  if (value.empty() || value.size() > longest || control)
    refuse(key, "must be 1 to " + std::to_string(longest) + " printable characters");
  return value;
}

TomlTable TomlTable::table(std::string_view key) {
  const toml::table* inner = require(key, "table").as_table();
  if (inner == nullptr) refuse(key, "must be a table");
  std::string path = path_.empty() ? std::string(key) : path_ + "." + std::string(key);
  return {root_, inner, file_, std::move(path)};
}

std::vector<std::string> TomlTable::strings(std::string_view key) {
  const toml::array* list = require(key, "list of strings").as_array();
  if (list == nullptr) refuse(key, "must be a list of strings");
  std::vector<std::string> out;
  for (const toml::node& node : *list) {
    auto value = node.value_exact<std::string>();
    if (!value) refuse(key, "must be a list of strings");
    out.push_back(*value);
  }
  return out;
}

std::string TomlTable::string_or(std::string_view key, std::string fallback) {
  return find(key) != nullptr ? string(key) : std::move(fallback);
}

std::string TomlTable::word_or(std::string_view key, std::string fallback) {
  return find(key) != nullptr ? word(key) : std::move(fallback);
}

std::int64_t TomlTable::integer_or(std::string_view key, std::int64_t low, std::int64_t high,
                                   std::int64_t fallback) {
  return find(key) != nullptr ? integer(key, low, high) : fallback;
}

bool TomlTable::boolean_or(std::string_view key, bool fallback) {
  const toml::node* node = find(key);
  if (node == nullptr) return fallback;
  auto value = node->value_exact<bool>();
  if (!value) refuse(key, "must be true or false");
  return *value;
}

std::vector<std::string> TomlTable::strings_or(std::string_view key,
                                               std::vector<std::string> fallback) {
  return find(key) != nullptr ? strings(key) : std::move(fallback);
}

std::optional<TomlTable> TomlTable::table_if(std::string_view key) {
  if (find(key) == nullptr) return std::nullopt;
  return table(key);
}

std::vector<TomlTable> TomlTable::tables(std::string_view key) {
  std::vector<TomlTable> out;
  const toml::node* node = find(key);
  if (node == nullptr) return out;
  const toml::array* list = node->as_array();
  if (list == nullptr) refuse(key, "must be [[" + std::string(key) + "]] tables");
  for (const toml::node& item : *list) {
    if (item.as_table() == nullptr) refuse(key, "must be [[" + std::string(key) + "]] tables");
    out.push_back(TomlTable(root_, item.as_table(), file_, std::string(key)));
  }
  return out;
}

std::vector<std::string> TomlTable::keys() const {
  std::vector<std::string> out;
  for (const auto& [key, value] : *table_) out.emplace_back(key.str());
  return out;
}

bool TomlTable::has(std::string_view key) const { return table_->contains(key); }

void TomlTable::finish() const {
  for (const auto& [key, value] : *table_)
    if (!asked_.contains(key.str()))
      refuse_at(&key.source(), std::string(key.str()), "is not a key that Mintmark knows here");
}

}  // namespace mintmark
