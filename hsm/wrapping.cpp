#include "hsm/wrapping.hpp"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <utility>

#include "hsm/rv.hpp"

namespace mintmark::pkcs11 {

namespace {

// DER: OBJECT IDENTIFIER (RFC 5480, RFC 8410).
constexpr std::uint8_t kOidP256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
constexpr std::uint8_t kOidP384[] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22};
constexpr std::uint8_t kOidEd25519[] = {0x06, 0x03, 0x2b, 0x65, 0x70};
// SubjectPublicKeyInfo up to the point or key (RFC 5480, RFC 8410).
constexpr std::uint8_t kSpkiP384[] = {0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86,
                                      0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b,
                                      0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00};
constexpr std::uint8_t kSpkiEd25519[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                         0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
// AlgorithmIdentifier rsaEncryption with NULL (RFC 3279).
constexpr std::uint8_t kRsaEncryption[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                           0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};
constexpr std::uint8_t kF4[] = {0x01, 0x00, 0x01};

// Cryptoki's pointers are not const-correct: it only reads what it is given as input.
CK_BYTE* readable(View bytes) { return const_cast<CK_BYTE*>(bytes.data()); }

struct Recipe {
  KeyAlgorithm algorithm;
  CK_MECHANISM_TYPE generate, sign;
  CK_KEY_TYPE type;
  View curve;         // of elliptic curves
  CK_ULONG bits = 0;  // of RSA
  std::size_t point = 0;
};

constexpr Recipe kRecipes[] = {
    {KeyAlgorithm::p256, CKM_EC_KEY_PAIR_GEN, CKM_ECDSA, CKK_EC, kOidP256, 0, 65},
    {KeyAlgorithm::p384, CKM_EC_KEY_PAIR_GEN, CKM_ECDSA, CKK_EC, kOidP384, 0, 97},
    {KeyAlgorithm::ed25519, CKM_EC_EDWARDS_KEY_PAIR_GEN, CKM_EDDSA, CKK_EC_EDWARDS, kOidEd25519, 0,
     32},
    {KeyAlgorithm::rsa2048, CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_SHA256_RSA_PKCS, CKK_RSA, {}, 2048},
    {KeyAlgorithm::rsa3072, CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_SHA256_RSA_PKCS, CKK_RSA, {}, 3072},
};

const Recipe& recipe_for(KeyAlgorithm algorithm) {
  return *std::find_if(std::begin(kRecipes), std::end(kRecipes),
                       [&](const Recipe& r) { return r.algorithm == algorithm; });
}

// Every use is stated, true or false: tokens differ in what they assume of what was not said.
void private_flags(Attributes& out, CK_ATTRIBUTE_TYPE use, bool extractable) {
  out.flag(CKA_TOKEN, false).flag(CKA_PRIVATE, true).flag(CKA_SENSITIVE, true);
  out.flag(CKA_EXTRACTABLE, extractable);
  for (CK_ATTRIBUTE_TYPE type : {CKA_SIGN, CKA_SIGN_RECOVER, CKA_DECRYPT, CKA_UNWRAP, CKA_DERIVE})
    out.flag(type, type == use);
}

Attributes secret_key(CK_ATTRIBUTE_TYPE use) {
  Attributes out;
  out.number(CKA_CLASS, CKO_SECRET_KEY).number(CKA_KEY_TYPE, CKK_AES).number(CKA_VALUE_LEN, 32);
  out.flag(CKA_TOKEN, false).flag(CKA_PRIVATE, true).flag(CKA_SENSITIVE, true);
  out.flag(CKA_EXTRACTABLE, false);
  for (CK_ATTRIBUTE_TYPE type :
       {CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY, CKA_WRAP, CKA_UNWRAP, CKA_DERIVE})
    out.flag(type, type == use);
  return out;
}

Attributes public_flags(CK_ATTRIBUTE_TYPE use) {
  Attributes out;
  out.flag(CKA_TOKEN, false).flag(CKA_PRIVATE, false);
  for (CK_ATTRIBUTE_TYPE type : {CKA_VERIFY, CKA_VERIFY_RECOVER, CKA_ENCRYPT, CKA_WRAP, CKA_DERIVE})
    out.flag(type, type == use);
  return out;
}

KeyPair generate_unit_pair(Session& session, const Recipe& recipe) {
  Attributes open = public_flags(CKA_VERIFY), secret;
  private_flags(secret, CKA_SIGN, true);
  if (recipe.type == CKK_RSA)
    open.number(CKA_MODULUS_BITS, recipe.bits).bytes(CKA_PUBLIC_EXPONENT, kF4);
  else
    open.bytes(CKA_EC_PARAMS, recipe.curve);
  return session.generate_pair(recipe.generate, open, secret);
}

KeyPair generate_ephemeral(Session& session) {
  Attributes open = public_flags(CKA_DERIVE), secret;
  private_flags(secret, CKA_DERIVE, false);
  open.bytes(CKA_EC_PARAMS, kOidP256);
  return session.generate_pair(CKM_EC_KEY_PAIR_GEN, open, secret);
}

Bytes required(Session& session, CK_OBJECT_HANDLE key, CK_ATTRIBUTE_TYPE type) {
  auto value = session.attribute(key, type);
  if (!value || value->empty())
    throw Fault("token.key", {{"key", "unit key"}, {"attribute", "public"}});
  return std::move(*value);
}

// Without its DER OCTET STRING, which some tokens leave away.
Bytes point_of(Session& session, CK_OBJECT_HANDLE open, std::size_t size) {
  Bytes point = required(session, open, CKA_EC_POINT);
  if (point.size() == size + 2 && point[0] == 0x04 && point[1] == size)
    point.erase(point.begin(), point.begin() + 2);
  if (point.size() != size)
    throw Fault("token.key", {{"key", "unit key"}, {"attribute", "CKA_EC_POINT"}});
  return point;
}

Bytes der(std::uint8_t tag, const Bytes& content) {
  Bytes out = {tag};
  if (content.size() < 0x80) {
    out.push_back(static_cast<std::uint8_t>(content.size()));
  } else {
    Bytes length;
    for (std::size_t n = content.size(); n > 0; n >>= 8)
      length.insert(length.begin(), static_cast<std::uint8_t>(n));
    out.push_back(static_cast<std::uint8_t>(0x80 | length.size()));
    out.insert(out.end(), length.begin(), length.end());
  }
  out.insert(out.end(), content.begin(), content.end());
  return out;
}

Bytes joined(std::initializer_list<View> parts) {
  Bytes out;
  for (View part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

// DER INTEGER, not negative; Cryptoki's numbers may have zeros in front.
Bytes der_number(Bytes number) {
  while (number.size() > 1 && number.front() == 0) number.erase(number.begin());
  if ((number.front() & 0x80) != 0) number.insert(number.begin(), 0);
  return der(0x02, number);
}

// RFC 3279 section 2.3.1.
Bytes rsa_spki(Session& session, CK_OBJECT_HANDLE open) {
  Bytes key = der(0x30, joined({der_number(required(session, open, CKA_MODULUS)),
                                der_number(required(session, open, CKA_PUBLIC_EXPONENT))}));
  const std::uint8_t no_unused_bits[] = {0};
  return der(0x30, joined({kRsaEncryption, der(0x03, joined({no_unused_bits, key}))}));
}

Bytes spki_of(Session& session, const Recipe& recipe, CK_OBJECT_HANDLE open) {
  if (recipe.type == CKK_RSA) return rsa_spki(session, open);
  Bytes point = point_of(session, open, recipe.point);
  switch (recipe.algorithm) {
    case KeyAlgorithm::p384:
      return joined({kSpkiP384, point});
    case KeyAlgorithm::ed25519:
      return joined({kSpkiEd25519, point});
    default:
      return p256_spki(point);
  }
}

// CKM_ECDSA signs a digest; the others digest themselves.
Bytes sign_request(Session& session, const Recipe& recipe, CK_OBJECT_HANDLE key,
                   const Bytes& request) {
  Bytes data = request;
  if (recipe.algorithm == KeyAlgorithm::p256) data = to_bytes(sha256(request));
  if (recipe.algorithm == KeyAlgorithm::p384) {
    data.resize(SHA384_DIGEST_LENGTH);
    SHA384(request.data(), request.size(), data.data());
  }
  return session.sign(recipe.sign, key, data);
}

// Mechanisms section 2.3.7 (CKM_ECDH1_DERIVE).
CK_OBJECT_HANDLE agree(Session& session, CK_OBJECT_HANDLE own, CK_ULONG kdf, View shared_data,
                       View peer, const Attributes& key) {
  CK_ECDH1_DERIVE_PARAMS params = {kdf, shared_data.size(), readable(shared_data), peer.size(),
                                   readable(peer)};
  return session.derive({CKM_ECDH1_DERIVE, &params, sizeof params}, own, key);
}

// Mechanisms section 2.15 (CKM_AES_CBC_ENCRYPT_DATA).
CK_OBJECT_HANDLE derive_by_cbc(Session& session, CK_OBJECT_HANDLE base, const Digest& context,
                               const Attributes& key) {
  CK_AES_CBC_ENCRYPT_DATA_PARAMS params = {{}, readable(context), context.size()};  // IV zero
  return session.derive({CKM_AES_CBC_ENCRYPT_DATA, &params, sizeof params}, base, key);
}

// A key that may wrap and nothing else: one that also decrypts gives away what it wraps.
CK_OBJECT_HANDLE derive_wrapping_key(Session& session, Temporary& temporary, WrapKdf kdf,
                                     CK_OBJECT_HANDLE own, View peer, const Digest& context) {
  if (kdf == WrapKdf::x963_sha256)
    return temporary.keep(agree(session, own, CKD_SHA256_KDF, context, peer, secret_key(CKA_WRAP)));
  CK_OBJECT_HANDLE shared =
      temporary.keep(agree(session, own, CKD_NULL, {}, peer, secret_key(CKA_DERIVE)));
  return temporary.keep(derive_by_cbc(session, shared, context, secret_key(CKA_WRAP)));
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

bool wraps_as_rfc5649(Session& session, const WrapMethod& method) {
  Temporary temporary(session);
  EphemeralKey partner;
  Digest context = sha256(view("mintmark: does this token wrap as RFC 5649 says?"));
  KeyPair own = temporary.keep(generate_ephemeral(session));
  auto shared = partner.agree(point_of(session, own.open, 65));
  if (!shared) return false;
  CK_OBJECT_HANDLE known = temporary.keep(known_secret(session));
  CK_OBJECT_HANDLE under =
      derive_wrapping_key(session, temporary, method.kdf, own.secret, partner.point(), context);
  Bytes wrapped = session.wrap({method.mechanism, nullptr, 0}, under, known);
  temporary.destroy_all();
  return wrapped == kwp_wrap(wrapping_key(method.kdf, *shared, context).view(), kKnown);
}

}  // namespace

Temporary::~Temporary() {
  for (CK_OBJECT_HANDLE object : objects_) {
    try {
      session_.destroy(object);
    } catch (const Fault&) {  // its session is closed next, and the object with it
    }
  }
}

CK_OBJECT_HANDLE Temporary::keep(CK_OBJECT_HANDLE object) {
  objects_.push_back(object);
  return object;
}

KeyPair Temporary::keep(KeyPair pair) {
  keep(pair.secret);
  keep(pair.open);
  return pair;
}

void Temporary::destroy_all() {
  while (!objects_.empty()) {
    CK_OBJECT_HANDLE object = objects_.back();
    objects_.pop_back();
    session_.destroy(object);
  }
}

// A token that says no to one way is asked for the next; one that is in trouble is not judged.
WrapMethod measure_wrapping(Session& session) {
  for (CK_MECHANISM_TYPE mechanism : {kAesKeyWrapKwp, kAesKeyWrapPad})
    for (WrapKdf kdf : {WrapKdf::x963_sha256, WrapKdf::aes_cbc_data}) {
      WrapMethod method{kdf, mechanism};
      try {
        if (wraps_as_rfc5649(session, method)) return method;
      } catch (const CallFault& fault) {
        if (fault.recovery() != Recovery::never) throw;
      }
    }
  throw Fault("token.refused", {{"call", "C_WrapKey"}, {"rv", "no RFC 5649"}});
}

WrappedKey make_wrapped_key(Session& session, const WrapMethod& method, const UnitKeyOrder& order) {
  if (!p256_point(p256_spki(order.unit_point)))
    throw Fault("identity.bad_point",
                {{"source", order.hardware_id.source}, {"hardware_id", order.hardware_id.id}});
  const Recipe& recipe = recipe_for(order.algorithm);
  Temporary temporary(session);
  KeyPair unit = temporary.keep(generate_unit_pair(session, recipe));
  KeyPair own = temporary.keep(generate_ephemeral(session));
  WrappedKey out;
  out.point = point_of(session, own.open, 65);
  out.spki = spki_of(session, recipe, unit.open);
  if (out.spki == p256_spki(out.point))
    throw Fault("rng.broken", {}, "the token made one key pair twice");
  Digest context = wrap_context(order, out.point);
  out.kdf = method.kdf;
  CK_OBJECT_HANDLE under =
      derive_wrapping_key(session, temporary, method.kdf, own.secret, order.unit_point, context);
  out.wrapped = session.wrap({method.mechanism, nullptr, 0}, under, unit.secret);
  out.signature = sign_request(session, recipe, unit.secret, wrapped_request(context, out.spki));
  temporary.destroy_all();
  return out;
}

}  // namespace mintmark::pkcs11
