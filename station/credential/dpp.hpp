// Wi-Fi Easy Connect (DPP) bootstrapping: a public key as a URI. No secret is in it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "station/words/bytes.hpp"

namespace mintmark {

// Easy Connect 5.2.1: "DPP:C:81/1,115/36;I:SN=…;M:010203040506;K:<base64>;;". K is the DER of the
// P-256 SubjectPublicKeyInfo with a compressed point, 59 bytes; `spki` is the 91 bytes of the
// uncompressed one. Fields that are empty are left out. Fault("policy.dpp", reason) for another
// key, an information with a semicolon or unprintable bytes, a channel that is not "class/number",
// or a MAC that is not six pairs of hexadecimal digits, with or without colons.
std::string dpp_uri(View spki, std::string_view info, std::string_view mac,
                    const std::vector<std::string>& channels);
bool is_dpp_channel(std::string_view channel);

}  // namespace mintmark
