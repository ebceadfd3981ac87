#include "hsm/attributes.hpp"

#include <cstring>

namespace mintmark::pkcs11 {

Attributes& Attributes::bytes(CK_ATTRIBUTE_TYPE type, View value) {
  items_.emplace_back(type, to_bytes(value));
  return *this;
}

Attributes& Attributes::flag(CK_ATTRIBUTE_TYPE type, bool value) {
  const CK_BBOOL one = value ? CK_TRUE : CK_FALSE;
  return bytes(type, View(&one, 1));
}

Attributes& Attributes::number(CK_ATTRIBUTE_TYPE type, CK_ULONG value) {
  return bytes(type, View(reinterpret_cast<const std::uint8_t*>(&value), sizeof value));
}

std::vector<CK_ATTRIBUTE> Attributes::raw() {
  std::vector<CK_ATTRIBUTE> out;
  for (auto& [type, value] : items_) out.push_back({type, value.data(), value.size()});
  return out;
}

CK_ULONG number_in(View value) {
  CK_ULONG out = CK_UNAVAILABLE_INFORMATION;
  if (value.size() == sizeof out) std::memcpy(&out, value.data(), sizeof out);
  return out;
}

#define NAME(x) \
  case x:       \
    return #x

std::string_view name_of_attribute(CK_ATTRIBUTE_TYPE type) {
  switch (type) {
    NAME(CKA_CLASS);
    NAME(CKA_KEY_TYPE);
    NAME(CKA_LABEL);
    NAME(CKA_ID);
    NAME(CKA_TOKEN);
    NAME(CKA_PRIVATE);
    NAME(CKA_MODIFIABLE);
    NAME(CKA_COPYABLE);
    NAME(CKA_SENSITIVE);
    NAME(CKA_EXTRACTABLE);
    NAME(CKA_WRAP_WITH_TRUSTED);
    NAME(CKA_TRUSTED);
    NAME(CKA_MODULUS);
    NAME(CKA_UNWRAP_TEMPLATE);
    NAME(CKA_ALWAYS_AUTHENTICATE);
    NAME(CKA_ENCRYPT);
    NAME(CKA_DECRYPT);
    NAME(CKA_SIGN);
    NAME(CKA_SIGN_RECOVER);
    NAME(CKA_VERIFY);
    NAME(CKA_VERIFY_RECOVER);
    NAME(CKA_WRAP);
    NAME(CKA_UNWRAP);
    NAME(CKA_DERIVE);
    NAME(CKA_VALUE_LEN);
    NAME(CKA_ALLOWED_MECHANISMS);
    NAME(CKA_LOCAL);
    NAME(CKA_ALWAYS_SENSITIVE);
    NAME(CKA_NEVER_EXTRACTABLE);
    default:
      return "CKA_?";
  }
}

std::string_view name_of_mechanism(CK_MECHANISM_TYPE type) {
  switch (type) {
    NAME(CKM_SHA256_HMAC);
    NAME(CKM_AES_GCM);
    NAME(CKM_ECDSA);
    NAME(CKM_EDDSA);
    NAME(CKM_RSA_PKCS_OAEP);
    NAME(CKM_ECDH1_DERIVE);
    default:
      return "CKM_?";
  }
}

#undef NAME

}  // namespace mintmark::pkcs11
