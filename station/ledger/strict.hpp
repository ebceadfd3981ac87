// Reading signed JSON strictly: every field is asked for by name and type, and what nobody asked
// for is refused. The fault's code is the caller's, its arguments `field` and `reason`.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "station/ledger/ledger.hpp"

namespace mintmark {

class StrictObject {
 public:
  // `path` is what an error calls this object; empty for the outermost.
  StrictObject(const Json& json, std::string code, std::string path = "");

  std::string text(const std::string& key, std::size_t most = 256);
  std::string optional_text(const std::string& key, std::size_t most = 256);
  std::int64_t number(const std::string& key, std::int64_t least, std::int64_t most);
  bool boolean(const std::string& key);
  const Json& list(const std::string& key);
  const Json* any(const std::string& key);  // nullptr where absent
  StrictObject object(const std::string& key);
  void finish() const;  // Fault for a field that nobody asked for
  [[noreturn]] void refuse(const std::string& key, const std::string& reason) const;

 private:
  const Json& must(const std::string& key);
  const Json* json_;
  std::string code_, path_;
  std::set<std::string> seen_;
};

// One JSON value, UTF-8, no key twice in an object, nesting at most 8. Fault `code`, field "".
Json parse_strict(View bytes, std::size_t most, const std::string& code);

// True when no object or array of this text is nested deeper than `limit`. Looks at brackets and
// quotes only, in a loop: nlohmann parses any depth, and then copies and prints it by recursion.
bool shallow(std::string_view json, int limit);

// A journal's line that somebody else may have written: an object of at most kLargestEntry bytes,
// nested no deeper than any entry is. nullopt for anything else.
std::optional<Json> read_entry(std::string_view line);

// A date (through the end of that day, UTC) or RFC 3339 with Z. False where it is neither.
bool is_until(const std::string& text);
bool is_past(const std::string& until);

}  // namespace mintmark
