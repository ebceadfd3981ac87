#include "hsm/wrapping.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <utility>

#include "hsm/rv.hpp"
#include "hsm/templates.hpp"

namespace mintmark::pkcs11 {

namespace {

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

struct Recipe {
  KeyAlgorithm algorithm;
  CK_MECHANISM_TYPE generate, sign;
  CK_KEY_TYPE type;
  View curve;         // of elliptic curves
  CK_ULONG bits = 0;  // of RSA
  std::size_t point = 0;
};

constexpr Recipe kRecipes[] = {
    {KeyAlgorithm::p256, CKM_EC_KEY_PAIR_GEN, CKM_ECDSA, CKK_EC, kP256Parameters, 0, kP256Point},
    {KeyAlgorithm::p384, CKM_EC_KEY_PAIR_GEN, CKM_ECDSA, CKK_EC, kP384Parameters, 0, kP384Point},
    {KeyAlgorithm::ed25519, CKM_EC_EDWARDS_KEY_PAIR_GEN, CKM_EDDSA, CKK_EC_EDWARDS,
     kEd25519Parameters, 0, kEd25519Point},
    {KeyAlgorithm::rsa2048, CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_SHA256_RSA_PKCS, CKK_RSA, {}, 2048},
    {KeyAlgorithm::rsa3072, CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_SHA256_RSA_PKCS, CKK_RSA, {}, 3072},
};

const Recipe& recipe_for(KeyAlgorithm algorithm) {
  return *std::find_if(std::begin(kRecipes), std::end(kRecipes),
                       [&](const Recipe& r) { return r.algorithm == algorithm; });
}

KeyPair generate_unit_pair(Session& session, const Recipe& recipe) {
  Attributes open = session_public(recipe.type, {CKA_VERIFY});
  if (recipe.type == CKK_RSA)
    open.number(CKA_MODULUS_BITS, recipe.bits).bytes(CKA_PUBLIC_EXPONENT, kF4);
  else
    open.bytes(CKA_EC_PARAMS, recipe.curve);
  return session.generate_pair(recipe.generate, open,
                               session_private(recipe.type, {CKA_SIGN}, Leaves::wrapped));
}

KeyPair generate_ephemeral(Session& session) {
  Attributes open = session_public(CKK_EC, {CKA_DERIVE});
  open.bytes(CKA_EC_PARAMS, kP256Parameters);
  return session.generate_pair(CKM_EC_KEY_PAIR_GEN, open,
                               session_private(CKK_EC, {CKA_DERIVE}, Leaves::never));
}

Bytes required(Session& session, CK_OBJECT_HANDLE key, CK_ATTRIBUTE_TYPE type) {
  auto value = session.attribute(key, type);
  if (!value || value->empty())
    throw Fault("token.key", {{"key", "unit key"}, {"attribute", "public"}});
  return std::move(*value);
}

Bytes point_of_pair(Session& session, CK_OBJECT_HANDLE open, std::size_t size) {
  Bytes point = ec_point(session, open, size);
  if (point.empty()) throw Fault("token.key", {{"key", "unit key"}, {"attribute", "CKA_EC_POINT"}});
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
  Bytes point = point_of_pair(session, open, recipe.point);
  switch (recipe.algorithm) {
    case KeyAlgorithm::p384:
      return joined({kSpkiP384, point});
    case KeyAlgorithm::ed25519:
      return joined({kSpkiEd25519, point});
    default:
      return p256_spki(point);
  }
}

// CKM_SHA256_RSA_PKCS digests by itself.
Bytes sign_request(Session& session, const Recipe& recipe, CK_OBJECT_HANDLE key,
                   const Bytes& request) {
  bool is_rsa = recipe.type == CKK_RSA;
  return session.sign(recipe.sign, key, is_rsa ? request : to_bytes(sha256(request)));
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

WrappedKey make_wrapped_key(Session& session, const WrapRoute& route, const UnitKeyOrder& order) {
  if (!p256_point(p256_spki(order.unit_point)))
    throw Fault("identity.bad_point",
                {{"source", order.hardware_id.source}, {"hardware_id", order.hardware_id.id}});
  const Recipe& recipe = recipe_for(order.algorithm);
  Temporary temporary(session);
  KeyPair unit = temporary.keep(generate_unit_pair(session, recipe));
  KeyPair own = temporary.keep(generate_ephemeral(session));
  WrappedKey out;
  out.point = point_of_pair(session, own.open, kP256Point);
  out.spki = spki_of(session, recipe, unit.open);
  if (out.spki == p256_spki(out.point))
    throw Fault("rng.broken", {}, "the token made one key pair twice");
  Digest context = wrap_context(order, out.point);
  out.kdf = route.kdf;
  CK_OBJECT_HANDLE under = temporary.keep(
      derive_wrapping_key(session, route.kdf, own.secret, order.unit_point, context));
  out.wrapped = session.wrap({route.wrap, nullptr, 0}, under, unit.secret);
  out.signature = sign_request(session, recipe, unit.secret, wrapped_request(context, out.spki));
  temporary.destroy_all();
  return out;
}

}  // namespace mintmark::pkcs11
