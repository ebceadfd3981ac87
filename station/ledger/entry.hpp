// The fields of a journal entry, as the text they are stored as: FORMATS, "Journal".
#pragma once

#include <concepts>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace mintmark {

using Json = nlohmann::ordered_json;  // keys stay in the order written

inline constexpr std::size_t kLargestEntry = 65535;  // bytes, as stored

// JSON without white space (RFC 8259); text that is not UTF-8 is made so.
std::string compact(const Json& value);

// In the order in which they are added. Who adds them names each key once, and never one of those
// that every entry has (Fault "ledger.failed"). Written at once: a tree of values would be made
// only to be walked.
class Entry {
 public:
  Entry() = default;
  static Entry of(const Json& object);

  template <class T>
  Entry& add(std::string_view key, const T& value) {
    begin(key);
    if constexpr (std::same_as<T, Json>)
      text_ += compact(value);
    else if constexpr (std::same_as<T, bool>)
      text_ += value ? "true" : "false";
    else if constexpr (std::integral<T>)
      text_ += std::to_string(value);
    else if constexpr (std::same_as<T, Entry>)
      text_.append(1, '{').append(value.text_).append(1, '}');
    else
      put(key, value);
    return *this;
  }

  const std::string& text() const { return text_; }  // `"key":value,...`, without braces
  // A text that was added as "run"; empty where there is none.
  const std::string& run() const { return run_; }

 private:
  void begin(std::string_view key);
  void put(std::string_view key, std::string_view value);

  std::string text_, run_;
};

// `value` as a JSON string, quotes included, at the end of `out`.
void append_quoted(std::string& out, std::string_view value);

}  // namespace mintmark
