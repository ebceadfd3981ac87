#include "station/credential/matter.hpp"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>

#include <algorithm>
#include <array>
#include <memory>
#include <numeric>

#include "station/words/crypto.hpp"
#include "station/words/fault.hpp"

namespace mintmark {

// --- Passcodes

bool is_matter_passcode(std::uint32_t code) {
  bool repeated = code % 11'111'111 == 0;  // 00000000, 11111111 … 99999999
  return code <= 99'999'998 && !repeated && code != 12'345'678 && code != 87'654'321;
}

static std::uint32_t bits27(View random) {
  return static_cast<std::uint32_t>(random[0] & 7U) << 24 |
         static_cast<std::uint32_t>(random[1]) << 16 | static_cast<std::uint32_t>(random[2]) << 8 |
         random[3];
}

Secret mint_matter_passcode(Vault& vault) {
  for (int tries = 0; tries < 200; ++tries) {
    Secret random = vault.random_secret(4);
    std::uint32_t code = bits27(random.view());
    if (!is_matter_passcode(code)) continue;
    Secret out(8);
    for (std::size_t i = 8; i-- > 0; code /= 10)
      out.mutable_view()[i] = static_cast<std::uint8_t>('0' + code % 10);
    return out;
  }
  throw Fault("rng.broken");
}

static std::uint32_t number_of(const Secret& passcode) {
  return std::accumulate(passcode.view().begin(), passcode.view().end(), std::uint32_t{0},
                         [](std::uint32_t sum, std::uint8_t digit) {
                           return sum * 10 + (digit - std::uint32_t{'0'});
                         });
}

// --- SPAKE2+

namespace {

template <auto Free>
struct FreeWith {
  template <class T>
  void operator()(T* p) const {
    Free(p);
  }
};
using BnContext = std::unique_ptr<BN_CTX, FreeWith<BN_CTX_free>>;
using BnSecret = std::unique_ptr<BIGNUM, FreeWith<BN_clear_free>>;
using Group = std::unique_ptr<EC_GROUP, FreeWith<EC_GROUP_free>>;
using Point = std::unique_ptr<EC_POINT, FreeWith<EC_POINT_free>>;

void must_hold(bool ok, const char* what) {
  if (!ok) throw Fault("crypto.failed", {}, what);
}

}  // namespace

// Forty big-endian bytes mod n: 64 more bits than n has, so that no remainder is likelier.
static BnSecret scalar(View forty, const EC_GROUP* group, BN_CTX* context) {
  BnSecret wide(BN_secure_new()), out(BN_secure_new());
  must_hold(wide && out &&
                BN_bin2bn(forty.data(), static_cast<int>(forty.size()), wide.get()) != nullptr &&
                BN_nnmod(out.get(), wide.get(), EC_GROUP_get0_order(group), context) == 1,
            "SPAKE2+ scalar");
  return out;
}

Secret matter_verifier(const Secret& passcode, View salt, unsigned iterations) {
  std::uint32_t code = number_of(passcode);
  Secret little_endian(4);
  for (std::size_t i = 0; i < 4; ++i)
    little_endian.mutable_view()[i] = static_cast<std::uint8_t>(code >> (8 * i));
  Secret ws = pbkdf2_sha256(little_endian.view(), salt, iterations, 80);
  Group group(EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1));
  BnContext context(BN_CTX_secure_new());
  must_hold(group && context, "P-256");
  BnSecret w0 = scalar(ws.view().first(40), group.get(), context.get());
  BnSecret w1 = scalar(ws.view().last(40), group.get(), context.get());
  Point l(EC_POINT_new(group.get()));
  Secret out(kMatterVerifier);
  std::uint8_t* to = out.mutable_view().data();
  must_hold(
      l && BN_bn2binpad(w0.get(), to, 32) == 32 &&
          EC_POINT_mul(group.get(), l.get(), w1.get(), nullptr, nullptr, context.get()) == 1 &&
          EC_POINT_point2oct(group.get(), l.get(), POINT_CONVERSION_UNCOMPRESSED, to + 32, 65,
                             context.get()) == 65,
      "SPAKE2+ verifier");
  return out;
}

Secret matter_blob(std::uint16_t discriminator, unsigned iterations, View salt,
                   const Secret& verifier) {
  must_hold(salt.size() == kMatterSalt && verifier.size() == kMatterVerifier,
            "sizes of a verifier");
  Secret out(kMatterBlob);
  auto to = out.mutable_view();
  to[0] = static_cast<std::uint8_t>(discriminator >> 8);
  to[1] = static_cast<std::uint8_t>(discriminator);
  for (std::size_t i = 0; i < 4; ++i)
    to[2 + i] = static_cast<std::uint8_t>(iterations >> (24 - 8 * i));
  std::copy(salt.begin(), salt.end(), to.begin() + 6);
  std::copy(verifier.view().begin(), verifier.view().end(), to.begin() + 6 + kMatterSalt);
  return out;
}

std::uint16_t matter_discriminator(const Secret& blob) {
  must_hold(blob.size() == kMatterBlob, "size of a Matter blob");
  return static_cast<std::uint16_t>(blob.view()[0] << 8 | blob.view()[1]);
}

View matter_salted(const Secret& blob) { return blob.view().subspan(6); }

// --- Onboarding payloads

// Fields go in with their least significant bit first, and bytes fill up the same way.
static void put_bits(std::span<std::uint8_t> out, std::size_t& at, std::uint32_t value, int count) {
  for (int i = 0; i < count; ++i, ++at)
    if ((value >> i & 1U) != 0) out[at / 8] |= static_cast<std::uint8_t>(1U << at % 8);
}

static Secret packed_payload(const MatterProduct& product, std::uint16_t discriminator,
                             const Secret& passcode) {
  Secret out(11);  // 88 bits; the last four are padding
  std::size_t at = 0;
  auto put = [&](std::uint32_t value, int count) {
    put_bits(out.mutable_view(), at, value, count);
  };
  put(0, 3);  // version
  put(product.vendor, 16);
  put(product.product, 16);
  put(product.flow, 2);
  put(product.discovery, 8);
  put(discriminator, 12);
  put(number_of(passcode), 27);
  return out;
}

// 5.1.2.2: three bytes, little-endian, are five symbols, the least significant one first; two bytes
// are four, one is two.
static void base38(View bytes, std::span<std::uint8_t> out) {
  static constexpr std::string_view kSymbols = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-.";
  static constexpr std::array<std::size_t, 4> kLength = {0, 2, 4, 5};
  while (!bytes.empty()) {
    std::size_t n = std::min<std::size_t>(bytes.size(), 3);
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < n; ++i) value |= static_cast<std::uint32_t>(bytes[i]) << (8 * i);
    for (std::size_t i = 0; i < kLength.at(n); ++i, value /= 38)
      out[i] = static_cast<std::uint8_t>(kSymbols[value % 38]);
    bytes = bytes.subspan(n);
    out = out.subspan(kLength.at(n));
  }
}

Secret matter_qr(const MatterProduct& product, std::uint16_t discriminator,
                 const Secret& passcode) {
  Secret packed = packed_payload(product, discriminator, passcode);
  Secret out(3 + 19);
  std::copy_n("MT:", 3, out.mutable_view().begin());
  base38(packed.view(), out.mutable_view().subspan(3));
  return out;
}

std::uint8_t verhoeff_digit(View digits) {
  // The dihedral group of the pentagon: 0-4 are rotations, 5-9 reflections.
  auto times = [](unsigned a, unsigned b) {
    if (a < 5) return b < 5 ? (a + b) % 5 : 5 + (a + b) % 5;
    return b < 5 ? 5 + (a + 5 - b) % 5 : (a + 5 - b) % 5;
  };
  static constexpr std::array<unsigned, 10> kPermutation = {1, 5, 7, 6, 2, 8, 3, 0, 9, 4};
  static constexpr std::array<unsigned, 10> kInverse = {0, 4, 3, 2, 1, 5, 6, 7, 8, 9};
  unsigned sum = 0;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    unsigned digit = digits[digits.size() - 1 - i] - unsigned{'0'};
    for (std::size_t n = 0; n < (i + 1) % 8; ++n) digit = kPermutation.at(digit);
    sum = times(sum, digit);
  }
  return static_cast<std::uint8_t>('0' + kInverse.at(sum));
}

static void put_decimal(std::span<std::uint8_t> out, std::uint32_t value) {
  for (std::size_t i = out.size(); i-- > 0; value /= 10)
    out[i] = static_cast<std::uint8_t>('0' + value % 10);
}

Secret matter_manual_code(const MatterProduct& product, std::uint16_t discriminator,
                          const Secret& passcode) {
  bool with_ids = product.flow != 0;
  std::uint32_t code = number_of(passcode);
  Secret out(with_ids ? 21 : 11);
  auto to = out.mutable_view();
  put_decimal(to.first(1), (discriminator >> 10 & 3U) + (with_ids ? 4U : 0U));
  put_decimal(to.subspan(1, 5), (discriminator >> 8 & 3U) << 14 | (code & 0x3fffU));
  put_decimal(to.subspan(6, 4), code >> 14);
  if (with_ids) {
    put_decimal(to.subspan(10, 5), product.vendor);
    put_decimal(to.subspan(15, 5), product.product);
  }
  to.back() = verhoeff_digit(to.first(to.size() - 1));
  return out;
}

Secret group_manual_code(const Secret& digits) {
  View from = digits.view();
  Secret out(digits.size() + 4);
  std::size_t n = 0;
  for (std::size_t size : {4U, 3U, 4U, 5U, 5U}) {
    if (from.empty()) break;
    if (n > 0) out.mutable_view()[n++] = '-';
    std::copy_n(from.begin(), size, out.mutable_view().begin() + static_cast<std::ptrdiff_t>(n));
    n += size;
    from = from.subspan(size);
  }
  out.shrink(n);
  return out;
}

}  // namespace mintmark
