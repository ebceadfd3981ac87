#include "station/credential/password.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <utility>

#include "station/words/fault.hpp"

namespace mintmark {

// The C library's would ask the locale.
static bool is_upper(std::uint8_t c) { return c >= 'A' && c <= 'Z'; }
static bool is_lower(std::uint8_t c) { return c >= 'a' && c <= 'z'; }
static bool is_separator(std::uint8_t c) { return c == '-' || c == ' '; }
static bool is_hex_digit(std::uint8_t c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
}
static std::uint8_t upper(std::uint8_t c) {
  return is_lower(c) ? static_cast<std::uint8_t>(c - 'a' + 'A') : c;
}

static bool has_single_case(std::string_view alphabet) {
  bool both = std::any_of(alphabet.begin(), alphabet.end(), is_upper) &&
              std::any_of(alphabet.begin(), alphabet.end(), is_lower);
  return !both;
}

double PasswordPolicy::bits() const {
  return alphabet.empty() ? 0 : length * std::log2(static_cast<double>(alphabet.size()));
}

static const char* fault_in(std::string_view alphabet) {
  if (alphabet.size() < 10) return "fewer than ten symbols";
  for (std::size_t i = 0; i < alphabet.size(); ++i) {
    auto c = static_cast<std::uint8_t>(alphabet[i]);
    if (c <= ' ' || c > '~') return "a symbol is not printable ASCII";
    if (is_separator(c)) return "a separator is no symbol";
    if (alphabet.find(alphabet[i], i + 1) != std::string_view::npos) return "a symbol twice";
  }
  if (has_single_case(alphabet) && std::any_of(alphabet.begin(), alphabet.end(), is_lower))
    return "letters of a single case are written in upper case";
  return nullptr;
}

void PasswordPolicy::check() const {
  if (const char* reason = fault_in(alphabet)) throw Fault("policy.alphabet", {{"reason", reason}});
  if (length < 1 || length > 63) throw Fault("policy.length", {{"length", std::to_string(length)}});
  if (bits() >= 64) return;
  char number[16];
  std::snprintf(number, sizeof number, "%.1f", bits());
  throw Fault("policy.weak", {{"bits", number}});
}

Secret canonical(View printed, const PasswordPolicy& policy) {
  Secret out(printed.size());
  bool fold = has_single_case(policy.alphabet);
  std::size_t n = 0;
  for (std::uint8_t c : printed)
    if (!is_separator(c)) out.mutable_view()[n++] = fold ? upper(c) : c;
  out.shrink(n);
  return out;
}

Sampled sample(View random, std::string_view alphabet, std::span<std::uint8_t> out) {
  const std::size_t limit = 256 - 256 % alphabet.size();
  Sampled done{0, 0};
  while (done.symbols < out.size() && done.used < random.size()) {
    std::size_t byte = random[done.used++];
    if (byte >= limit) continue;
    out[done.symbols++] = static_cast<std::uint8_t>(alphabet[byte % alphabet.size()]);
  }
  return done;
}

static bool all_hex(View password, std::string_view alphabet) {
  // An alphabet of digits cannot avoid it.
  if (std::all_of(alphabet.begin(), alphabet.end(), is_hex_digit)) return false;
  return std::all_of(password.begin(), password.end(), is_hex_digit);
}

static bool has_run_of_four(View password) {
  for (std::size_t i = 0; i + 4 <= password.size(); ++i)
    if (std::all_of(password.begin() + i, password.begin() + i + 4,
                    [&](std::uint8_t c) { return c == password[i]; }))
      return true;
  return false;
}

static Bytes bare(std::string_view text) {
  Bytes out;
  for (std::uint8_t c : view(text))
    if (!is_separator(c) && c != ':') out.push_back(upper(c));
  return out;
}

static bool shares_four(View password, View text) {
  auto same_symbol = [](std::uint8_t a, std::uint8_t b) { return upper(a) == b; };
  for (std::size_t i = 0; i + 4 <= text.size(); ++i) {
    View part = text.subspan(i, 4);
    if (std::search(password.begin(), password.end(), part.begin(), part.end(), same_symbol) !=
        password.end())
      return true;
  }
  return false;
}

std::optional<Unfit> unfit(View password, std::string_view alphabet,
                           const std::vector<std::string>& public_strings) {
  if (all_hex(password, alphabet)) return Unfit::hexadecimal;
  if (has_run_of_four(password)) return Unfit::run_of_four;
  for (const std::string& text : public_strings)
    if (shares_four(password, bare(text))) return Unfit::public_string;
  return std::nullopt;
}

// Random bytes, 32 at a time: of which try, and of which block in it.
using Source = std::function<Secret(int tried, int block)>;

static Secret draw(const PasswordPolicy& policy, const Source& source, int tried) {
  Secret out(static_cast<std::size_t>(policy.length));
  auto rest = out.mutable_view();
  for (int block = 0; !rest.empty(); ++block) {
    Secret random = source(tried, block);
    std::size_t symbols = sample(random.view(), policy.alphabet, rest).symbols;
    if (symbols == 0) throw Fault("rng.broken");  // less than once in 10^15 by chance
    rest = rest.subspan(symbols);
  }
  return out;
}

static Secret first_fit(const PasswordPolicy& policy, const Source& source,
                        const std::vector<std::string>& public_strings, Redraws* redraws) {
  policy.check();
  Redraws counted{};
  for (int tried = 0; tried < 100; ++tried) {
    Secret password = draw(policy, source, tried);
    auto why = unfit(password.view(), policy.alphabet, public_strings);
    if (!why && redraws != nullptr) *redraws = counted;
    if (!why) return password;
    ++counted.at(static_cast<std::size_t>(*why));
  }
  throw Fault("rng.broken");
}

Secret mint_password(Vault& vault, const PasswordPolicy& policy,
                     const std::vector<std::string>& public_strings, Redraws* redraws) {
  auto source = [&](int, int) { return vault.random_secret(32); };
  return first_fit(policy, source, public_strings, redraws);
}

Secret derive_password(Vault& vault, const PasswordPolicy& policy, View context,
                       const std::vector<std::string>& public_strings, Redraws* redraws) {
  auto source = [&](int tried, int block) {
    std::string which = std::to_string(tried) + "." + std::to_string(block);
    return vault.derive(frame({view("mintmark derived password 1"), context, view(which)}));
  };
  return first_fit(policy, source, public_strings, redraws);
}

}  // namespace mintmark
