// X.509 for the verifier, by OpenSSL: PEM in, reasons out.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "station/words/bytes.hpp"

namespace mintmark::exports {

std::vector<Bytes> read_pem(std::string_view text);  // DER of each CERTIFICATE block; none if bad
std::string subject_serial(View der);                // attribute serialNumber (2.5.4.5), or empty
// Why `der` does not chain to the certificates of `chain`; nullopt where it does.
std::optional<std::string> chain_fault(View der, const std::vector<Bytes>& chain);

std::string certificate_number(View der);  // serialNumber of RFC 5280, hex; empty if bad

// A denial list.
struct DenialList {
  DenialList() = default;
  Bytes der;
  std::string number;                          // crlNumber, decimal
  std::map<std::string, std::string> numbers;  // of certificates, hex, to the reason's word
};
// Of each X509 CRL block; none if bad.
std::vector<DenialList> read_denial_lists(std::string_view text);
// In the name of the CA certificate `ca` and by its key.
bool is_list_of(const DenialList& list, View ca);
bool is_issued_by(View certificate, View ca);

}  // namespace mintmark::exports
