// The denial list: an X.509 CRL version 2 (RFC 5280 section 5) of certificates that nobody may
// trust any more, signed by the CA key in the token. DER.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hsm/vault.hpp"
#include "station/words/bytes.hpp"

namespace mintmark {

struct DeniedCertificate {
  DeniedCertificate(Bytes certificate_, std::string reason_, std::string at_)
      : certificate(std::move(certificate_)), reason(std::move(reason_)), at(std::move(at_)) {}
  Bytes certificate;   // DER
  std::string reason;  // section 5.3.1: keyCompromise, superseded, cessationOfOperation, ...
  std::string at;      // revocation date, RFC 3339 UTC
};

inline constexpr int kDenialListDays = 30;  // until nextUpdate

// Issuer and authority key identifier of the CA; crlNumber `number`; thisUpdate now. Signed by that
// generation of the CA key, and verified before it is returned. Faults "identity.ca" (not the
// token's CA), "identity.failed".
Bytes make_denial_list(Vault& vault, View ca_cert_der, const std::vector<DeniedCertificate>& denied,
                       std::uint64_t number);

// A list speaks for its own issuer alone: one for each of `cas` (those of one name and key count as
// one), of the denied certificates that it issued. Fault "identity.failed" where one of them was
// issued by none.
std::vector<Bytes> make_denial_lists(Vault& vault, const std::vector<Bytes>& cas,
                                     const std::vector<DeniedCertificate>& denied,
                                     std::uint64_t number);

std::string denial_list_pem(View der);  // RFC 7468: X509 CRL

}  // namespace mintmark
