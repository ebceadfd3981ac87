#include "station/product/lint.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <map>
#include <optional>

#include "station/words/bytes.hpp"
#include "station/words/fault.hpp"

namespace mintmark {

namespace embedded {
std::string_view schema_files(std::string_view path);
}

namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_separating(char c) { return c == '-' || c == ' ' || c == ':' || c == '.' || c == '_'; }

// ---- short

// Bits of a password whose symbols were drawn from every kind that occurs in it: no scheme that
// made it has more.
double most_bits(const std::string& password) {
  bool digit = false, hex = true, upper = false, small = false, other = false;
  std::size_t size = 0;
  for (char c : password) {
    if (is_separating(c)) continue;
    ++size;
    bool is_digit = c >= '0' && c <= '9', is_upper = c >= 'A' && c <= 'Z',
         is_small = c >= 'a' && c <= 'z';
    digit |= is_digit;
    upper |= is_upper;
    small |= is_small;
    other |= !is_digit && !is_upper && !is_small;
    hex &= is_digit || (lower(c) >= 'a' && lower(c) <= 'f');
  }
  double symbols = 10.0 * digit + 26.0 * upper + 26.0 * small + 32.0 * other;
  if (hex && (upper || small) && upper != small) symbols = 16;
  return symbols < 2 ? 0 : static_cast<double>(size) * std::log2(symbols);
}

// ---- counter

std::size_t common(std::string_view a, std::string_view b) {
  auto end = std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first;
  return static_cast<std::size_t>(end - a.begin());
}

// The value of `text` as a number whose digits are 0-9, then a-z.
std::optional<long double> number(std::string_view text, int base) {
  long double out = 0;
  for (char c : text) {
    int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'z' ? c - 'a' + 10 : base;
    if (digit >= base) return std::nullopt;
    out = out * base + digit;
  }
  return out;
}

// What one must add to get from `a` to `b`, where they differ in one number; nothing for none.
std::optional<long double> step(const std::string& a, const std::string& b, int base) {
  if (a.size() != b.size() || a == b) return std::nullopt;
  std::size_t from = common(a, b);
  std::string back_a(a.rbegin(), a.rend()), back_b(b.rbegin(), b.rend());
  std::size_t behind = std::min(common(back_a, back_b), a.size() - from);
  // A carry widens the part that differs; more than six digits of it are no counter.
  std::size_t size = a.size() - from - behind;
  if (size > 6) return std::nullopt;
  auto x = number(std::string_view(a).substr(from, size), base);
  auto y = number(std::string_view(b).substr(from, size), base);
  if (!x || !y) return std::nullopt;
  return (*y - *x) * std::pow(static_cast<long double>(base), static_cast<long double>(behind));
}

bool counts(const std::string& a, const std::string& b, const std::string& c) {
  for (int base : {10, 16, 36}) {
    auto first = step(a, b, base), second = step(b, c, base);
    if (first && second && *first == *second) return true;
  }
  return false;
}

// ---- derived

bool shares_with(const std::string& password, const std::string& text) {
  constexpr std::size_t kShared = 4;
  for (std::size_t i = 0; i + kShared <= text.size(); ++i)
    if (password.find(text.substr(i, kShared)) != std::string::npos) return true;
  return false;
}

std::string base32(View bytes) {
  static constexpr std::string_view kDigits = "abcdefghijklmnopqrstuvwxyz234567";
  std::string out;
  unsigned held = 0;
  int bits = 0;
  for (std::uint8_t byte : bytes) {
    held = (held << 8 | byte) & 0xFFFFU;
    for (bits += 8; bits >= 5; bits -= 5) out += kDigits[(held >> (bits - 5)) & 31];
  }
  return out;
}

// The forms in which a digest of `input` would appear.
std::vector<std::string> digests(View input) {
  std::vector<std::string> out;
  for (const char* name : {"MD5", "SHA1", "SHA256"}) {
    Bytes digest(64);
    std::size_t size = 0;
    if (EVP_Q_digest(nullptr, name, nullptr, input.data(), input.size(), digest.data(), &size) != 1)
      continue;
    digest.resize(size);
    out.push_back(hex(digest));
    out.push_back(base32(digest));
    out.push_back(plain_form(base64(digest)));
  }
  return out;
}

// What a scheme may have hashed: the text as printed, in either case, bare, and as bytes.
std::set<Bytes> spellings(const std::string& text) {
  std::string small, upper, bare = plain_form(text), bare_upper;
  for (char c : text) small += lower(c);
  auto to_upper = [](char c) { return static_cast<char>(std::toupper(c)); };
  std::transform(small.begin(), small.end(), std::back_inserter(upper), to_upper);
  std::transform(bare.begin(), bare.end(), std::back_inserter(bare_upper), to_upper);
  std::set<Bytes> out;
  for (const std::string& form : {text, small, upper, bare, bare_upper})
    out.insert(to_bytes(view(form)));
  if (auto raw = from_hex(bare)) out.insert(*raw);
  return out;
}

bool is_digest_of(const std::string& password, const std::string& text) {
  for (const Bytes& spelling : spellings(text))
    for (const std::string& digest : digests(spelling))
      if (digest.find(password) != std::string::npos) return true;
  return false;
}

std::optional<std::string> derived_from(const LabelSample& sample) {
  constexpr std::size_t kNoAccident = 8;  // so many symbols in a row of a digest
  std::string password = plain_form(sample.password);
  const std::pair<const char*, const std::string*> sources[] = {
      {"serial", &sample.serial}, {"MAC", &sample.mac}, {"SSID", &sample.ssid}};
  for (const auto& [name, text] : sources) {
    std::string bare = plain_form(*text), backwards(bare.rbegin(), bare.rend());
    if (shares_with(password, bare) || shares_with(password, backwards))
      return std::string("shares four symbols in a row with the ") + name;
    if (!bare.empty() && password.size() >= kNoAccident && is_digest_of(password, *text))
      return std::string("is part of a digest of the ") + name;
  }
  return std::nullopt;
}

// ---- samples

std::vector<std::string> cells(std::string_view line) {
  std::vector<std::string> out(1);
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    char c = line[i];
    if (c == '"' && quoted && i + 1 < line.size() && line[i + 1] == '"')
      out.back() += line[++i];
    else if (c == '"')
      quoted = !quoted;
    else if (c == ',' && !quoted)
      out.emplace_back();
    else
      out.back() += c;
  }
  return out;
}

std::vector<std::string_view> lines(std::string_view text) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    out.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

[[noreturn]] void malformed(std::size_t line, const std::string& reason) {
  throw Fault("samples.malformed", {{"line", std::to_string(line)}, {"reason", reason}});
}

std::string* column(LabelSample& sample, const std::string& name) {
  if (name == "password") return &sample.password;
  if (name == "serial") return &sample.serial;
  if (name == "mac") return &sample.mac;
  return name == "ssid" ? &sample.ssid : nullptr;
}

bool of_one_symbol(const std::string& password) {
  return password.find_first_not_of(password.front()) == std::string::npos;
}

}  // namespace

std::string plain_form(std::string_view password) {
  std::string out;
  for (char c : password)
    if (!is_separating(c)) out += lower(c);
  return out;
}

std::set<std::string> read_defaults(std::string_view text) {
  std::set<std::string> out;
  for (std::string_view line : lines(text))
    if (!line.empty() && line.front() != '#') out.insert(plain_form(line));
  out.erase("");
  return out;
}

const std::set<std::string>& known_defaults() {
  static const std::set<std::string> all =
      read_defaults(embedded::schema_files("known-defaults.txt"));
  return all;
}

std::vector<LabelSample> read_samples(std::string_view csv) {
  std::vector<std::string_view> rows = lines(csv);
  if (rows.empty()) malformed(1, "no header");
  std::vector<std::string> header = cells(rows.front());
  LabelSample probe;
  for (const std::string& name : header)
    if (column(probe, name) == nullptr) malformed(1, "no column is called '" + name + "'");
  if (std::find(header.begin(), header.end(), "password") == header.end())
    malformed(1, "the column password is missing");
  std::vector<LabelSample> out;
  for (std::size_t row = 1; row < rows.size(); ++row) {
    if (rows[row].empty()) continue;
    std::vector<std::string> values = cells(rows[row]);
    if (values.size() != header.size()) malformed(row + 1, "not as many values as columns");
    LabelSample& sample = out.emplace_back();
    for (std::size_t i = 0; i < values.size(); ++i) *column(sample, header[i]) = values[i];
    if (plain_form(sample.password).empty()) malformed(row + 1, "no password");
  }
  return out;
}

std::vector<PasswordFinding> lint_passwords(const std::vector<LabelSample>& samples,
                                            const std::set<std::string>& defaults) {
  std::vector<PasswordFinding> out;
  std::map<std::string, int> first;
  std::vector<std::string> plain;
  for (const LabelSample& sample : samples) {
    int n = static_cast<int>(plain.size()) + 1;
    plain.push_back(plain_form(sample.password));
    const std::string& password = plain.back();
    if (most_bits(sample.password) < 64)
      out.emplace_back("password.short", n, "has less than 64 bits, however it was made");
    if (defaults.contains(password))
      out.emplace_back("password.known_default", n, "is on the list of known defaults");
    auto [other, fresh] = first.emplace(password, n);
    if (!fresh)
      out.emplace_back("password.constant", n,
                       "is that of sample " + std::to_string(other->second));
    else if (of_one_symbol(password))
      out.emplace_back("password.constant", n, "is one symbol again and again");
    if (n >= 3 && counts(plain[plain.size() - 3], plain[plain.size() - 2], password))
      out.emplace_back("password.counter", n, "goes on from the two before it by the same step");
    if (auto how = derived_from(sample)) out.emplace_back("password.derived", n, *how);
  }
  return out;
}

}  // namespace mintmark
