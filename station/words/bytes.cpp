#include "station/words/bytes.hpp"

#include <openssl/evp.h>

#include <algorithm>

namespace mintmark {

bool equal(View a, View b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

std::string hex(View bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (std::uint8_t b : bytes) {
    out += kDigits[b >> 4];
    out += kDigits[b & 15];
  }
  return out;
}

static int nibble(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

std::optional<Bytes> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  Bytes out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    int high = nibble(text[i]), low = nibble(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<std::uint8_t>(high << 4 | low));
  }
  return out;
}

std::string base64(View bytes) {
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');
  int n = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), bytes.data(),
                          static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(n));
  return out;
}

std::optional<Bytes> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  Bytes out(text.size() / 4 * 3);
  int n = EVP_DecodeBlock(out.data(), view(text).data(), static_cast<int>(text.size()));
  if (n < 0) return std::nullopt;
  std::size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  out.resize(static_cast<std::size_t>(n) - padding);
  if (base64(out) != text) return std::nullopt;  // only the canonical spelling
  return out;
}

Bytes frame(std::initializer_list<View> fields) {
  Bytes out;
  for (View field : fields) {
    auto n = static_cast<std::uint32_t>(field.size());
    for (int shift = 24; shift >= 0; shift -= 8)
      out.push_back(static_cast<std::uint8_t>(n >> shift));
    out.insert(out.end(), field.begin(), field.end());
  }
  return out;
}

// Length of the value at the start; all of it where it is none.
static std::size_t der_size(View bytes) {
  if (bytes.size() < 2) return bytes.size();
  if (bytes[1] < 0x80) return std::min<std::size_t>(bytes.size(), 2U + bytes[1]);
  std::size_t octets = bytes[1] & 0x7fU, size = 0;
  if (octets > 4 || bytes.size() < 2 + octets) return bytes.size();
  for (std::size_t i = 0; i < octets; ++i) size = size << 8 | bytes[2 + i];
  return std::min(bytes.size(), 2 + octets + size);
}

std::vector<Bytes> split_der(View bytes) {
  std::vector<Bytes> out;
  while (!bytes.empty()) {
    std::size_t size = der_size(bytes);
    out.push_back(to_bytes(bytes.first(size)));
    bytes = bytes.subspan(size);
  }
  return out;
}

}  // namespace mintmark
