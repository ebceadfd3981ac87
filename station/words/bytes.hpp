// Byte strings and their printed forms. Decoders return nullopt on anything that is not canonical.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mintmark {

using Bytes = std::vector<std::uint8_t>;
using View = std::span<const std::uint8_t>;
using Digest = std::array<std::uint8_t, 32>;  // SHA-256 or HMAC-SHA-256

inline View view(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view text(View bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline Bytes to_bytes(View bytes) { return {bytes.begin(), bytes.end()}; }

bool equal(View a, View b);

std::string hex(View bytes);  // lower case
std::optional<Bytes> from_hex(std::string_view text);

std::string base64(View bytes);  // RFC 4648 section 4, padded
std::optional<Bytes> from_base64(std::string_view text);

// DER values that stand one behind the other (X.690 section 8.1.3), apart. What is none is the
// last.
std::vector<Bytes> split_der(View bytes);

// Each field as a 32-bit big-endian length and its bytes: the one way Mintmark joins fields that
// are signed, hashed or authenticated together, so that no two field lists give the same bytes.
Bytes frame(std::initializer_list<View> fields);

}  // namespace mintmark
