#include "hsm/route.hpp"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>

#include "hsm/rv.hpp"
#include "hsm/templates.hpp"

namespace mintmark::pkcs11 {

namespace {

template <class T, void (*Free)(T*)>
struct Freed {
  void operator()(T* it) const { Free(it); }
};
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, Freed<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>>;
using Cipher = std::unique_ptr<EVP_CIPHER, Freed<EVP_CIPHER, EVP_CIPHER_free>>;
using PrivateKeyInfo =
    std::unique_ptr<PKCS8_PRIV_KEY_INFO, Freed<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY, EVP_PKEY_free>>;

constexpr std::size_t kKeySize = 32;
constexpr std::array<std::uint8_t, 4> kFirstCounter = {0, 0, 0, 1};

// PKCS#11 section 2.3.8, CK_ECDH1_DERIVE_PARAMS: most tokens take the point as it is, some want it
// in the DER OCTET STRING that CKA_EC_POINT has.
CK_OBJECT_HANDLE agree(Session& session, CK_OBJECT_HANDLE ephemeral, View peer, CK_ULONG kdf,
                       View shared_data, const Attributes& key) {
  CK_ECDH1_DERIVE_PARAMS params{};
  params.kdf = kdf;
  params.shared_data = const_cast<CK_BYTE*>(shared_data.data());
  params.shared_data_len = shared_data.size();
  params.public_data = const_cast<CK_BYTE*>(peer.data());
  params.public_data_len = peer.size();
  return session.derive({CKM_ECDH1_DERIVE, &params, sizeof params}, ephemeral, key);
}

// PKCS#11 section 2.15.1, CK_AES_CBC_ENCRYPT_DATA_PARAMS.
CK_OBJECT_HANDLE encrypt_data(Session& session, CK_OBJECT_HANDLE base, const Digest& context,
                              const Attributes& key) {
  CK_AES_CBC_ENCRYPT_DATA_PARAMS params{};
  params.data_params = const_cast<CK_BYTE*>(context.data());
  params.length = context.size();
  return session.derive({CKM_AES_CBC_ENCRYPT_DATA, &params, sizeof params}, base, key);
}

Secret aes_cbc(View key, const Digest& context) {
  Secret out(kKeySize);
  CipherContext cipher(EVP_CIPHER_CTX_new());
  std::array<std::uint8_t, 16> iv{};
  int size = 0;
  bool done =
      EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_cbc(), nullptr, key.data(), iv.data()) == 1 &&
      EVP_CIPHER_CTX_set_padding(cipher.get(), 0) == 1 &&
      EVP_EncryptUpdate(cipher.get(), out.mutable_view().data(), &size, context.data(),
                        static_cast<int>(context.size())) == 1;
  if (!done || size != static_cast<int>(kKeySize)) throw Fault("crypto.failed");
  return out;
}

// The public point of a PKCS#8 private key, recomputed; bytes after it are padding that some tokens
// put there before they wrap.
Bytes point_of(View pkcs8) {
  const unsigned char* at = pkcs8.data();
  PrivateKeyInfo info(d2i_PKCS8_PRIV_KEY_INFO(nullptr, &at, static_cast<long>(pkcs8.size())));
  Key key(info ? EVP_PKCS82PKEY(info.get()) : nullptr);
  Bytes out(65);
  std::size_t size = 0;
  if (!key || EVP_PKEY_get_octet_string_param(key.get(), "pub", out.data(), out.size(), &size) != 1)
    return {};
  out.resize(size);
  return out;
}

bool arrives(Session& session, const WrapRoute& route) {
  EphemeralKey unit;
  Digest context = sha256(view("mintmark: is this a way for a key?"));
  KeyPair ephemeral = session.generate_pair(
      CKM_EC_KEY_PAIR_GEN, session_public(CKK_EC, {}).bytes(CKA_EC_PARAMS, kP256Parameters),
      session_private(CKK_EC, {CKA_DERIVE}, Leaves::never));
  KeyPair made = session.generate_pair(
      CKM_EC_KEY_PAIR_GEN,
      session_public(CKK_EC, {CKA_VERIFY}).bytes(CKA_EC_PARAMS, kP256Parameters),
      session_private(CKK_EC, {CKA_SIGN}, Leaves::wrapped));
  CK_OBJECT_HANDLE wrapping =
      derive_wrapping_key(session, route.kdf, ephemeral.secret, unit.point(), context);
  Bytes blob = session.wrap({route.wrap, nullptr, 0}, wrapping, made.secret);
  auto shared = unit.agree(session_point(session, ephemeral.open));
  if (!shared) return false;
  auto plain = unwrap_kwp(wrapping_key(route.kdf, shared->view(), context).view(), blob);
  return plain && point_of(plain->view()) == session_point(session, made.open);
}

}  // namespace

CK_OBJECT_HANDLE derive_wrapping_key(Session& session, Kdf kdf, CK_OBJECT_HANDLE ephemeral,
                                     View peer, const Digest& context) {
  Attributes wrapping = session_secret(CKK_AES, {CKA_WRAP}, Leaves::never);
  wrapping.number(CKA_VALUE_LEN, kKeySize);
  if (kdf == Kdf::x963_sha256)
    return agree(session, ephemeral, peer, CKD_SHA256_KDF, context, wrapping);
  Attributes deriving = session_secret(CKK_AES, {CKA_DERIVE}, Leaves::never);
  deriving.number(CKA_VALUE_LEN, kKeySize);
  CK_OBJECT_HANDLE base = agree(session, ephemeral, peer, CKD_NULL, {}, deriving);
  CK_OBJECT_HANDLE out = encrypt_data(session, base, context, wrapping);
  session.destroy(base);
  return out;
}

Secret wrapping_key(Kdf kdf, View shared, const Digest& context) {
  if (kdf == Kdf::aes_cbc_data) return aes_cbc(shared, context);
  Secret input(shared.size() + kFirstCounter.size() + context.size());
  auto at = std::copy(shared.begin(), shared.end(), input.mutable_view().begin());
  at = std::copy(kFirstCounter.begin(), kFirstCounter.end(), at);
  std::copy(context.begin(), context.end(), at);
  Digest out = sha256(input.view());
  return Secret::copy_of(out);
}

std::optional<Secret> unwrap_kwp(View key, View wrapped) {
  Cipher wrap(EVP_CIPHER_fetch(nullptr, "AES-256-WRAP-PAD", nullptr));
  CipherContext context(EVP_CIPHER_CTX_new());
  Secret out(wrapped.size() + 16);
  int size = 0;
  if (key.size() != kKeySize || wrapped.size() < 16 ||
      EVP_DecryptInit_ex(context.get(), wrap.get(), nullptr, key.data(), nullptr) != 1 ||
      EVP_DecryptUpdate(context.get(), out.mutable_view().data(), &size, wrapped.data(),
                        static_cast<int>(wrapped.size())) != 1)
    return std::nullopt;
  out.shrink(static_cast<std::size_t>(size));
  return out;
}

std::optional<WrapRoute> measure_wrap_route(const std::function<std::unique_ptr<Session>()>& open) {
  for (Kdf kdf : {Kdf::x963_sha256, Kdf::aes_cbc_data})
    for (CK_MECHANISM_TYPE wrap : {kAesKeyWrapKwp, CK_MECHANISM_TYPE{CKM_AES_KEY_WRAP_PAD}}) {
      try {
        WrapRoute route{kdf, wrap};
        auto session = open();
        if (arrives(*session, route)) return route;
      } catch (const CallFault& fault) {
        if (fault.recovery() != Recovery::never) throw;
      }
    }
  return std::nullopt;
}

}  // namespace mintmark::pkcs11
