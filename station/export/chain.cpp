#include "station/export/chain.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>
#include <memory>

namespace mintmark::exports {

namespace {

struct Free {
  void operator()(X509* p) const { X509_free(p); }
  void operator()(X509_STORE* p) const { X509_STORE_free(p); }
  void operator()(X509_STORE_CTX* p) const { X509_STORE_CTX_free(p); }
  void operator()(X509_CRL* p) const { X509_CRL_free(p); }
  void operator()(ASN1_STRING* p) const { ASN1_STRING_free(p); }  // numbers, times
  void operator()(BIO* p) const { BIO_free(p); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

Owned<X509> parse(View der) {
  const unsigned char* at = der.data();
  Owned<X509> out(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (out && at != der.data() + der.size()) out.reset();
  return out;
}

Bytes der_of(X509* certificate) {
  Bytes out(static_cast<std::size_t>(std::max(0, i2d_X509(certificate, nullptr))));
  unsigned char* at = out.data();
  i2d_X509(certificate, &at);
  return out;
}

std::optional<std::time_t> to_time(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return std::nullopt;
  return timegm(&parts);
}

}  // namespace

std::vector<Bytes> read_pem(std::string_view text) {
  std::vector<Bytes> out;
  Owned<BIO> in(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  while (in) {
    Owned<X509> one(PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr));
    if (!one) break;
    out.push_back(der_of(one.get()));
  }
  ERR_clear_error();  // the end of the text is an error to OpenSSL
  return out;
}

std::string subject_serial(View der) {
  Owned<X509> certificate = parse(der);
  if (!certificate) return {};
  char out[65] = {};
  int n = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate.get()), NID_serialNumber, out,
                                    sizeof out);
  return n > 0 ? std::string(out, static_cast<std::size_t>(n)) : std::string();
}

std::optional<std::string> chain_fault(View der, const std::vector<Bytes>& chain) {
  Owned<X509> certificate = parse(der);
  Owned<X509_STORE> store(X509_STORE_new());
  Owned<X509_STORE_CTX> context(X509_STORE_CTX_new());
  if (!certificate || !store || !context) return "not a certificate";
  for (const Bytes& one : chain)
    if (Owned<X509> ca = parse(one)) X509_STORE_add_cert(store.get(), ca.get());
  // The station's CA may itself be issued by the owner's: what the owner pinned is trusted as is.
  X509_STORE_set_flags(store.get(), X509_V_FLAG_PARTIAL_CHAIN);
  if (X509_STORE_CTX_init(context.get(), store.get(), certificate.get(), nullptr) != 1)
    return "not a certificate";
  // A certificate without an end outlives its CA: what counts is that it was issued in time.
  if (auto issued = to_time(X509_get0_notBefore(certificate.get())))
    X509_STORE_CTX_set_time(context.get(), 0, *issued);
  if (X509_verify_cert(context.get()) == 1) return std::nullopt;
  std::string reason = X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()));
  ERR_clear_error();
  return "does not chain to ca-chain.pem: " + reason;
}

static std::string octets_of(const ASN1_INTEGER* number) {
  return hex(
      View(ASN1_STRING_get0_data(number), static_cast<std::size_t>(ASN1_STRING_length(number))));
}

static std::string reason_of(X509_REVOKED* entry) {
  Owned<ASN1_ENUMERATED> reason(static_cast<ASN1_ENUMERATED*>(
      X509_REVOKED_get_ext_d2i(entry, NID_crl_reason, nullptr, nullptr)));
  switch (reason ? ASN1_ENUMERATED_get(reason.get()) : -1) {
    case CRL_REASON_KEY_COMPROMISE:
      return "keyCompromise";
    case CRL_REASON_SUPERSEDED:
      return "superseded";
    case CRL_REASON_CESSATION_OF_OPERATION:
      return "cessationOfOperation";
    case CRL_REASON_PRIVILEGE_WITHDRAWN:
      return "privilegeWithdrawn";
    default:
      return {};
  }
}

static DenialList facts_of(X509_CRL* crl) {
  DenialList out;
  out.der.resize(static_cast<std::size_t>(std::max(0, i2d_X509_CRL(crl, nullptr))));
  unsigned char* at = out.der.data();
  i2d_X509_CRL(crl, &at);
  Owned<ASN1_INTEGER> number(
      static_cast<ASN1_INTEGER*>(X509_CRL_get_ext_d2i(crl, NID_crl_number, nullptr, nullptr)));
  std::uint64_t value = 0;
  if (number && ASN1_INTEGER_get_uint64(&value, number.get()) == 1)
    out.number = std::to_string(value);
  STACK_OF(X509_REVOKED)* list = X509_CRL_get_REVOKED(crl);
  for (int i = 0; list != nullptr && i < sk_X509_REVOKED_num(list); ++i) {
    X509_REVOKED* entry = sk_X509_REVOKED_value(list, i);
    out.numbers[octets_of(X509_REVOKED_get0_serialNumber(entry))] = reason_of(entry);
  }
  return out;
}

std::vector<DenialList> read_denial_lists(std::string_view text) {
  std::vector<DenialList> out;
  Owned<BIO> in(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  while (in) {
    Owned<X509_CRL> one(PEM_read_bio_X509_CRL(in.get(), nullptr, nullptr, nullptr));
    if (!one) break;
    out.push_back(facts_of(one.get()));
  }
  ERR_clear_error();  // the end of the text is an error to OpenSSL
  return out;
}

bool is_list_of(const DenialList& list, View ca_der) {
  const unsigned char* at = list.der.data();
  Owned<X509_CRL> crl(d2i_X509_CRL(nullptr, &at, static_cast<long>(list.der.size())));
  Owned<X509> ca = parse(ca_der);
  bool good = crl && ca &&
              X509_NAME_cmp(X509_CRL_get_issuer(crl.get()), X509_get_subject_name(ca.get())) == 0 &&
              X509_CRL_verify(crl.get(), X509_get0_pubkey(ca.get())) == 1;
  ERR_clear_error();
  return good;
}

bool is_issued_by(View certificate_der, View ca_der) {
  Owned<X509> certificate = parse(certificate_der), ca = parse(ca_der);
  bool good = certificate && ca && X509_check_issued(ca.get(), certificate.get()) == X509_V_OK &&
              X509_verify(certificate.get(), X509_get0_pubkey(ca.get())) == 1;
  ERR_clear_error();
  return good;
}

std::string certificate_number(View der) {
  Owned<X509> certificate = parse(der);
  return certificate ? octets_of(X509_get0_serialNumber(certificate.get())) : "";
}

}  // namespace mintmark::exports
