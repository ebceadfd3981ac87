#include "station/credential/denial.hpp"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <memory>

#include "station/credential/authority.hpp"
#include "station/words/crypto.hpp"
#include "station/words/fault.hpp"

namespace mintmark {

namespace {

struct FreeCrl {
  void operator()(X509* p) const { X509_free(p); }
  void operator()(X509_CRL* p) const { X509_CRL_free(p); }
  void operator()(X509_REVOKED* p) const { X509_REVOKED_free(p); }
  void operator()(X509_EXTENSION* p) const { X509_EXTENSION_free(p); }
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(ECDSA_SIG* p) const { ECDSA_SIG_free(p); }
  void operator()(ASN1_STRING* p) const { ASN1_STRING_free(p); }  // numbers, times
  void operator()(BIO* p) const { BIO_free(p); }
};
template <class T>
using Freed = std::unique_ptr<T, FreeCrl>;

void must_crl(bool ok, const char* what) {
  if (!ok) throw Fault("identity.failed", {}, what);
}

Freed<X509> certificate_of(View der) {
  const unsigned char* at = der.data();
  Freed<X509> out(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (!out) throw Fault("identity.ca", {{"reason", "not a certificate"}});
  return out;
}

template <class T, class Encode>
Bytes encoded(T* value, Encode encode) {
  int size = encode(value, nullptr);
  must_crl(size > 0, "DER");
  Bytes out(static_cast<std::size_t>(size));
  unsigned char* at = out.data();
  must_crl(encode(value, &at) == size, "DER");
  return out;
}

struct ReasonCode {
  std::string_view word;
  long code;
};
constexpr std::array<ReasonCode, 4> kReasonCodes = {
    {{"keyCompromise", CRL_REASON_KEY_COMPROMISE},
     {"superseded", CRL_REASON_SUPERSEDED},
     {"cessationOfOperation", CRL_REASON_CESSATION_OF_OPERATION},
     {"privilegeWithdrawn", CRL_REASON_PRIVILEGE_WITHDRAWN}}};

long reason_code(const std::string& word) {
  auto found = std::find_if(kReasonCodes.begin(), kReasonCodes.end(),
                            [&](const ReasonCode& r) { return r.word == word; });
  must_crl(found != kReasonCodes.end(), "reason code");
  return found->code;
}

// "2026-01-31T12:00:00..." as section 5.1.2.6 wants it: UTCTime until 2049.
Freed<ASN1_TIME> time_of(const std::string& rfc3339) {
  std::string digits;
  for (char c : rfc3339.substr(0, 19))
    if (c >= '0' && c <= '9') digits += c;
  Freed<ASN1_TIME> out(ASN1_TIME_new());
  must_crl(out && ASN1_TIME_set_string_X509(out.get(), (digits + "Z").c_str()) == 1, "time");
  return out;
}

void add_revoked(X509_CRL* crl, const DeniedCertificate& denied) {
  Freed<X509> certificate = certificate_of(denied.certificate);
  Freed<X509_REVOKED> entry(X509_REVOKED_new());
  Freed<ASN1_ENUMERATED> reason(ASN1_ENUMERATED_new());
  must_crl(entry && reason &&
               X509_REVOKED_set_serialNumber(entry.get(),
                                             X509_get_serialNumber(certificate.get())) == 1 &&
               X509_REVOKED_set_revocationDate(entry.get(), time_of(denied.at).get()) == 1 &&
               ASN1_ENUMERATED_set(reason.get(), reason_code(denied.reason)) == 1 &&
               X509_REVOKED_add1_ext_i2d(entry.get(), NID_crl_reason, reason.get(), 0, 0) == 1 &&
               X509_CRL_add0_revoked(crl, entry.get()) == 1,
           "revoked certificate");
  static_cast<void>(entry.release());  // the list has it
}

void set_times(X509_CRL* crl) {
  std::time_t now = std::time(nullptr);
  Freed<ASN1_TIME> from(ASN1_TIME_set(nullptr, now));
  Freed<ASN1_TIME> until(ASN1_TIME_adj(nullptr, now, kDenialListDays, 0));
  must_crl(from && until && X509_CRL_set1_lastUpdate(crl, from.get()) == 1 &&
               X509_CRL_set1_nextUpdate(crl, until.get()) == 1,
           "times");
}

void add_extensions(X509_CRL* crl, X509* ca, std::uint64_t number) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, ca, nullptr, nullptr, crl, 0);
  Freed<X509_EXTENSION> key_id(
      X509V3_EXT_conf_nid(nullptr, &context, NID_authority_key_identifier, "keyid:always"));
  Freed<ASN1_INTEGER> value(ASN1_INTEGER_new());
  must_crl(key_id && X509_CRL_add_ext(crl, key_id.get(), -1) == 1 && value &&
               ASN1_INTEGER_set_uint64(value.get(), number) == 1 &&
               X509_CRL_add1_ext_i2d(crl, NID_crl_number, value.get(), 0, 0) == 1,
           "extensions");
}

Bytes der_signature(View rs) {
  Freed<ECDSA_SIG> out(ECDSA_SIG_new());
  must_crl(rs.size() == 64 && out, "signature");
  BIGNUM* r = BN_bin2bn(rs.data(), 32, nullptr);
  BIGNUM* s = BN_bin2bn(rs.data() + 32, 32, nullptr);
  must_crl(ECDSA_SIG_set0(out.get(), r, s) == 1, "signature");
  return encoded(out.get(), i2d_ECDSA_SIG);
}

// OpenSSL has no setter for a list's algorithms nor for a signature made elsewhere: a key of the
// moment signs first, and the token's signature takes that one's place.
void sign_by_token(Vault& vault, X509_CRL* crl, int generation) {
  Freed<EVP_PKEY> moment(EVP_EC_gen("P-256"));
  must_crl(moment && X509_CRL_sign(crl, moment.get(), EVP_sha256()) > 0, "signature");
  Digest digest = sha256(encoded(crl, i2d_re_X509_CRL_tbs));
  Bytes signature = der_signature(vault.sign(SignerRole::ca, digest, generation));
  const ASN1_BIT_STRING* field = nullptr;
  X509_CRL_get0_signature(crl, &field, nullptr);
  auto* bits = const_cast<ASN1_BIT_STRING*>(field);
  must_crl(ASN1_BIT_STRING_set(bits, signature.data(), static_cast<int>(signature.size())) == 1,
           "signature");
  bits->flags = (bits->flags & ~(ASN1_STRING_FLAG_BITS_LEFT | 7L)) | ASN1_STRING_FLAG_BITS_LEFT;
}

bool is_issued_by(View der, X509* ca) {
  Freed<X509> certificate = certificate_of(der);
  bool by_this = X509_check_issued(ca, certificate.get()) == X509_V_OK &&
                 X509_verify(certificate.get(), X509_get0_pubkey(ca)) == 1;
  ERR_clear_error();
  return by_this;
}

bool is_same_issuer(X509* one, X509* other) {
  return X509_NAME_cmp(X509_get_subject_name(one), X509_get_subject_name(other)) == 0 &&
         EVP_PKEY_eq(X509_get0_pubkey(one), X509_get0_pubkey(other)) == 1;
}

// In order, without those that are the same issuer as one before.
std::vector<Bytes> issuers_of(const std::vector<Bytes>& cas) {
  std::vector<Bytes> out;
  for (const Bytes& der : cas) {
    Freed<X509> ca = certificate_of(der);
    bool known = std::any_of(out.begin(), out.end(), [&](const Bytes& before) {
      return is_same_issuer(certificate_of(before).get(), ca.get());
    });
    if (!known) out.push_back(der);
  }
  return out;
}

}  // namespace

Bytes make_denial_list(Vault& vault, View ca_cert_der, const std::vector<DeniedCertificate>& denied,
                       std::uint64_t number) {
  Freed<X509> ca = certificate_of(ca_cert_der);
  int generation = ca_generation(vault, certificate_key(ca_cert_der));
  Freed<X509_CRL> crl(X509_CRL_new());
  must_crl(crl && X509_CRL_set_version(crl.get(), X509_CRL_VERSION_2) == 1 &&
               X509_CRL_set_issuer_name(crl.get(), X509_get_subject_name(ca.get())) == 1,
           "issuer");
  set_times(crl.get());
  for (const DeniedCertificate& one : denied) add_revoked(crl.get(), one);
  X509_CRL_sort(crl.get());
  add_extensions(crl.get(), ca.get(), number);
  sign_by_token(vault, crl.get(), generation);
  Bytes out = encoded(crl.get(), i2d_X509_CRL);
  const unsigned char* at = out.data();
  Freed<X509_CRL> read(d2i_X509_CRL(nullptr, &at, static_cast<long>(out.size())));
  bool good = read && X509_CRL_verify(read.get(), X509_get0_pubkey(ca.get())) == 1;
  if (!good) throw Fault("identity.ca", {{"reason", "the token signs with another key"}});
  return out;
}

std::vector<Bytes> make_denial_lists(Vault& vault, const std::vector<Bytes>& cas,
                                     const std::vector<DeniedCertificate>& denied,
                                     std::uint64_t number) {
  std::vector<Bytes> out;
  std::size_t listed = 0;
  for (const Bytes& der : issuers_of(cas)) {
    Freed<X509> ca = certificate_of(der);
    std::vector<DeniedCertificate> its_own;
    for (const DeniedCertificate& one : denied)
      if (is_issued_by(one.certificate, ca.get())) its_own.push_back(one);
    out.push_back(make_denial_list(vault, der, its_own, number));
    listed += its_own.size();
  }
  must_crl(listed == denied.size(), "a denied certificate is of no CA of this station");
  return out;
}

std::string denial_list_pem(View der) {
  std::string body = base64(der), out = "-----BEGIN X509 CRL-----\n";
  for (std::size_t at = 0; at < body.size(); at += 64) out += body.substr(at, 64) + "\n";
  return out + "-----END X509 CRL-----\n";
}

}  // namespace mintmark
