#include "hsm/unit_key.hpp"

#include <openssl/evp.h>

#include <array>
#include <memory>

#include "station/words/fault.hpp"

namespace mintmark {

namespace {
constexpr std::array<std::string_view, 5> kAlgorithms = {"P-256", "P-384", "Ed25519", "RSA-2048",
                                                         "RSA-3072"};
}

std::string_view word(KeyAlgorithm algorithm) {
  return kAlgorithms.at(static_cast<std::size_t>(algorithm));
}

std::optional<KeyAlgorithm> key_algorithm_from(std::string_view word) {
  for (std::size_t i = 0; i < kAlgorithms.size(); ++i)
    if (kAlgorithms.at(i) == word) return static_cast<KeyAlgorithm>(i);
  return std::nullopt;
}

std::string_view word(WrapKdf kdf) {
  return kdf == WrapKdf::x963_sha256 ? "x963-sha256" : "aes-cbc-data";
}

Digest wrap_context(const UnitKeyOrder& order, View token_point) {
  return sha256(frame({view("mintmark/unit-key"), view(order.hardware_id.source),
                       order.hardware_id.raw(), order.run, token_point, order.unit_point}));
}

Bytes wrapped_request(const Digest& context, View spki) {
  return frame({view("mintmark/unit-key-request"), context, spki});
}

// ANSI X9.63 KDF (SEC 1, section 3.6.1), one block: Z, counter 1, shared info.
static Secret x963(const Secret& shared, const Digest& context) {
  Secret input(shared.size() + 4 + context.size());
  auto out = input.mutable_view();
  std::copy(shared.view().begin(), shared.view().end(), out.begin());
  out[shared.size() + 3] = 1;
  std::copy(context.begin(), context.end(), out.begin() + shared.size() + 4);
  Secret key(32);
  if (EVP_Digest(input.view().data(), input.size(), key.mutable_view().data(), nullptr,
                 EVP_sha256(), nullptr) != 1)
    throw Fault("crypto.failed", {}, "SHA-256");
  return key;
}

static Secret cbc(const Secret& shared, const Digest& context) {
  std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> c(EVP_CIPHER_CTX_new(),
                                                                    &EVP_CIPHER_CTX_free);
  const std::array<std::uint8_t, 16> zero{};
  Secret key(32);
  int n = 0;
  if (!c ||
      EVP_EncryptInit_ex2(c.get(), EVP_aes_256_cbc(), shared.view().data(), zero.data(), nullptr) !=
          1 ||
      EVP_CIPHER_CTX_set_padding(c.get(), 0) != 1 ||
      EVP_EncryptUpdate(c.get(), key.mutable_view().data(), &n, context.data(), 32) != 1 || n != 32)
    throw Fault("crypto.failed", {}, "AES-256-CBC");
  return key;
}

Secret wrapping_key(WrapKdf kdf, const Secret& shared, const Digest& context) {
  return kdf == WrapKdf::x963_sha256 ? x963(shared, context) : cbc(shared, context);
}

}  // namespace mintmark
