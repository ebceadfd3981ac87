// Contracts about what is computed: known answers, and signatures that OpenSSL verifies.
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <algorithm>
#include <array>

#include "hsm/contract.hpp"
#include "station/words/crypto.hpp"

namespace mintmark::pkcs11 {

namespace {

template <class T, void (*Free)(T*)>
struct Released {
  void operator()(T* it) const { Free(it); }
};
using Number = std::unique_ptr<BIGNUM, Released<BIGNUM, BN_free>>;
using PublicKey = std::unique_ptr<EVP_PKEY, Released<EVP_PKEY, EVP_PKEY_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Released<EVP_PKEY_CTX, EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Released<EVP_MD_CTX, EVP_MD_CTX_free>>;
using Params = std::unique_ptr<OSSL_PARAM, Released<OSSL_PARAM, OSSL_PARAM_free>>;
using Builder = std::unique_ptr<OSSL_PARAM_BLD, Released<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>>;
using Signature = std::unique_ptr<ECDSA_SIG, Released<ECDSA_SIG, ECDSA_SIG_free>>;

// RFC 4231, test case 6: a key of 131 bytes (SoftHSM2 takes none under 32).
std::string hmac_known_answer(Bench& bench) {
  CK_OBJECT_HANDLE key =
      import_secret(bench.session, CKK_GENERIC_SECRET, Bytes(131, 0xaa), {CKA_SIGN});
  Bytes code = bench.session.sign(CKM_SHA256_HMAC, key,
                                  view("Test Using Larger Than Block-Size Key - Hash Key First"));
  keep(code == octets("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"),
       "another code than that of RFC 4231");
  return "RFC 4231, case 6";
}

// McGrew and Viega, "The Galois/Counter Mode of Operation", test case 16.
struct GcmCase {
  Bytes key = octets("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
  Bytes iv = octets("cafebabefacedbaddecaf888");
  Bytes aad = octets("feedfacedeadbeeffeedfacedeadbeefabaddad2");
  Bytes plain = octets(
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
      "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39");
  Bytes sealed = octets(
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
      "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
      "76fc6ece0f4e1768cddf8853bb2d551b");
};

std::string gcm_known_answer(Bench& bench) {
  GcmCase want;
  CK_OBJECT_HANDLE key =
      import_secret(bench.session, CKK_AES, want.key, {CKA_ENCRYPT, CKA_DECRYPT});
  keep(bench.session.gcm_encrypt(key, want.iv, want.aad, want.plain) == want.sealed,
       "another ciphertext than the published one");
  auto plain = bench.session.gcm_decrypt(key, want.iv, want.aad, want.sealed);
  keep(plain && equal(plain->view(), want.plain), "it does not decrypt what it encrypted");
  return "case 16";
}

// Every part that is not the sealed one, and the session is good afterwards.
std::string gcm_tamper(Bench& bench) {
  GcmCase want;
  CK_OBJECT_HANDLE key =
      import_secret(bench.session, CKK_AES, want.key, {CKA_ENCRYPT, CKA_DECRYPT});
  auto opens = [&](View iv, View aad, View sealed) {
    return bench.session.gcm_decrypt(key, iv, aad, sealed).has_value();
  };
  auto flipped = [](Bytes bytes, std::size_t at) {
    bytes.at(at) ^= 1;
    return bytes;
  };
  std::size_t last = want.sealed.size() - 1;
  keep(!opens(want.iv, want.aad, flipped(want.sealed, last)), "a changed tag was accepted");
  keep(!opens(want.iv, want.aad, flipped(want.sealed, 0)), "changed bytes were accepted");
  keep(!opens(want.iv, flipped(want.aad, 0), want.sealed), "another AAD was accepted");
  keep(!opens(flipped(want.iv, 0), want.aad, want.sealed), "another IV was accepted");
  keep(!opens(want.iv, want.aad, View(want.sealed).first(last)), "a cut tag was accepted");
  keep(opens(want.iv, want.aad, want.sealed), "a refusal spoilt the session");
  return "tag, text, AAD, IV, length";
}

PublicKey public_key(const char* type, OSSL_PARAM_BLD* builder) {
  Params params(OSSL_PARAM_BLD_to_param(builder));
  KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* out = nullptr;
  if (EVP_PKEY_fromdata_init(context.get()) == 1)
    EVP_PKEY_fromdata(context.get(), &out, EVP_PKEY_PUBLIC_KEY, params.get());
  return PublicKey(out);
}

PublicKey ec_key(const char* group, View point) {
  Builder builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, group, 0);
  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                   point.size());
  return public_key("EC", builder.get());
}

PublicKey rsa_key(View modulus, View exponent) {
  Number n(BN_bin2bn(modulus.data(), static_cast<int>(modulus.size()), nullptr));
  Number e(BN_bin2bn(exponent.data(), static_cast<int>(exponent.size()), nullptr));
  Builder builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get());
  return public_key("RSA", builder.get());
}

// PKCS#11 has r and s side by side; OpenSSL wants them in DER.
Bytes der_signature(View sides) {
  auto half = static_cast<int>(sides.size() / 2);
  Signature signature(ECDSA_SIG_new());
  ECDSA_SIG_set0(signature.get(), BN_bin2bn(sides.data(), half, nullptr),
                 BN_bin2bn(sides.data() + half, half, nullptr));
  unsigned char* der = nullptr;
  int size = i2d_ECDSA_SIG(signature.get(), &der);
  Bytes out(der, der + (size > 0 ? size : 0));
  OPENSSL_free(der);
  return out;
}

bool verifies(const PublicKey& key, View signature, const Digest& digest) {
  KeyContext context(EVP_PKEY_CTX_new(key.get(), nullptr));
  return context && EVP_PKEY_verify_init(context.get()) == 1 &&
         EVP_PKEY_verify(context.get(), signature.data(), signature.size(), digest.data(),
                         digest.size()) == 1;
}

void keep_ecdsa(Bench& bench, View curve, const char* group, std::size_t point) {
  KeyPair pair = make_pair_on(bench.session, curve, {CKA_SIGN});
  Digest digest = sha256(view("a certificate"));
  Bytes signature = der_signature(bench.session.sign(CKM_ECDSA, pair.secret, digest));
  PublicKey key = ec_key(group, ec_point(bench.session, pair.open, point));
  keep(key != nullptr, "CKA_EC_POINT is no point of the curve");
  keep(verifies(key, signature, digest), "the signature does not verify");
  keep(!verifies(key, signature, sha256(view("another"))), "it verifies for other bytes");
}

std::string p256(Bench& bench) {
  keep_ecdsa(bench, kP256Parameters, "P-256", kP256Point);
  return "CKM_ECDSA, verified";
}

std::string p384(Bench& bench) {
  keep_ecdsa(bench, kP384Parameters, "P-384", kP384Point);
  return "CKM_ECDSA, verified";
}

std::string p521(Bench& bench) {
  keep_ecdsa(bench, kP521Parameters, "P-521", kP521Point);
  return "CKM_ECDSA, verified";
}

std::string ed25519(Bench& bench) {
  KeyPair pair = make_pair_on(bench.session, kEd25519Parameters, {CKA_SIGN});
  Bytes signature = bench.session.sign(CKM_EDDSA, pair.secret, view("a checkpoint"));
  Bytes point = ec_point(bench.session, pair.open, kEd25519Point);
  keep(ed25519_verify(point, view("a checkpoint"), signature), "the signature does not verify");
  keep(!ed25519_verify(point, view("another"), signature), "it verifies for other bytes");
  return "CKM_EDDSA, verified";
}

bool verifies_rsa(const PublicKey& key, View signature, View message) {
  DigestContext context(EVP_MD_CTX_new());
  return EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) == 1 &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(),
                          message.size()) == 1;
}

std::string rsa(Bench& bench, CK_ULONG bits) {
  Attributes open = session_public(CKK_RSA, {CKA_VERIFY});
  open.number(CKA_MODULUS_BITS, bits).bytes(CKA_PUBLIC_EXPONENT, octets("010001"));
  KeyPair pair = bench.session.generate_pair(CKM_RSA_PKCS_KEY_PAIR_GEN, open,
                                             session_private(CKK_RSA, {CKA_SIGN}, Leaves::never));
  Bytes modulus = bench.session.attribute(pair.open, CKA_MODULUS).value_or(Bytes{});
  PublicKey key = rsa_key(modulus, octets("010001"));
  keep(key && EVP_PKEY_get_bits(key.get()) == static_cast<int>(bits), "not a key of that size");
  Bytes signature = bench.session.sign(CKM_SHA256_RSA_PKCS, pair.secret, view("a certificate"));
  keep(verifies_rsa(key, signature, view("a certificate")), "the signature does not verify");
  keep(!verifies_rsa(key, signature, view("another")), "it verifies for other bytes");
  return "CKM_SHA256_RSA_PKCS, verified";
}

std::string rsa_2048(Bench& bench) { return rsa(bench, 2048); }
std::string rsa_3072(Bench& bench) { return rsa(bench, 3072); }

// The vault draws at most 4096 bytes in a call.
std::string random_sizes(Bench& bench) {
  Bytes first(4096), second(4096);
  for (std::size_t size : {std::size_t{1}, std::size_t{32}, std::size_t{4096}}) {
    bench.session.random(std::span(first).first(size));
    bench.session.random(std::span(second).first(size));
  }
  keep(first != second, "two draws are equal");
  keep(std::any_of(first.begin(), first.end(), [](std::uint8_t b) { return b != 0; }), "zeros");
  return "1 to 4096 bytes in a call";
}

std::string random_chunks(Bench& bench) {
  std::size_t most = 4096;
  for (std::size_t size : {std::size_t{1} << 16, std::size_t{1} << 18, std::size_t{1} << 20}) {
    Bytes some(size);
    try {
      bench.session.random(some);
    } catch (const CallFault& fault) {
      if (most == 4096) throw;
      return std::to_string(most >> 10) + " KiB in a call, then " + name_of(fault.rv());
    }
    most = size;
  }
  return std::to_string(most >> 10) + " KiB in a call";
}

constexpr Contract kCryptoContracts[] = {
    {"random numbers as the vault draws them", true, random_sizes},
    {"random numbers in larger pieces", false, random_chunks},
    {"HMAC-SHA-256 known answer", true, hmac_known_answer},
    {"AES-256-GCM known answer", true, gcm_known_answer},
    {"AES-256-GCM refuses what was changed", true, gcm_tamper},
    {kP256Contract, true, p256},
    {"ECDSA P-384 signs", false, p384},
    {"ECDSA P-521 signs", false, p521},
    {kEd25519Contract, false, ed25519},
    {"RSA-2048 signs", false, rsa_2048},
    {"RSA-3072 signs", false, rsa_3072},
};

}  // namespace

std::span<const Contract> crypto_contracts() { return kCryptoContracts; }

}  // namespace mintmark::pkcs11
