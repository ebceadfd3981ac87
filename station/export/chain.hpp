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

// A denial list in PEM, as far as it can be checked against the chain's first certificate.
struct DenialList {
  DenialList() = default;
  bool signed_by_ca = false;
  std::string number;                          // crlNumber, decimal
  std::map<std::string, std::string> numbers;  // of certificates, hex, to the reason's word
};
std::optional<DenialList> read_denial_list(std::string_view text, const std::vector<Bytes>& chain);

}  // namespace mintmark::exports
