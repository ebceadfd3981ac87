// Attribute templates: values are owned, so that a CK_ATTRIBUTE never points at what has gone.
#pragma once

#include <p11-kit/pkcs11.h>

#include <string_view>
#include <utility>
#include <vector>

#include "station/words/bytes.hpp"

namespace mintmark::pkcs11 {

class Attributes {
 public:
  Attributes& flag(CK_ATTRIBUTE_TYPE type, bool value);
  Attributes& number(CK_ATTRIBUTE_TYPE type, CK_ULONG value);
  Attributes& bytes(CK_ATTRIBUTE_TYPE type, View value);

  // Valid as long as this object is neither changed nor gone.
  std::vector<CK_ATTRIBUTE> raw();
  const std::vector<std::pair<CK_ATTRIBUTE_TYPE, Bytes>>& items() const& { return items_; }

 private:
  std::vector<std::pair<CK_ATTRIBUTE_TYPE, Bytes>> items_;
};

// The native CK_ULONG of an attribute's value; CK_UNAVAILABLE_INFORMATION if it is none.
CK_ULONG number_in(View value);

std::string_view name_of_attribute(CK_ATTRIBUTE_TYPE type);  // "CKA_SIGN"
std::string_view name_of_mechanism(CK_MECHANISM_TYPE type);  // "CKM_ECDSA"

}  // namespace mintmark::pkcs11
