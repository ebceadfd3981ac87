#include "station/credential/pkcs10.hpp"

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>

#include "station/credential/key_check.hpp"
#include "station/words/fault.hpp"

namespace mintmark {

namespace {

struct FreePkcs10 {
  void operator()(X509_REQ* p) const { X509_REQ_free(p); }
  void operator()(STACK_OF(X509_EXTENSION) * p) const {
    sk_X509_EXTENSION_pop_free(p, X509_EXTENSION_free);
  }
  void operator()(unsigned char* p) const { OPENSSL_free(p); }
};
using Pkcs10 = std::unique_ptr<X509_REQ, FreePkcs10>;
using AskedExtensions = std::unique_ptr<STACK_OF(X509_EXTENSION), FreePkcs10>;

Fault not_a_request(std::string reason) {
  return Fault("identity.request", {{"reason", std::move(reason)}});
}

Pkcs10 parse_pkcs10(View der) {
  const unsigned char* at = der.data();
  Pkcs10 out(d2i_X509_REQ(nullptr, &at, static_cast<long>(der.size())));
  if (!out || at != der.data() + der.size()) throw not_a_request("not a PKCS#10 request");
  if (X509_REQ_get_version(out.get()) != X509_REQ_VERSION_1) throw not_a_request("version");
  return out;
}

std::string name_of(const ASN1_OBJECT* object) {
  std::array<char, 80> out{};
  OBJ_obj2txt(out.data(), static_cast<int>(out.size()), object, 0);
  return out.data();
}

// One value of each kind that is known, and no other.
void check_attributes(X509_REQ* request) {
  std::array<int, 2> known = {NID_pkcs9_challengePassword, NID_ext_req};
  for (int i = 0; i < X509_REQ_get_attr_count(request); ++i) {
    X509_ATTRIBUTE* attribute = X509_REQ_get_attr(request, i);
    const ASN1_OBJECT* type = X509_ATTRIBUTE_get0_object(attribute);
    auto* place = std::find(known.begin(), known.end(), OBJ_obj2nid(type));
    if (place == known.end() || X509_ATTRIBUTE_count(attribute) != 1)
      throw not_a_request("attribute " + name_of(type));
    *place = NID_undef;
  }
}

Bytes key_of(X509_REQ* request) {
  unsigned char* der = nullptr;
  int size = i2d_X509_PUBKEY(X509_REQ_get_X509_PUBKEY(request), &der);
  std::unique_ptr<unsigned char, FreePkcs10> owned(der);
  return size > 0 ? Bytes(der, der + size) : Bytes();
}

void check_signature(X509_REQ* request) {
  int digest = NID_undef, key = NID_undef;
  bool known = OBJ_find_sigid_algs(X509_REQ_get_signature_nid(request), &digest, &key) == 1;
  bool sound = digest == NID_sha256 || digest == NID_sha384 || digest == NID_sha512 ||
               (digest == NID_undef && key == NID_ED25519);
  if (!known || !sound || X509_REQ_verify(request, X509_REQ_get0_pubkey(request)) != 1)
    throw Fault("identity.bad_signature");
}

std::string utf8(const ASN1_STRING* value) {
  unsigned char* out = nullptr;
  int size = ASN1_STRING_to_UTF8(&out, value);
  std::unique_ptr<unsigned char, FreePkcs10> owned(out);
  return size > 0 ? std::string(out, out + size) : std::string();
}

// As RFC 7030 section 3.5 binds a request to its channel.
void check_binding(X509_REQ* request, const Digest& transcript) {
  int at = X509_REQ_get_attr_by_NID(request, NID_pkcs9_challengePassword, -1);
  X509_ATTRIBUTE* attribute = at < 0 ? nullptr : X509_REQ_get_attr(request, at);
  ASN1_TYPE* value = attribute == nullptr ? nullptr : X509_ATTRIBUTE_get0_type(attribute, 0);
  bool is_text = value != nullptr &&
                 (value->type == V_ASN1_PRINTABLESTRING || value->type == V_ASN1_UTF8STRING);
  if (!is_text || utf8(value->value.asn1_string) != hex(transcript))
    throw Fault("identity.request_unbound");
}

std::string shown(const X509_NAME* name) {
  std::array<char, 120> out{};
  X509_NAME_oneline(name, out.data(), static_cast<int>(out.size()));
  return out.data();
}

void check_subject(X509_REQ* request, const std::string& serial) {
  const X509_NAME* name = X509_REQ_get_subject_name(request);
  for (int i = 0; i < X509_NAME_entry_count(name); ++i) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(name, i);
    int type = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
    bool allowed = type == NID_serialNumber || type == NID_commonName;
    if (!allowed || utf8(X509_NAME_ENTRY_get_data(entry)) != serial)
      throw Fault("identity.subject", {{"subject", shown(name)}});
  }
}

// What every certificate of ours says anyway.
bool is_granted(X509_EXTENSION* extension) {
  static constexpr std::uint8_t kSigns[] = {0x03, 0x02, 0x07, 0x80}, kNoCa[] = {0x30, 0x00};
  const ASN1_OCTET_STRING* octets = X509_EXTENSION_get_data(extension);
  View value(ASN1_STRING_get0_data(octets), static_cast<std::size_t>(ASN1_STRING_length(octets)));
  switch (OBJ_obj2nid(X509_EXTENSION_get_object(extension))) {
    case NID_key_usage:
      return equal(value, kSigns);
    case NID_basic_constraints:
      return equal(value, kNoCa);
    default:
      return false;
  }
}

void check_extensions(X509_REQ* request) {
  if (X509_REQ_get_attr_by_NID(request, NID_ext_req, -1) < 0) return;
  AskedExtensions asked(X509_REQ_get_extensions(request));
  if (!asked) throw not_a_request("extensions that cannot be read");
  for (int i = 0; i < sk_X509_EXTENSION_num(asked.get()); ++i) {
    X509_EXTENSION* extension = sk_X509_EXTENSION_value(asked.get(), i);
    if (!is_granted(extension))
      throw Fault("identity.extension",
                  {{"extension", name_of(X509_EXTENSION_get_object(extension))}});
  }
}

}  // namespace

Bytes check_pkcs10(View der, const Pkcs10Rules& rules) {
  Pkcs10 request = parse_pkcs10(der);
  check_attributes(request.get());
  Bytes spki = key_of(request.get());
  check_key(spki, rules.algorithm);
  check_signature(request.get());
  check_binding(request.get(), rules.transcript);
  check_subject(request.get(), rules.serial);
  check_extensions(request.get());
  return spki;
}

}  // namespace mintmark
