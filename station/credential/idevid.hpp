// Device identities: the CA's own certificate and IEEE 802.1AR IDevIDs under it (RFC 5280, 4108).
// All DER. OpenSSL builds, the token signs; every certificate is verified before it is returned.
#pragma once

#include <string>

#include "hsm/vault.hpp"
#include "station/words/bytes.hpp"

namespace mintmark {

// What the owner of a product states once. The OID is hardwareModuleName's hwType, dotted decimal.
struct IdevidProfile {
  IdevidProfile() = default;
  IdevidProfile(std::string organization_, std::string hw_type_oid_)
      : organization(std::move(organization_)), hw_type_oid(std::move(hw_type_oid_)) {}
  std::string organization;
  std::string hw_type_oid;

  // Fault("identity.profile", field and reason): organization 1 to 64 characters of UTF-8, an OID
  // below 1.3.6.1.4.1 or any other arc, of at least three numbers.
  void check() const;
};

// Self-signed: CN, CA:TRUE with pathlen 0 and keyCertSign, cRLSign (both critical), SKI, from now
// to 99991231235959Z. One CA key, one station: call it once for each generation of the key (0: that
// in use) and keep the result.
Bytes make_ca_certificate(Vault& vault, const std::string& common_name, int generation = 0);

// A second certificate for a unit's key, from another profile (IEEE 802.1AR LDevID style): for a
// service that the unit logs in to, and short-lived in place of revocation.
struct LdevidProfile {
  LdevidProfile() = default;
  std::string name;          // a word of the product
  std::string organization;  // O
  std::string common_name;   // CN; "{serial}" is replaced
  int days = 0;              // from now
};

// Version 3; issuer and AKI from the CA's certificate; subject O, CN, serialNumber; CA:FALSE and
// key usage digitalSignature (both critical), extended key usage clientAuth. Faults as make_idevid.
Bytes make_ldevid(Vault& vault, View ca_cert_der, View unit_spki, const std::string& serial,
                  const LdevidProfile& profile, KeyAlgorithm algorithm = KeyAlgorithm::p256);

// Version 3; random serial number of 20 octets from the token; issuer and AKI from the CA's
// certificate; subject O, serialNumber (PrintableString); key usage digitalSignature (critical);
// SAN hardwareModuleName (hw_type_oid, hw_raw), not critical; no SKI; ecdsa-with-SHA256; until
// 99991231235959Z. Of what the unit sent only `unit_spki` is used, a key of that algorithm.
// Faults: identity.bad_key, identity.weak_key, identity.algorithm (key_check.hpp),
// identity.profile, identity.ca (not the token's CA), identity.failed.
Bytes make_idevid(Vault& vault, View ca_cert_der, View unit_spki, const std::string& serial,
                  View hw_raw, const IdevidProfile& profile,
                  KeyAlgorithm algorithm = KeyAlgorithm::p256);

std::string pem(View certificate_der);  // RFC 7468

Digest spki_fingerprint(View spki);  // FORMATS, "Fingerprint": SHA-256 of the DER

}  // namespace mintmark
