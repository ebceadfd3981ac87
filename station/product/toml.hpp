// Strict TOML: every key must be asked for, every type must match, and what is left over is refused
// with its file, line and reason. Fault "config.invalid": file, line, key, reason.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <toml++/toml.h>

namespace mintmark {

class TomlTable {
 public:
  // Parses `text`; `file` is for messages only.
  static TomlTable parse(std::string_view text, std::string file);
  static TomlTable parse_file(const std::string& path);  // Fault "config.missing"

  // Required values.
  std::string string(std::string_view key);
  std::int64_t integer(std::string_view key, std::int64_t low, std::int64_t high);
  std::string word(std::string_view key);                            // 1 to 32 of a-z, 0-9 and -
  std::string printable(std::string_view key, std::size_t longest);  // 1 to `longest` bytes
  TomlTable table(std::string_view key);
  std::vector<std::string> strings(std::string_view key);

  // Optional values: the default applies only where the key is absent, never where it is wrong.
  std::string string_or(std::string_view key, std::string fallback);
  std::string word_or(std::string_view key, std::string fallback);
  std::int64_t integer_or(std::string_view key, std::int64_t low, std::int64_t high,
                          std::int64_t fallback);
  bool boolean_or(std::string_view key, bool fallback);
  std::vector<std::string> strings_or(std::string_view key, std::vector<std::string> fallback);
  std::optional<TomlTable> table_if(std::string_view key);
  std::vector<TomlTable> tables(std::string_view key);  // [[key]], none if absent
  std::vector<std::string> keys() const;
  bool has(std::string_view key) const;

  // Refuses any key of this table that nobody asked for.
  void finish() const;

  // A value that parsed but makes no sense: refuses it where it stands.
  [[noreturn]] void refuse(std::string_view key, const std::string& reason) const;

 private:
  TomlTable(std::shared_ptr<const toml::table> root, const toml::table* table, std::string file,
            std::string path);
  const toml::node* find(std::string_view key);
  const toml::node& require(std::string_view key, std::string_view type);
  [[noreturn]] void refuse_at(const toml::source_region* where, const std::string& key,
                              const std::string& reason) const;

  std::shared_ptr<const toml::table> root_;
  const toml::table* table_;
  std::string file_, path_;
  std::set<std::string, std::less<>> asked_;
};

}  // namespace mintmark
