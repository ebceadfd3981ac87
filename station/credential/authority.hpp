// The station's CA where an owner signs it: the request that leaves, the certificate that comes
// back (RFC 2986, RFC 5280).
#pragma once

#include <string>
#include <vector>

#include "hsm/vault.hpp"
#include "station/words/bytes.hpp"

namespace mintmark {

// PKCS#10 in PEM for a CA key (0: the one in use), signed by it: CN, and an extensionRequest for
// CA:TRUE with pathlen 0 and keyCertSign, cRLSign. Fault "identity.failed".
std::string make_ca_request(Vault& vault, const std::string& common_name, int generation = 0);

// The uncompressed point (or whatever the key is) of a certificate; empty where it is none.
Bytes certificate_key(View der);

// Which of the token's CA keys `point` is. Fault "identity.ca" where it is none of them.
int ca_generation(Vault& vault, View point);

// `chain` (DER): the certificate of the key `point`, then its issuers, each signed by the next, the
// last by itself. The first has CA:TRUE, pathlen 0, keyCertSign and cRLSign, and a subject key
// identifier; all are valid now. Fault "ca.chain" (reason) for anything else.
void check_ca_chain(View point, const std::vector<Bytes>& chain);

}  // namespace mintmark
