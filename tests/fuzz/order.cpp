// What comes signed by an owner: the signature is made here, so that what is behind it is reached.
#include <openssl/evp.h>

#include "station/ledger/lots.hpp"
#include "station/ledger/people.hpp"
#include "station/words/crypto.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace mintmark;

namespace {

constexpr const char* kStation = "11111111-2222-4333-8444-555555555555";

struct Owner {
  Owner() {
    std::size_t size = public_key.size();
    EVP_PKEY_get_raw_public_key(key, public_key.data(), &size);
  }
  ~Owner() { EVP_PKEY_free(key); }
  Owner(const Owner&) = delete;
  Owner& operator=(const Owner&) = delete;

  std::string sign(View bytes) const {
    Bytes signature(64);
    std::size_t size = signature.size();
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    EVP_DigestSignInit(context, nullptr, nullptr, nullptr, key);
    EVP_DigestSign(context, signature.data(), &size, bytes.data(), bytes.size());
    EVP_MD_CTX_free(context);
    return base64(signature);
  }

  EVP_PKEY* key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  Bytes public_key = Bytes(32);
};

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Owner owner;
  fuzz::Input input(data, size);
  std::string signature = owner.sign(input.bytes);
  fuzz::answers([&] {
    if (input.choice % 2 == 0)
      read_order(input.bytes, signature, owner.public_key, kStation);
    else
      read_roster(input.bytes, signature, owner.public_key, kStation);
  });
  // As it came, with a signature of nobody.
  fuzz::answers([&] { read_order(input.bytes, text(input.bytes), owner.public_key, kStation); });
  return 0;
}
