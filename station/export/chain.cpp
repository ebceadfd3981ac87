#include "station/export/chain.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include <memory>

namespace mintmark::exports {

namespace {

struct Free {
  void operator()(X509* p) const { X509_free(p); }
  void operator()(X509_STORE* p) const { X509_STORE_free(p); }
  void operator()(X509_STORE_CTX* p) const { X509_STORE_CTX_free(p); }
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
  if (X509_verify_cert(context.get()) == 1) return std::nullopt;
  std::string reason = X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()));
  ERR_clear_error();
  return "does not chain to ca-chain.pem: " + reason;
}

}  // namespace mintmark::exports
