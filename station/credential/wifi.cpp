#include "station/credential/wifi.hpp"

#include <algorithm>
#include <charconv>

#include "station/words/fault.hpp"

namespace mintmark {

namespace {

constexpr std::size_t kLongestName = 32;

bool is_printable_ascii(char c) { return c >= ' ' && c <= '~'; }
bool is_letter_or_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

// {serial4} or {mac6}: what stands at the front of `text`.
struct SsidField {
  bool mac = false;
  std::size_t symbols = 0;
  std::size_t size = 0;  // of the field itself, braces included
};

std::optional<SsidField> field_at(std::string_view text) {
  std::size_t end = text.find('}');
  if (end == text.npos) return std::nullopt;
  std::string_view inside = text.substr(1, end - 1);
  SsidField out;
  out.mac = inside.starts_with("mac");
  out.size = end + 1;
  if (!out.mac && !inside.starts_with("serial")) return std::nullopt;
  inside.remove_prefix(out.mac ? 3 : 6);
  const char* last = inside.data() + inside.size();
  auto [at, error] = std::from_chars(inside.data(), last, out.symbols);
  bool fine = error == std::errc() && at == last && out.symbols >= 2 && out.symbols <= 12;
  return fine ? std::optional(out) : std::nullopt;
}

std::string last_symbols(std::string_view text, std::size_t count) {
  std::string bare;
  std::copy_if(text.begin(), text.end(), std::back_inserter(bare), is_letter_or_digit);
  if (bare.size() < count)
    throw Fault("policy.ssid", {{"reason", "serial or MAC is too short for the network's name"}});
  return bare.substr(bare.size() - count);
}

}  // namespace

std::optional<std::string> fault_in_ssid_pattern(std::string_view pattern) {
  if (pattern.empty()) return "is empty";
  if (!std::all_of(pattern.begin(), pattern.end(), is_printable_ascii))
    return "a symbol is not printable ASCII";
  if (pattern.front() == ' ' || pattern.back() == ' ') return "begins or ends with a blank";
  std::size_t size = 0, fields = 0;
  while (!pattern.empty()) {
    std::size_t taken = 1, given = 1;
    if (pattern.front() == '{') {
      auto field = field_at(pattern);
      if (!field) return "holds a brace that is not {serialN} or {macN}, N of 2 to 12";
      taken = field->size;
      given = field->symbols;
      ++fields;
    } else if (pattern.front() == '}') {
      return "holds a brace that closes nothing";
    }
    size += given;
    pattern.remove_prefix(taken);
  }
  if (fields == 0) return "gives every unit the same name: use {serialN} or {macN}";
  if (size > kLongestName) return "makes a name of more than 32 bytes";
  return std::nullopt;
}

bool ssid_needs_mac(std::string_view pattern) { return pattern.find("{mac") != pattern.npos; }

std::string derive_ssid(std::string_view pattern, std::string_view serial, std::string_view mac) {
  if (auto reason = fault_in_ssid_pattern(pattern))
    throw Fault("policy.ssid", {{"reason", *reason}});
  std::string out;
  while (!pattern.empty()) {
    std::optional<SsidField> field;
    if (pattern.front() == '{') field = field_at(pattern);
    if (field)
      out += last_symbols(field->mac ? mac : serial, field->symbols);
    else
      out += pattern.front();
    pattern.remove_prefix(field ? field->size : 1);
  }
  return out;
}

Secret wifi_qr(std::string_view ssid, const Secret& key) {
  constexpr std::string_view kMarks = "WIFI:T:WPA;S:;P:;;";
  Secret out(kMarks.size() + 2 * (ssid.size() + key.size()));
  std::size_t n = 0;
  auto put = [&](std::string_view plain) {
    for (char c : plain) out.mutable_view()[n++] = static_cast<std::uint8_t>(c);
  };
  auto put_escaped = [&](View value) {
    for (std::uint8_t c : value) {
      if (std::string_view("\\;,\":").find(static_cast<char>(c)) != std::string_view::npos)
        out.mutable_view()[n++] = '\\';
      out.mutable_view()[n++] = c;
    }
  };
  put("WIFI:T:WPA;S:");
  put_escaped(view(ssid));
  put(";P:");
  put_escaped(key.view());
  put(";;");
  out.shrink(n);
  return out;
}

}  // namespace mintmark
