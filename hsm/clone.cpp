#include "hsm/clone.hpp"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <unistd.h>

#include <functional>
#include <memory>

#include "hsm/connection.hpp"
#include "hsm/pin.hpp"
#include "hsm/rv.hpp"
#include "hsm/setup.hpp"
#include "station/words/crypto.hpp"

namespace mintmark {

namespace {

struct FreeRsa {
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(EVP_PKEY_CTX* p) const { EVP_PKEY_CTX_free(p); }
  void operator()(BIGNUM* p) const { BN_free(p); }
  void operator()(OSSL_PARAM_BLD* p) const { OSSL_PARAM_BLD_free(p); }
  void operator()(OSSL_PARAM* p) const { OSSL_PARAM_free(p); }
};
template <class T>
using OwnedRsa = std::unique_ptr<T, FreeRsa>;

constexpr std::size_t kModulus = 384;  // bytes of RSA-3072
constexpr std::uint8_t kRsaExponent[] = {0x01, 0x00, 0x01};

Fault no_request(const char* reason) { return Fault("clone.request", {{"reason", reason}}); }

OwnedRsa<EVP_PKEY> rsa_key(View spki) {
  const unsigned char* at = spki.data();
  OwnedRsa<EVP_PKEY> key(d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size())));
  bool good =
      key && at == spki.data() + spki.size() && EVP_PKEY_get_base_id(key.get()) == EVP_PKEY_RSA;
  ERR_clear_error();
  if (!good) throw no_request("it holds no RSA key");
  return key;
}

// The modulus of an RSA-3072 SubjectPublicKeyInfo with exponent 65537.
Bytes modulus_of(View spki) {
  OwnedRsa<EVP_PKEY> key = rsa_key(spki);
  BIGNUM *n = nullptr, *e = nullptr;
  EVP_PKEY_get_bn_param(key.get(), OSSL_PKEY_PARAM_RSA_N, &n);
  EVP_PKEY_get_bn_param(key.get(), OSSL_PKEY_PARAM_RSA_E, &e);
  OwnedRsa<BIGNUM> modulus(n), exponent(e);
  bool good = modulus && exponent && BN_num_bits(n) == static_cast<int>(kModulus * 8) &&
              BN_is_word(e, 65537) == 1;
  if (!good) throw no_request("its key is not RSA-3072");
  Bytes out(kModulus);
  BN_bn2binpad(n, out.data(), static_cast<int>(out.size()));
  return out;
}

Bytes spki_of(View modulus) {
  OwnedRsa<BIGNUM> n(BN_bin2bn(modulus.data(), static_cast<int>(modulus.size()), nullptr));
  OwnedRsa<OSSL_PARAM_BLD> build(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_BN(build.get(), OSSL_PKEY_PARAM_RSA_N, n.get());
  OSSL_PARAM_BLD_push_uint(build.get(), OSSL_PKEY_PARAM_RSA_E, 65537);
  OwnedRsa<OSSL_PARAM> params(OSSL_PARAM_BLD_to_param(build.get()));
  OwnedRsa<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  EVP_PKEY* made = nullptr;
  if (EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_PUBLIC_KEY, params.get()) != 1)
    throw no_request("the token's key is no RSA key");
  OwnedRsa<EVP_PKEY> key(made);
  Bytes out(static_cast<std::size_t>(i2d_PUBKEY(key.get(), nullptr)));
  unsigned char* at = out.data();
  i2d_PUBKEY(key.get(), &at);
  return out;
}

// RSA-OAEP as oaep() below has it, which is what OpenSSL does where nothing else is said.
Bytes encrypted_to(View spki, View plain) {
  OwnedRsa<EVP_PKEY> key = rsa_key(spki);
  OwnedRsa<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new(key.get(), nullptr));
  Bytes out(kModulus);
  std::size_t size = out.size();
  bool good = context && EVP_PKEY_encrypt_init(context.get()) == 1 &&
              EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) == 1 &&
              EVP_PKEY_encrypt(context.get(), out.data(), &size, plain.data(), plain.size()) == 1;
  if (!good) throw no_request("nothing can be encrypted to its key");
  out.resize(size);
  return out;
}

pkcs11::Module& checked_module(const TokenConfig& config, const pkcs11::TokenUri& uri) {
  pkcs11::must_not_be_marked(config.state_dir);
  return pkcs11::Module::load(uri.module_path(), config.init_parameters);
}

}  // namespace

std::string comparison_value(View spki) {
  std::string digits = hex(View(sha256(spki)).first(8)), out;
  for (std::size_t i = 0; i < digits.size(); i += 4)
    out += (i == 0 ? "" : "-") + digits.substr(i, 4);
  return out;
}

void check_unwrap_key(View spki) { modulus_of(spki); }

Bytes make_unwrap_key(const TokenConfig& config, View so_pin) {
  using pkcs11::kUnwrapKey;
  pkcs11::TokenUri uri(config.uri);
  if (!so_pin.empty()) pkcs11::make_token(config, so_pin);
  pkcs11::Module& module = checked_module(config, uri);
  pkcs11::Session session(module, module.find(uri), pkcs11::Session::Access::write);
  pkcs11::log_in(session, pkcs11::pin_file(config, uri), config.state_dir);
  if (pkcs11::find(session, kUnwrapKey.secret, kUnwrapKey.label).empty())
    pkcs11::generate(session, kUnwrapKey, kUnwrapKey.label);
  pkcs11::KeyPair pair = pkcs11::find_checked(session, kUnwrapKey, kUnwrapKey.label);
  Bytes spki = spki_of(session.attribute(pair.open, CKA_MODULUS).value_or(Bytes{}));
  if (pkcs11::lets_in_readable(session, pair, spki)) {
    pkcs11::forget_unwrap_key(session);
    throw Fault("token.key", {{"key", std::string(kUnwrapKey.label)},
                              {"attribute", "CKA_UNWRAP_TEMPLATE is not kept by this token"}});
  }
  ::sync();  // SoftHSM2 leaves that to others
  return spki;
}

// Section 5.6, C_Login as CKU_SO: no mark is written for it, because no machine tries it again.
// Closing the session ends the officer's login.
static void as_security_officer(const TokenConfig& config, View so_pin,
                                const std::function<void(pkcs11::Session&)>& work) {
  using pkcs11::kTrustedKey;
  pkcs11::TokenUri uri(config.uri);
  pkcs11::Module& module = checked_module(config, uri);
  pkcs11::Session session(module, module.find(uri), pkcs11::Session::Access::write);
  pkcs11::must("C_Login", session.login(CKU_SO, so_pin));
  for (CK_OBJECT_HANDLE old : pkcs11::find(session, kTrustedKey.open, kTrustedKey.label))
    session.destroy(old);
  work(session);
  ::sync();
}

void import_trusted(const TokenConfig& config, View so_pin, View spki) {
  using pkcs11::kTrustedKey;
  Bytes modulus = modulus_of(spki);
  as_security_officer(config, so_pin, [&](pkcs11::Session& session) {
    pkcs11::Attributes key = pkcs11::template_of(kTrustedKey, kTrustedKey.open, kTrustedKey.label);
    key.bytes(CKA_MODULUS, modulus).bytes(CKA_PUBLIC_EXPONENT, kRsaExponent);
    session.create(std::move(key));
  });
}

void forget_trusted(const TokenConfig& config, View so_pin) {
  as_security_officer(config, so_pin, [](pkcs11::Session&) {});
}

namespace pkcs11 {

namespace {

// Section 2.1.8 of the mechanisms: OAEP with SHA-1, the one hash that SoftHSM2 takes. What OAEP
// asks of its hash, SHA-1 still gives.
CK_RSA_PKCS_OAEP_PARAMS oaep() { return {CKM_SHA_1, CKG_MGF1_SHA1, 1, nullptr, 0}; }

Fault wrong_key(const KeyRole& role, const std::string& attribute) {
  return Fault("token.key", {{"key", std::string(role.label)}, {"attribute", attribute}});
}

CK_OBJECT_HANDLE find_trusted(Session& session, View modulus) {
  CK_OBJECT_HANDLE key = find_one(session, kTrustedKey.open, kTrustedKey.label);
  std::string differs = differences(session, kTrustedKey, kTrustedKey.open, key);
  if (!differs.empty()) throw wrong_key(kTrustedKey, differs);
  auto have = session.attribute(key, CKA_MODULUS);
  if (!have || !equal(*have, modulus)) throw wrong_key(kTrustedKey, "CKA_MODULUS");
  return key;
}

// Unwrapped for the session first, a key becomes the token's as a copy that is not modifiable.
Attributes unwrap_template(const KeyRole& role) {
  Attributes out = clone_attributes().flag(CKA_TOKEN, false);
  out.number(CKA_ALLOWED_MECHANISMS, role.use);
  return out.bytes(CKA_LABEL, view(role.label)).bytes(CKA_ID, view(role.label));
}

CK_OBJECT_HANDLE unwrap_as(Session& session, const KeyPair& pair, View wrapped, Attributes key) {
  CK_RSA_PKCS_OAEP_PARAMS params = oaep();
  return session.unwrap({CKM_RSA_PKCS_OAEP, &params, sizeof params}, pair.secret, wrapped,
                        std::move(key));
}

CK_OBJECT_HANDLE keep_unwrapped(Session& session, CK_OBJECT_HANDLE unwrapped) {
  Attributes changes;
  changes.flag(CKA_TOKEN, true).flag(CKA_MODIFIABLE, false);
  CK_OBJECT_HANDLE out = session.copy(unwrapped, std::move(changes));
  session.destroy(unwrapped);
  return out;
}

}  // namespace

Bytes wrap_fingerprint_key(Session& session, CK_OBJECT_HANDLE fingerprint, View spki) {
  if (&check_fingerprint_key(session, fingerprint) != &kClonableFingerprintKey)
    throw wrong_key(kFingerprintKey, "CKA_EXTRACTABLE");
  CK_OBJECT_HANDLE under = find_trusted(session, modulus_of(spki));
  CK_RSA_PKCS_OAEP_PARAMS params = oaep();
  Bytes out = session.wrap({CKM_RSA_PKCS_OAEP, &params, sizeof params}, under, fingerprint);
  session.destroy(under);
  return out;
}

void must_be_the_compared(Session& session, CK_OBJECT_HANDLE key, View check_value) {
  Bytes code = session.sign(kClonableFingerprintKey.use, key, view("mintmark kcv"));
  std::string found = hex(View(code).first(8)), wanted = hex(check_value);
  if (found != wanted) throw Fault("clone.check", {{"found", found}, {"wanted", wanted}});
}

void unwrap_fingerprint_key(Session& session, const ClonedKey& clone) {
  KeyPair pair = find_checked(session, kUnwrapKey, kUnwrapKey.label);
  CK_OBJECT_HANDLE unwrapped =
      unwrap_as(session, pair, clone.wrapped, unwrap_template(kClonableFingerprintKey));
  must_be_the_compared(session, unwrapped, clone.check_value);
  CK_OBJECT_HANDLE key = keep_unwrapped(session, unwrapped);
  if (&check_fingerprint_key(session, key) != &kClonableFingerprintKey)
    throw wrong_key(kFingerprintKey, "CKA_EXTRACTABLE");
  forget_unwrap_key(session);
}

// Refused must be what asks for a readable key, and not what asks for the same one kept.
bool lets_in_readable(Session& session, const KeyPair& pair, View spki) {
  Bytes wrapped = encrypted_to(spki, Bytes(32, 0x5a));
  session.destroy(unwrap_as(session, pair, wrapped, unwrap_template(kClonableFingerprintKey)));
  Attributes readable;
  readable.number(CKA_CLASS, CKO_SECRET_KEY).number(CKA_KEY_TYPE, CKK_GENERIC_SECRET);
  readable.flag(CKA_TOKEN, false).flag(CKA_PRIVATE, true);
  readable.flag(CKA_SENSITIVE, false).flag(CKA_EXTRACTABLE, true);
  try {
    session.destroy(unwrap_as(session, pair, wrapped, std::move(readable)));
    return true;
  } catch (const CallFault& fault) {
    if (fault.recovery() != Recovery::never) throw;
    return false;
  }
}

void forget_unwrap_key(Session& session) {
  for (const Part* part : {&kUnwrapKey.secret, &kUnwrapKey.open})
    for (CK_OBJECT_HANDLE key : find(session, *part, kUnwrapKey.label)) session.destroy(key);
}

// An odd number of 3072 bits is a key as far as a token looks; nobody has its other half.
bool leaves_under_stranger(Session& session, CK_OBJECT_HANDLE key) {
  Attributes stranger;
  stranger.number(CKA_CLASS, CKO_PUBLIC_KEY).number(CKA_KEY_TYPE, CKK_RSA).flag(CKA_TOKEN, false);
  stranger.flag(CKA_WRAP, true).bytes(CKA_PUBLIC_EXPONENT, kRsaExponent);
  stranger.bytes(CKA_MODULUS, Bytes(kModulus, 0xd5));
  CK_OBJECT_HANDLE under = session.create(std::move(stranger));
  CK_RSA_PKCS_OAEP_PARAMS params = oaep();
  bool left = true;
  try {
    session.wrap({CKM_RSA_PKCS_OAEP, &params, sizeof params}, under, key);
  } catch (const CallFault& fault) {
    if (fault.rv() != CKR_KEY_NOT_WRAPPABLE) throw;
    left = false;
  }
  session.destroy(under);
  return left;
}

}  // namespace pkcs11
}  // namespace mintmark
