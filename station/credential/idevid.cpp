#include "station/credential/idevid.hpp"

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <memory>
#include <mutex>

#include "station/credential/authority.hpp"
#include "station/credential/key_check.hpp"
#include "station/words/crypto.hpp"
#include "station/words/fault.hpp"
#include "station/words/unit.hpp"

namespace mintmark {

namespace {

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* p) const {
    Free(p);
  }
};
using Algorithm = std::unique_ptr<X509_ALGOR, Deleter<X509_ALGOR_free>>;
using Bits = std::unique_ptr<ASN1_BIT_STRING, Deleter<ASN1_BIT_STRING_free>>;
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Deleter<X509_EXTENSION_free>>;
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using Object = std::unique_ptr<ASN1_OBJECT, Deleter<ASN1_OBJECT_free>>;
using Octets = std::unique_ptr<ASN1_OCTET_STRING, Deleter<ASN1_OCTET_STRING_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, Deleter<GENERAL_NAMES_free>>;
using Number = std::unique_ptr<BIGNUM, Deleter<BN_free>>;
using Request = std::unique_ptr<X509_REQ, Deleter<X509_REQ_free>>;
struct FreeExtensions {
  void operator()(STACK_OF(X509_EXTENSION) * p) const {
    sk_X509_EXTENSION_pop_free(p, X509_EXTENSION_free);
  }
};
using Extensions = std::unique_ptr<STACK_OF(X509_EXTENSION), FreeExtensions>;
using Signature = std::unique_ptr<ECDSA_SIG, Deleter<ECDSA_SIG_free>>;

// id-on-hardwareModuleName (RFC 4108 section 5).
constexpr const char* kHardwareModuleName = "1.3.6.1.5.5.7.8.4";
// RFC 5280 section 4.1.2.5: no expiry; IEEE 802.1AR asks for it.
constexpr const char* kNever = "99991231235959Z";

void must(bool ok, const char* what) {
  if (!ok) throw Fault("identity.failed", {}, what);
}

// DER of an OpenSSL structure.
template <class T, class Encode>
Bytes der_of(T* value, Encode encode) {
  int size = encode(value, nullptr);
  must(size > 0, "DER");
  Bytes out(static_cast<std::size_t>(size));
  unsigned char* at = out.data();
  must(encode(value, &at) == size, "DER");
  return out;
}

Certificate parse_certificate(View der) {
  const unsigned char* at = der.data();
  Certificate out(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (!out || at != der.data() + der.size())
    throw Fault("identity.ca", {{"reason", "not a certificate"}});
  return out;
}

Key parse_key(View spki) {
  const unsigned char* at = spki.data();
  Key out(d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size())));
  must(out != nullptr, "SubjectPublicKeyInfo");
  return out;
}

void add_name(X509_NAME* name, int field, int type, const std::string& value) {
  must(X509_NAME_add_entry_by_NID(name, field, type,
                                  reinterpret_cast<const unsigned char*>(value.data()),
                                  static_cast<int>(value.size()), -1, 0) == 1,
       "name");
}

void add_extension(X509* to, X509* issuer, int type, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, to, nullptr, nullptr, 0);
  Extension extension(X509V3_EXT_conf_nid(nullptr, &context, type, value));
  must(extension && X509_add_ext(to, extension.get(), -1) == 1, "extension");
}

// RFC 5280 section 4.1.2.2: positive, at most 20 octets. These are always 20: 158 random bits.
void set_serial_number(X509* certificate, Vault& vault) {
  Bytes octets = vault.random(20);
  octets[0] = static_cast<std::uint8_t>((octets[0] & 0x3f) | 0x40);
  Number number(BN_bin2bn(octets.data(), static_cast<int>(octets.size()), nullptr));
  must(number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr,
       "serial number");
}

// By its bytes, part by part: to encode a key anew takes OpenSSL longer than a token to sign.
void set_public_key(X509* to, View spki) {
  const unsigned char *at = spki.data(), *end = at + spki.size();
  long size = 0;
  int tag = 0, tag_class = 0;
  must(ASN1_get_object(&at, &size, &tag, &tag_class, end - at) == V_ASN1_CONSTRUCTED &&
           tag == V_ASN1_SEQUENCE && at + size == end,
       "SubjectPublicKeyInfo");
  Algorithm algorithm(d2i_X509_ALGOR(nullptr, &at, end - at));
  Bits bits(d2i_ASN1_BIT_STRING(nullptr, &at, end - at));
  must(algorithm && bits && at == end, "SubjectPublicKeyInfo");
  const ASN1_OBJECT* kind = nullptr;
  const void* parameters = nullptr;
  int type = V_ASN1_UNDEF;
  X509_ALGOR_get0(&kind, &type, &parameters, algorithm.get());
  bool named = type == V_ASN1_OBJECT;  // a curve; or there are none, or NULL
  must(named || type == V_ASN1_UNDEF || type == V_ASN1_NULL, "SubjectPublicKeyInfo");
  auto length = static_cast<std::size_t>(bits->length);
  must(X509_PUBKEY_set0_param(
           X509_get_X509_PUBKEY(to), OBJ_dup(kind), type,
           named ? OBJ_dup(static_cast<const ASN1_OBJECT*>(parameters)) : nullptr,
           static_cast<unsigned char*>(OPENSSL_memdup(bits->data, length)), bits->length) == 1,
       "SubjectPublicKeyInfo");
}

// RFC 5280 section 4.1.2.5: UTCTime until 2049, GeneralizedTime from then on.
// No earlier than the CA's own: a clock that was set back makes no certificate from before its CA.
Certificate start(Vault& vault, View spki, const X509* ca) {
  Certificate out(X509_new());
  must(out && X509_set_version(out.get(), X509_VERSION_3) == 1, "version");
  set_serial_number(out.get(), vault);
  must(X509_time_adj_ex(X509_getm_notBefore(out.get()), 0, 0, nullptr) != nullptr &&
           ASN1_TIME_set_string_X509(X509_getm_notAfter(out.get()), kNever) == 1,
       "validity");
  if (ca != nullptr &&
      ASN1_TIME_compare(X509_get0_notBefore(out.get()), X509_get0_notBefore(ca)) < 0)
    must(X509_set1_notBefore(out.get(), X509_get0_notBefore(ca)) == 1, "validity");
  set_public_key(out.get(), spki);
  return out;
}

// Cryptoki's r and s (PKCS#11 section 2.3.1 of the mechanisms) as RFC 3279's SEQUENCE.
Bytes signature_der(View rs) {
  Signature out(ECDSA_SIG_new());
  must(rs.size() == 64 && out != nullptr, "signature");
  BIGNUM* r = BN_bin2bn(rs.data(), 32, nullptr);
  BIGNUM* s = BN_bin2bn(rs.data() + 32, 32, nullptr);
  must(ECDSA_SIG_set0(out.get(), r, s) == 1, "signature");
  return der_of(out.get(), i2d_ECDSA_SIG);
}

// OpenSSL hands the algorithm and signature out as const, and has no setter for a signature made
// elsewhere.
void set_algorithm(const X509_ALGOR* algorithm) {
  must(X509_ALGOR_set0(const_cast<X509_ALGOR*>(algorithm), OBJ_nid2obj(NID_ecdsa_with_SHA256),
                       V_ASN1_UNDEF, nullptr) == 1,
       "algorithm");
}

void set_signature(const ASN1_BIT_STRING* field, View der) {
  auto* bits = const_cast<ASN1_BIT_STRING*>(field);
  must(ASN1_BIT_STRING_set(bits, const_cast<std::uint8_t*>(der.data()),
                           static_cast<int>(der.size())) == 1,
       "signature");
  bits->flags = (bits->flags & ~(ASN1_STRING_FLAG_BITS_LEFT | 7L)) | ASN1_STRING_FLAG_BITS_LEFT;
}

// Signed by the token and verified here: a fault in the token or on the way to it must not leave
// the factory as a certificate that nobody accepts.
Bytes sign(Vault& vault, X509* certificate, EVP_PKEY* ca_key, int generation) {
  const ASN1_BIT_STRING* signature = nullptr;
  const X509_ALGOR* algorithm = nullptr;
  X509_get0_signature(&signature, &algorithm, certificate);
  set_algorithm(X509_get0_tbs_sigalg(certificate));
  set_algorithm(algorithm);
  Digest digest = sha256(der_of(certificate, i2d_re_X509_tbs));
  set_signature(signature, signature_der(vault.sign(SignerRole::ca, digest, generation)));
  must(X509_verify(certificate, ca_key) == 1, "the token's signature");
  return der_of(certificate, i2d_X509);
}

Object oid(const std::string& dotted) { return Object(OBJ_txt2obj(dotted.c_str(), 1)); }

// RFC 4108 section 5: HardwareModuleName ::= SEQUENCE { hwType OID, hwSerialNum OCTET STRING }.
Bytes hardware_module_name(const std::string& hw_type, View hw_raw) {
  Octets serial(ASN1_OCTET_STRING_new());
  must(serial &&
           ASN1_OCTET_STRING_set(serial.get(), hw_raw.data(), static_cast<int>(hw_raw.size())) == 1,
       "hwSerialNum");
  Bytes type_der = der_of(oid(hw_type).get(), i2d_ASN1_OBJECT);
  Bytes serial_der = der_of(serial.get(), i2d_ASN1_OCTET_STRING);
  int content = static_cast<int>(type_der.size() + serial_der.size());
  Bytes out(static_cast<std::size_t>(ASN1_object_size(1, content, V_ASN1_SEQUENCE)));
  unsigned char* at = out.data();
  ASN1_put_object(&at, 1, content, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
  at = std::copy(type_der.begin(), type_der.end(), at);
  std::copy(serial_der.begin(), serial_der.end(), at);
  return out;
}

GENERAL_NAME* other_name(const char* type, View sequence) {
  GENERAL_NAME* out = GENERAL_NAME_new();
  ASN1_TYPE* value = ASN1_TYPE_new();
  ASN1_STRING* content = ASN1_STRING_type_new(V_ASN1_SEQUENCE);
  must(out != nullptr && value != nullptr && content != nullptr &&
           ASN1_STRING_set(content, sequence.data(), static_cast<int>(sequence.size())) == 1,
       "otherName");
  ASN1_TYPE_set(value, V_ASN1_SEQUENCE, content);
  must(GENERAL_NAME_set0_othername(out, oid(type).release(), value) == 1, "otherName");
  return out;
}

void add_hardware_module_name(X509* certificate, View sequence) {
  Names names(GENERAL_NAMES_new());
  must(names && sk_GENERAL_NAME_push(names.get(), other_name(kHardwareModuleName, sequence)) > 0 &&
           X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0, 0) == 1,
       "subjectAltName");
}

Fault bad_profile(const char* field, const char* reason) {
  return Fault("identity.profile", {{"field", field}, {"reason", reason}});
}

bool is_dotted_oid(const std::string& text) {
  if (text.empty() || text.size() > 128 || text.front() == '.' || text.back() == '.') return false;
  if (text.find_first_not_of("0123456789.") != std::string::npos) return false;
  if (text.find("..") != std::string::npos || std::count(text.begin(), text.end(), '.') < 2)
    return false;
  return oid(text) != nullptr;  // the arcs' ranges
}

std::string pem_block(View der, const std::string& label) {
  std::string body = base64(der), out = "-----BEGIN " + label + "-----\n";
  for (std::size_t at = 0; at < body.size(); at += 64) out += body.substr(at, 64) + "\n";
  return out + "-----END " + label + "-----\n";
}

// The CA that issued last, parsed: it changes once in years, and to parse it takes OpenSSL longer
// than a token to sign.
std::shared_ptr<X509> parsed_ca(View der) {
  static std::mutex mutex;
  static Bytes known;
  static std::shared_ptr<X509> parsed;
  std::lock_guard<std::mutex> guard(mutex);
  if (!equal(known, der)) {
    parsed = parse_certificate(der);
    known = to_bytes(der);
  }
  return parsed;
}

struct OwnCa {
  std::shared_ptr<X509> certificate;
  int generation;  // of its key
  X509* get() const { return certificate.get(); }
};

// The key that signs is that of the certificate which issues, whichever is in use by now.
OwnCa own_ca(Vault& vault, View der) {
  std::shared_ptr<X509> certificate = parsed_ca(der);
  const ASN1_BIT_STRING* point = X509_get0_pubkey_bitstr(certificate.get());
  View key(point->data, static_cast<std::size_t>(point->length));
  OwnCa ca{certificate, ca_generation(vault, key)};
  if (X509_cmp_current_time(X509_get0_notAfter(ca.get())) <= 0)
    throw Fault("identity.ca", {{"reason", "the CA's certificate has expired"}});
  return ca;
}

}  // namespace

void IdevidProfile::check() const {
  if (organization.empty()) throw bad_profile("organization", "empty");
  std::unique_ptr<X509_NAME, Deleter<X509_NAME_free>> name(X509_NAME_new());
  // OpenSSL knows UTF-8 and the upper bound ub-organization-name.
  if (X509_NAME_add_entry_by_NID(name.get(), NID_organizationName, MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(organization.data()),
                                 static_cast<int>(organization.size()), -1, 0) != 1)
    throw bad_profile("organization", "not 1 to 64 characters of UTF-8");
  if (!is_dotted_oid(hw_type_oid)) throw bad_profile("hw_type_oid", "not a dotted OID");
}

Bytes make_ca_certificate(Vault& vault, const std::string& common_name, int generation) {
  Bytes spki = p256_spki(vault.public_key(SignerRole::ca, generation));
  Key key = parse_key(spki);
  Certificate ca = start(vault, spki, nullptr);
  X509_NAME* name = X509_get_subject_name(ca.get());
  add_name(name, NID_commonName, MBSTRING_UTF8, common_name);
  must(X509_set_issuer_name(ca.get(), name) == 1, "issuer");
  add_extension(ca.get(), ca.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
  add_extension(ca.get(), ca.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
  add_extension(ca.get(), ca.get(), NID_subject_key_identifier, "hash");
  return sign(vault, ca.get(), key.get(), generation);
}

std::string make_ca_request(Vault& vault, const std::string& common_name, int generation) {
  Key key = parse_key(p256_spki(vault.public_key(SignerRole::ca, generation)));
  Request request(X509_REQ_new());
  must(request && X509_REQ_set_version(request.get(), X509_REQ_VERSION_1) == 1 &&
           X509_REQ_set_pubkey(request.get(), key.get()) == 1,
       "request");
  add_name(X509_REQ_get_subject_name(request.get()), NID_commonName, MBSTRING_UTF8, common_name);
  Extensions asked(sk_X509_EXTENSION_new_null());
  must(asked != nullptr, "extensions");
  for (auto [type, value] : {std::pair(NID_basic_constraints, "critical,CA:TRUE,pathlen:0"),
                             std::pair(NID_key_usage, "critical,keyCertSign,cRLSign")})
    must(
        sk_X509_EXTENSION_push(asked.get(), X509V3_EXT_conf_nid(nullptr, nullptr, type, value)) > 0,
        "extension");
  must(X509_REQ_add_extensions(request.get(), asked.get()) == 1, "extensions");
  const ASN1_BIT_STRING* signature = nullptr;
  const X509_ALGOR* algorithm = nullptr;
  X509_REQ_get0_signature(request.get(), &signature, &algorithm);
  set_algorithm(algorithm);
  Digest digest = sha256(der_of(request.get(), i2d_re_X509_REQ_tbs));
  set_signature(signature, signature_der(vault.sign(SignerRole::ca, digest, generation)));
  must(X509_REQ_verify(request.get(), key.get()) == 1, "the token's signature");
  return pem_block(der_of(request.get(), i2d_X509_REQ), "CERTIFICATE REQUEST");
}

Bytes make_idevid(Vault& vault, View ca_cert_der, View unit_spki, const std::string& serial,
                  View hw_raw, const IdevidProfile& profile, KeyAlgorithm algorithm) {
  profile.check();
  check_key(unit_spki, algorithm);
  must(is_serial(serial) && !hw_raw.empty() && hw_raw.size() <= 255, "serial or hardware id");
  OwnCa ca = own_ca(vault, ca_cert_der);
  Certificate leaf = start(vault, unit_spki, ca.get());
  must(X509_set_issuer_name(leaf.get(), X509_get_subject_name(ca.get())) == 1, "issuer");
  X509_NAME* name = X509_get_subject_name(leaf.get());
  add_name(name, NID_organizationName, MBSTRING_UTF8, profile.organization);
  add_name(name, NID_serialNumber, V_ASN1_PRINTABLESTRING, serial);
  add_extension(leaf.get(), ca.get(), NID_authority_key_identifier, "keyid:always");
  add_extension(leaf.get(), ca.get(), NID_key_usage, "critical,digitalSignature");
  add_hardware_module_name(leaf.get(), hardware_module_name(profile.hw_type_oid, hw_raw));
  return sign(vault, leaf.get(), X509_get0_pubkey(ca.get()), ca.generation);
}

static std::string filled_in(std::string pattern, const std::string& serial) {
  for (std::size_t at; (at = pattern.find("{serial}")) != pattern.npos;)
    pattern.replace(at, 8, serial);
  return pattern;
}

Bytes make_ldevid(Vault& vault, View ca_cert_der, View unit_spki, const std::string& serial,
                  const LdevidProfile& profile, KeyAlgorithm algorithm) {
  check_key(unit_spki, algorithm);
  must(is_serial(serial) && profile.days > 0, "serial or validity");
  OwnCa ca = own_ca(vault, ca_cert_der);
  Certificate leaf = start(vault, unit_spki, ca.get());
  must(X509_time_adj_ex(X509_getm_notAfter(leaf.get()), profile.days, 0, nullptr) != nullptr,
       "validity");
  must(X509_set_issuer_name(leaf.get(), X509_get_subject_name(ca.get())) == 1, "issuer");
  X509_NAME* name = X509_get_subject_name(leaf.get());
  add_name(name, NID_organizationName, MBSTRING_UTF8, profile.organization);
  add_name(name, NID_commonName, MBSTRING_UTF8, filled_in(profile.common_name, serial));
  add_name(name, NID_serialNumber, V_ASN1_PRINTABLESTRING, serial);
  add_extension(leaf.get(), ca.get(), NID_authority_key_identifier, "keyid:always");
  add_extension(leaf.get(), ca.get(), NID_basic_constraints, "critical,CA:FALSE");
  add_extension(leaf.get(), ca.get(), NID_key_usage, "critical,digitalSignature");
  add_extension(leaf.get(), ca.get(), NID_ext_key_usage, "clientAuth");
  return sign(vault, leaf.get(), X509_get0_pubkey(ca.get()), ca.generation);
}

std::string pem(View certificate_der) { return pem_block(certificate_der, "CERTIFICATE"); }

Digest spki_fingerprint(View spki) { return sha256(spki); }

}  // namespace mintmark
