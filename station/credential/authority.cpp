#include "station/credential/authority.hpp"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <memory>

#include "station/words/crypto.hpp"
#include "station/words/fault.hpp"

namespace mintmark {

namespace {

struct ReleaseX509 {
  void operator()(X509* p) const { X509_free(p); }
  void operator()(X509_STORE* p) const { X509_STORE_free(p); }
  void operator()(X509_STORE_CTX* p) const { X509_STORE_CTX_free(p); }
  // The stack alone: its certificates belong to the chain.
  void operator()(STACK_OF(X509) * p) const { sk_X509_free(p); }
};
using CaX509 = std::unique_ptr<X509, ReleaseX509>;

constexpr std::size_t kLongestChain = 8;

void chain_must(bool ok, const std::string& reason) {
  if (!ok) throw Fault("ca.chain", {{"reason", reason}});
}

CaX509 parse_one(View der) {
  const unsigned char* at = der.data();
  CaX509 out(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (out && at != der.data() + der.size()) out.reset();
  ERR_clear_error();
  return out;
}

Bytes key_bits(X509* certificate) {
  const ASN1_BIT_STRING* bits = X509_get0_pubkey_bitstr(certificate);
  return {bits->data, bits->data + bits->length};
}

// What a CA that issues device certificates, and nothing below itself, must say of itself.
void check_sub_ca(X509* certificate, View point) {
  chain_must(equal(key_bits(certificate), point),
             "the first certificate is of another key than this token's CA key");
  std::uint32_t flags = X509_get_extension_flags(certificate);
  chain_must((flags & EXFLAG_INVALID) == 0 && (flags & EXFLAG_CRITICAL) == 0,
             "an extension of the first certificate is not understood");
  chain_must((flags & EXFLAG_CA) != 0, "the first certificate does not say CA:TRUE");
  chain_must(X509_get_pathlen(certificate) == 0, "the first certificate does not say pathlen:0");
  std::uint32_t usage = (flags & EXFLAG_KUSAGE) != 0 ? X509_get_key_usage(certificate) : 0;
  chain_must((usage & KU_KEY_CERT_SIGN) != 0 && (usage & KU_CRL_SIGN) != 0,
             "the first certificate's key usage is not keyCertSign and cRLSign");
  chain_must(X509_get0_subject_key_id(certificate) != nullptr,
             "the first certificate has no subject key identifier");
}

void check_signed_by(X509* certificate, X509* issuer, const std::string& which) {
  EVP_PKEY* key = X509_get0_pubkey(issuer);
  bool good = key != nullptr && X509_check_issued(issuer, certificate) == X509_V_OK &&
              X509_verify(certificate, key) == 1;
  ERR_clear_error();
  chain_must(good, which + " is not signed by the next one; the last must be a root");
}

// The same question that any other verifier asks (RFC 5280 section 6), with the last as its anchor.
void check_path(const std::vector<CaX509>& chain) {
  std::unique_ptr<X509_STORE, ReleaseX509> store(X509_STORE_new());
  std::unique_ptr<X509_STORE_CTX, ReleaseX509> context(X509_STORE_CTX_new());
  std::unique_ptr<STACK_OF(X509), ReleaseX509> between(sk_X509_new_null());
  chain_must(store && context && between, "memory");
  for (const CaX509& one : chain) sk_X509_push(between.get(), one.get());
  X509_STORE_add_cert(store.get(), chain.back().get());
  chain_must(
      X509_STORE_CTX_init(context.get(), store.get(), chain.front().get(), between.get()) == 1,
      "memory");
  bool good = X509_verify_cert(context.get()) == 1;
  std::string reason = X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()));
  ERR_clear_error();
  chain_must(good, reason);
}

}  // namespace

Bytes certificate_key(View der) {
  CaX509 certificate = parse_one(der);
  return certificate ? key_bits(certificate.get()) : Bytes{};
}

int ca_generation(Vault& vault, View point) {
  for (int generation = vault.newest(SignerRole::ca); generation > 0; --generation)
    if (equal(vault.public_key(SignerRole::ca, generation), point)) return generation;
  throw Fault("identity.ca", {{"reason", "not the certificate of a CA key of this token"}});
}

void check_ca_chain(View point, const std::vector<Bytes>& ders) {
  chain_must(ders.size() >= 2,
             "it holds no issuer: the CA's certificate comes first, then those "
             "above it up to the root");
  chain_must(ders.size() <= kLongestChain, "it holds more than 8 certificates");
  std::vector<CaX509> chain;
  for (const Bytes& der : ders) {
    chain.push_back(parse_one(der));
    chain_must(chain.back() != nullptr, "it holds something that is no certificate");
  }
  check_sub_ca(chain.front().get(), point);
  for (std::size_t i = 0; i < chain.size(); ++i) {
    std::string which = "certificate " + std::to_string(i + 1);
    check_signed_by(chain[i].get(), chain[std::min(i + 1, chain.size() - 1)].get(), which);
  }
  check_path(chain);
}

}  // namespace mintmark
