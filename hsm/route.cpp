#include "hsm/route.hpp"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <array>

#include "hsm/rv.hpp"
#include "hsm/templates.hpp"

namespace mintmark::pkcs11 {

namespace {

template <class T, void (*Free)(T*)>
struct Freed {
  void operator()(T* it) const { Free(it); }
};
using PrivateKeyInfo =
    std::unique_ptr<PKCS8_PRIV_KEY_INFO, Freed<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY, EVP_PKEY_free>>;

constexpr std::size_t kKeySize = 32;

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

// The self-test's subject: 24 bytes. RFC 5649 makes 32 of them, PKCS#7 and RFC 3394 make 40. A
// length that is no multiple of 8 would accuse SoftHSM2, which adds zeros before it wraps:
// harmless, since what we wrap says its own length (DER).
constexpr std::uint8_t kKnown[] = {0xc3, 0x7b, 0x7e, 0x64, 0x92, 0x58, 0x43, 0x40,
                                   0xbe, 0xd1, 0x22, 0x07, 0x80, 0x89, 0x41, 0x15,
                                   0x50, 0x68, 0xf7, 0x38, 0x11, 0x22, 0x33, 0x44};

CK_OBJECT_HANDLE known_secret(Session& session) {
  Attributes key;
  key.number(CKA_CLASS, CKO_SECRET_KEY).number(CKA_KEY_TYPE, CKK_GENERIC_SECRET);
  key.flag(CKA_TOKEN, false).flag(CKA_PRIVATE, true).flag(CKA_EXTRACTABLE, true);
  key.flag(CKA_SIGN, false).flag(CKA_VERIFY, false).flag(CKA_DERIVE, false);
  key.bytes(CKA_VALUE, kKnown);
  return session.create(key);
}

bool wraps_as_rfc5649(Session& session, CK_MECHANISM_TYPE wrap, CK_OBJECT_HANDLE wrapping,
                      const Secret& same) {
  Bytes wrapped = session.wrap({wrap, nullptr, 0}, wrapping, known_secret(session));
  return wrapped == kwp_wrap(same.view(), kKnown);
}

bool a_key_arrives(Session& session, CK_MECHANISM_TYPE wrap, CK_OBJECT_HANDLE wrapping,
                   const Secret& same) {
  KeyPair made = session.generate_pair(
      CKM_EC_KEY_PAIR_GEN,
      session_public(CKK_EC, {CKA_VERIFY}).bytes(CKA_EC_PARAMS, kP256Parameters),
      session_private(CKK_EC, {CKA_SIGN}, Leaves::wrapped));
  Bytes blob = session.wrap({wrap, nullptr, 0}, wrapping, made.secret);
  auto plain = kwp_unwrap(same.view(), blob);
  Bytes point = ec_point(session, made.open, kP256Point);
  return plain && !point.empty() && point_of(plain->view()) == point;
}

bool leads_to_a_unit(Session& session, const WrapRoute& route) {
  EphemeralKey unit;
  Digest context = sha256(view("mintmark: is this a way for a key?"));
  KeyPair ephemeral = session.generate_pair(
      CKM_EC_KEY_PAIR_GEN, session_public(CKK_EC, {}).bytes(CKA_EC_PARAMS, kP256Parameters),
      session_private(CKK_EC, {CKA_DERIVE}, Leaves::never));
  CK_OBJECT_HANDLE wrapping =
      derive_wrapping_key(session, route.kdf, ephemeral.secret, unit.point(), context);
  auto shared = unit.agree(ec_point(session, ephemeral.open, kP256Point));
  if (!shared) return false;
  Secret same = wrapping_key(route.kdf, *shared, context);
  return wraps_as_rfc5649(session, route.wrap, wrapping, same) &&
         a_key_arrives(session, route.wrap, wrapping, same);
}

}  // namespace

CK_OBJECT_HANDLE derive_wrapping_key(Session& session, WrapKdf kdf, CK_OBJECT_HANDLE ephemeral,
                                     View peer, const Digest& context) {
  Attributes wrapping = session_secret(CKK_AES, {CKA_WRAP}, Leaves::never);
  wrapping.number(CKA_VALUE_LEN, kKeySize);
  if (kdf == WrapKdf::x963_sha256)
    return agree(session, ephemeral, peer, CKD_SHA256_KDF, context, wrapping);
  Attributes deriving = session_secret(CKK_AES, {CKA_DERIVE}, Leaves::never);
  deriving.number(CKA_VALUE_LEN, kKeySize);
  CK_OBJECT_HANDLE base = agree(session, ephemeral, peer, CKD_NULL, {}, deriving);
  CK_OBJECT_HANDLE out = encrypt_data(session, base, context, wrapping);
  session.destroy(base);
  return out;
}

// A token that says no to one way is asked for the next; one that is in trouble is not judged.
std::optional<WrapRoute> measure_wrap_route(const std::function<std::unique_ptr<Session>()>& open) {
  for (CK_MECHANISM_TYPE wrap : {kAesKeyWrapKwp, CK_MECHANISM_TYPE{CKM_AES_KEY_WRAP_PAD}})
    for (WrapKdf kdf : {WrapKdf::x963_sha256, WrapKdf::aes_cbc_data}) {
      try {
        WrapRoute route{kdf, wrap};
        auto session = open();
        if (leads_to_a_unit(*session, route)) return route;
      } catch (const CallFault& fault) {
        if (fault.recovery() != Recovery::never) throw;
      }
    }
  return std::nullopt;
}

}  // namespace mintmark::pkcs11
