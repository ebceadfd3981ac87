// Contracts about keys that leave the token for one unit: key wraps, agreement, derivation, OAEP.
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <algorithm>

#include "hsm/contract.hpp"
#include "station/words/crypto.hpp"

namespace mintmark::pkcs11 {

namespace {

// RFC 5649 section 6: 20 bytes of key data under a KEK of 192 bits.
Bytes wrapped_by(Bench& bench, CK_MECHANISM_TYPE wrap, View kek, View data) {
  CK_OBJECT_HANDLE by = import_secret(bench.session, CKK_AES, kek, {CKA_WRAP});
  CK_OBJECT_HANDLE key =
      import_secret(bench.session, CKK_GENERIC_SECRET, data, {CKA_SIGN}, Leaves::wrapped);
  return bench.session.wrap({wrap, nullptr, 0}, by, key);
}

Bytes rfc5649(Bench& bench, CK_MECHANISM_TYPE wrap) {
  return wrapped_by(bench, wrap, octets("5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8"),
                    octets("c37b7e6492584340bed12207808941155068f738"));
}

const Bytes& rfc5649_answer() {
  static const Bytes one =
      octets("138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a");
  return one;
}

// SoftHSM2 fills what it wraps with zeros to a multiple of 8 first: RFC 5649, of other data. What
// it is good for (private keys, whose DER ends where it says) is left as it was.
const Bytes& zero_filled_answer() {
  static const Bytes one =
      octets("cf1e485360e1a8126f524d01771677f9400edb4d074f14116988d71e1588e367");
  return one;
}

// RFC 3394 over data with a PKCS#7 padding: what PKCS#11 v2.40 says of CKM_AES_KEY_WRAP_PAD.
const Bytes& pkcs7_answer() {
  static const Bytes one =
      octets("44bfbc91df7939f52728eb0c6287a43cb268367ead991a471290544c21f20477");
  return one;
}

std::string wrap_kwp(Bench& bench) {
  keep(rfc5649(bench, kAesKeyWrapKwp) == rfc5649_answer(), "not what RFC 5649 has");
  return "RFC 5649";
}

std::string wrap_pad(Bench& bench) {
  Bytes wrapped = rfc5649(bench, CKM_AES_KEY_WRAP_PAD);
  if (wrapped == rfc5649_answer()) return "is RFC 5649";
  if (wrapped == zero_filled_answer()) return "is RFC 5649, of data filled with zeros";
  keep(wrapped == pkcs7_answer(), "neither RFC 5649 nor RFC 3394 with PKCS#7");
  return "is RFC 3394 with PKCS#7 padding: not used";
}

// RFC 3394 section 4.3, its 128 bits of key data under 256 bits.
std::string wrap_plain(Bench& bench) {
  Bytes kek = octets("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
  Bytes wrapped =
      wrapped_by(bench, CKM_AES_KEY_WRAP, kek, octets("00112233445566778899aabbccddeeff"));
  keep(wrapped == octets("64e8c3f9ce0f5ba263e9777905818a2a93c8191e7d6e8ae7"),
       "not what RFC 3394 has");
  return "RFC 3394";
}

std::string unwrap_is_careful(Bench& bench) {
  CK_MECHANISM wrap = any_key_wrap(bench.open);
  Session& session = bench.session;
  CK_OBJECT_HANDLE by = make_secret(session, CKK_AES, 32, {CKA_WRAP, CKA_UNWRAP});
  CK_OBJECT_HANDLE key = make_secret(session, CKK_GENERIC_SECRET, 32, {CKA_SIGN}, Leaves::wrapped);
  Bytes wrapped = session.wrap(wrap, by, key);
  Attributes as = session_secret(CKK_GENERIC_SECRET, {CKA_SIGN}, Leaves::never);
  CK_OBJECT_HANDLE again = session.unwrap(wrap, by, wrapped, as);
  keep(session.sign(CKM_SHA256_HMAC, again, Bytes(8, 1)) ==
           session.sign(CKM_SHA256_HMAC, key, Bytes(8, 1)),
       "what was unwrapped is another key");
  must_refuse("a cut blob was unwrapped",
              [&] { session.unwrap(wrap, by, View(wrapped).first(wrapped.size() - 8), as); });
  wrapped.back() ^= 1;
  auto second = bench.open();
  return must_refuse("a changed blob was unwrapped",
                     [&] { second->unwrap(wrap, by, wrapped, as); });
}

// A key agreed in the token is the one agreed outside: it gives the same code.
void keep_same_code(Session& session, CK_OBJECT_HANDLE key, View want) {
  Digest code = hmac_sha256(want, view("do we agree?"));
  keep(equal(session.sign(CKM_SHA256_HMAC, key, view("do we agree?")), code),
       "the token derived another key");
}

Attributes code_key() {
  Attributes out = session_secret(CKK_GENERIC_SECRET, {CKA_SIGN}, Leaves::never);
  return out.number(CKA_VALUE_LEN, 32);
}

std::string agree_with(Bench& bench, CK_ULONG kdf, bool der) {
  EphemeralKey unit;
  Session& session = bench.session;
  KeyPair pair = make_pair_on(session, kP256Parameters, {CKA_DERIVE});
  Digest context = sha256(view("context"));
  Bytes point = unit.point();
  if (der) point.insert(point.begin(), {0x04, 0x41});
  CK_ECDH1_DERIVE_PARAMS params{};
  params.kdf = kdf;
  params.public_data = point.data();
  params.public_data_len = point.size();
  params.shared_data = kdf == CKD_NULL ? nullptr : context.data();
  params.shared_data_len = kdf == CKD_NULL ? 0 : context.size();
  CK_OBJECT_HANDLE key =
      session.derive({CKM_ECDH1_DERIVE, &params, sizeof params}, pair.secret, code_key());
  auto shared = unit.agree(ec_point(session, pair.open, kP256Point));
  keep(shared.has_value(), "CKA_EC_POINT is no point of the curve");
  if (kdf == CKD_NULL)
    keep_same_code(session, key, shared->view());
  else
    keep_same_code(session, key, wrapping_key(WrapKdf::x963_sha256, *shared, context).view());
  return der ? "point in DER" : "point as it is";
}

std::string agree_null(Bench& bench) { return agree_with(bench, CKD_NULL, false); }
std::string agree_der(Bench& bench) { return agree_with(bench, CKD_NULL, true); }
std::string agree_x963(Bench& bench) { return agree_with(bench, CKD_SHA256_KDF, false); }

std::string derive_cbc(Bench& bench) {
  Session& session = bench.session;
  Bytes base(32, 5);
  Digest context = sha256(view("context"));
  CK_AES_CBC_ENCRYPT_DATA_PARAMS params{};
  params.data_params = context.data();
  params.length = context.size();
  CK_OBJECT_HANDLE key =
      session.derive({CKM_AES_CBC_ENCRYPT_DATA, &params, sizeof params},
                     import_secret(session, CKK_AES, base, {CKA_DERIVE}), code_key());
  keep_same_code(session, key,
                 wrapping_key(WrapKdf::aes_cbc_data, Secret::copy_of(base), context).view());
  return "CKM_AES_CBC_ENCRYPT_DATA";
}

std::string unit_key(Bench& bench) {
  auto route = measure_wrap_route(bench.open);
  if (!route) throw CallFault("C_WrapKey", CKR_MECHANISM_INVALID);
  return route->kdf == WrapKdf::x963_sha256 ? "CKD_SHA256_KDF" : "CKD_NULL and AES-CBC data";
}

struct RsaFree {
  void operator()(EVP_PKEY* it) const { EVP_PKEY_free(it); }
};
struct RsaContextFree {
  void operator()(EVP_PKEY_CTX* it) const { EVP_PKEY_CTX_free(it); }
};

Bytes number_of(EVP_PKEY* key, const char* name) {
  BIGNUM* number = nullptr;
  EVP_PKEY_get_bn_param(key, name, &number);
  Bytes out(static_cast<std::size_t>(number != nullptr ? BN_num_bytes(number) : 0));
  if (number != nullptr) BN_bn2bin(number, out.data());
  BN_free(number);
  return out;
}

std::size_t oaep_opened(EVP_PKEY* key, const EVP_MD* hash, View wrapped) {
  std::unique_ptr<EVP_PKEY_CTX, RsaContextFree> context(EVP_PKEY_CTX_new(key, nullptr));
  Secret plain(512);
  std::size_t size = plain.size();
  bool done = EVP_PKEY_decrypt_init(context.get()) == 1 &&
              EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) == 1 &&
              EVP_PKEY_CTX_set_rsa_oaep_md(context.get(), hash) == 1 &&
              EVP_PKEY_CTX_set_rsa_mgf1_md(context.get(), hash) == 1 &&
              EVP_PKEY_decrypt(context.get(), plain.mutable_view().data(), &size, wrapped.data(),
                               wrapped.size()) == 1;
  return done ? size : 0;
}

// A key wrapped to somebody else's RSA key: how an escrow copy could leave.
std::string oaep(Bench& bench, CK_MECHANISM_TYPE hash, CK_ULONG mask, const EVP_MD* digest) {
  std::unique_ptr<EVP_PKEY, RsaFree> theirs(EVP_RSA_gen(2048));
  Attributes open = session_public(CKK_RSA, {CKA_WRAP});
  open.bytes(CKA_MODULUS, number_of(theirs.get(), "n"));
  open.bytes(CKA_PUBLIC_EXPONENT, number_of(theirs.get(), "e"));
  CK_OBJECT_HANDLE to = bench.session.create(open);
  CK_OBJECT_HANDLE key = make_secret(bench.session, CKK_AES, 32, {CKA_ENCRYPT}, Leaves::wrapped);
  CK_RSA_PKCS_OAEP_PARAMS params{};
  params.hash_alg = hash;
  params.mgf = mask;
  params.source = CKZ_DATA_SPECIFIED;
  Bytes wrapped = bench.session.wrap({CKM_RSA_PKCS_OAEP, &params, sizeof params}, to, key);
  keep(oaep_opened(theirs.get(), digest, wrapped) == 32, "its holder cannot open it");
  return "opened by its holder";
}

std::string oaep_sha256(Bench& bench) {
  return oaep(bench, CKM_SHA256, CKG_MGF1_SHA256, EVP_sha256());
}
std::string oaep_sha1(Bench& bench) { return oaep(bench, CKM_SHA_1, CKG_MGF1_SHA1, EVP_sha1()); }

constexpr Contract kWrapContracts[] = {
    {"key wrap 0x210B", false, wrap_kwp},
    {"key wrap 0x210A", false, wrap_pad},
    {"key wrap 0x2109", false, wrap_plain},
    {"what was cut or changed is not unwrapped", false, unwrap_is_careful},
    {"ECDH with CKD_NULL", false, agree_null},
    {"ECDH takes the point in DER", false, agree_der},
    {"ECDH with CKD_SHA256_KDF", false, agree_x963},
    {"derivation by AES-CBC of data", false, derive_cbc},
    {"a key leaves for one unit and arrives", false, unit_key},
    {"RSA-OAEP wrap with SHA-256", false, oaep_sha256},
    {"RSA-OAEP wrap with SHA-1", false, oaep_sha1},
};

}  // namespace

std::span<const Contract> wrap_contracts() { return kWrapContracts; }

}  // namespace mintmark::pkcs11
