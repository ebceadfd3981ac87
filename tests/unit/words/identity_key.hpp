// A key of any algorithm that signs a session's transcript, as a unit would.
#pragma once

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

#include "station/words/bytes.hpp"

namespace mintmark {

class IdentityKey {
 public:
  IdentityKey(const std::string& type, const std::string& curve, std::size_t bits)
      : key_(make(type, curve, bits), EVP_PKEY_free) {}

  Bytes spki() const {
    unsigned char* der = nullptr;
    int size = i2d_PUBKEY(key_.get(), &der);
    Bytes out(der, der + size);
    OPENSSL_free(der);
    return out;
  }

  Bytes sign(const Digest& transcript) const {
    Bytes out(512);
    std::size_t size = out.size();
    if (EVP_PKEY_get_base_id(key_.get()) == EVP_PKEY_ED25519)
      sign_message(transcript, out, size);
    else
      sign_digest(transcript, out, size);
    out.resize(size);
    return EVP_PKEY_get_base_id(key_.get()) == EVP_PKEY_EC ? p1363(out) : out;
  }

 private:
  static EVP_PKEY* make(const std::string& type, const std::string& curve, std::size_t bits) {
    if (!curve.empty()) return EVP_PKEY_Q_keygen(nullptr, nullptr, type.c_str(), curve.c_str());
    if (bits > 0) return EVP_PKEY_Q_keygen(nullptr, nullptr, type.c_str(), bits);
    return EVP_PKEY_Q_keygen(nullptr, nullptr, type.c_str());
  }

  void sign_message(const Digest& message, Bytes& out, std::size_t& size) const {
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                    &EVP_MD_CTX_free);
    EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get());
    EVP_DigestSign(context.get(), out.data(), &size, message.data(), message.size());
  }

  void sign_digest(const Digest& digest, Bytes& out, std::size_t& size) const {
    std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> context(
        EVP_PKEY_CTX_new(key_.get(), nullptr), &EVP_PKEY_CTX_free);
    EVP_PKEY_sign_init(context.get());
    if (EVP_PKEY_get_base_id(key_.get()) == EVP_PKEY_RSA)
      EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha256());
    EVP_PKEY_sign(context.get(), out.data(), &size, digest.data(), digest.size());
  }

  Bytes p1363(const Bytes& der) const {
    const unsigned char* at = der.data();
    ECDSA_SIG* parts = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()));
    auto field = static_cast<std::size_t>((EVP_PKEY_get_bits(key_.get()) + 7) / 8);
    Bytes out(2 * field);
    BN_bn2binpad(ECDSA_SIG_get0_r(parts), out.data(), static_cast<int>(field));
    BN_bn2binpad(ECDSA_SIG_get0_s(parts), out.data() + field, static_cast<int>(field));
    ECDSA_SIG_free(parts);
    return out;
  }

  std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key_;
};

}  // namespace mintmark
