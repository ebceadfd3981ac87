// Passwords: what a product may ask for, how they are minted, printed and compared.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hsm/vault.hpp"
#include "station/words/secret.hpp"

namespace mintmark {

// 2-9 and A-Z without I, L, O: 31 symbols that people do not confuse, 4.954 bits each.
inline constexpr std::string_view kA31 = "23456789ABCDEFGHJKMNPQRSTUVWXYZ";

struct PasswordPolicy {
  PasswordPolicy() = default;
  PasswordPolicy(std::string alphabet_, int length_)
      : alphabet(std::move(alphabet_)), length(length_) {}
  std::string alphabet{kA31};
  int length = 16;

  double bits() const;
  // Fault("policy.weak", bits) below 64 bits; Fault("policy.alphabet", reason) for fewer than ten
  // symbols, a symbol twice, a separator or anything but printable ASCII, and for an alphabet with
  // lower-case letters only: its canonical form would be upper case, and so must be what is asked
  // for. Fault("policy.length") above 63, the longest Wi-Fi passphrase.
  void check() const;
};

// FORMATS, "Fingerprint": without '-' and space, and in upper case if and only if the alphabet has
// a single case. It is what the unit gets, and what is fingerprinted.
Secret canonical(View printed, const PasswordPolicy& policy);

// Symbols from random bytes without bias: with n symbols a byte below the largest multiple of n
// (248 for A31) gives alphabet[byte mod n], any other is skipped.
struct Sampled {
  std::size_t symbols, used;  // written to `out`, read from `random`
};
Sampled sample(View random, std::string_view alphabet, std::span<std::uint8_t> out);

// Why a password must be drawn again: it consists of hexadecimal digits (readers take such Wi-Fi
// keys for raw keys), repeats a symbol four times in a row, or shares four symbols in a row with
// what is public about the unit (serial, hardware id; separators and case do not count).
enum class Unfit { hexadecimal, run_of_four, public_string };
std::optional<Unfit> unfit(View password, std::string_view alphabet,
                           const std::vector<std::string>& public_strings);
using Redraws = std::array<std::int64_t, 3>;  // how often, by Unfit

// A fresh password in canonical form from the token's generator. The policy is checked. Of unfit
// draws only the numbers are told. Fault("rng.broken") if 100 draws in a row are unfit.
Secret mint_password(Vault& vault, const PasswordPolicy& policy,
                     const std::vector<std::string>& public_strings = {},
                     Redraws* redraws = nullptr);

// The same, but not drawn: derived in the token under its derivation key from `context`, which must
// never be the same twice (another context for each unit, and for each time that it gets a new
// one). Floor, filters and alphabets are those of a drawn one. Fault("token.key") without that key.
Secret derive_password(Vault& vault, const PasswordPolicy& policy, View context,
                       const std::vector<std::string>& public_strings = {},
                       Redraws* redraws = nullptr);

}  // namespace mintmark
