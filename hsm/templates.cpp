#include "hsm/templates.hpp"

#include <algorithm>

namespace mintmark::pkcs11 {

namespace {

using Uses = std::initializer_list<CK_ATTRIBUTE_TYPE>;

Attributes base(CK_OBJECT_CLASS object_class, CK_KEY_TYPE type) {
  Attributes out;
  return out.number(CKA_CLASS, object_class).number(CKA_KEY_TYPE, type).flag(CKA_TOKEN, false);
}

void state(Attributes& out, Uses all, Uses uses) {
  for (CK_ATTRIBUTE_TYPE use : all)
    out.flag(use, std::find(uses.begin(), uses.end(), use) != uses.end());
}

void keep_secret(Attributes& out, Leaves leaves) {
  out.flag(CKA_PRIVATE, true).flag(CKA_SENSITIVE, true);
  out.flag(CKA_EXTRACTABLE, leaves == Leaves::wrapped);
}

}  // namespace

Attributes session_secret(CK_KEY_TYPE type, Uses uses, Leaves leaves) {
  Attributes out = base(CKO_SECRET_KEY, type);
  keep_secret(out, leaves);
  state(out, {CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY, CKA_WRAP, CKA_UNWRAP, CKA_DERIVE},
        uses);
  return out;
}

Attributes session_private(CK_KEY_TYPE type, Uses uses, Leaves leaves) {
  Attributes out = base(CKO_PRIVATE_KEY, type);
  keep_secret(out, leaves);
  state(out, {CKA_DECRYPT, CKA_SIGN, CKA_SIGN_RECOVER, CKA_UNWRAP, CKA_DERIVE}, uses);
  return out;
}

Attributes session_public(CK_KEY_TYPE type, Uses uses) {
  Attributes out = base(CKO_PUBLIC_KEY, type);
  out.flag(CKA_PRIVATE, false);
  state(out, {CKA_ENCRYPT, CKA_VERIFY, CKA_VERIFY_RECOVER, CKA_WRAP, CKA_DERIVE}, uses);
  return out;
}

Bytes ec_point(Session& session, CK_OBJECT_HANDLE open, std::size_t size) {
  Bytes point = session.attribute(open, CKA_EC_POINT).value_or(Bytes{});
  Bytes header = {0x04, static_cast<std::uint8_t>(size)};
  if (size > 0x7f) header.insert(header.begin() + 1, 0x81);
  if (point.size() == header.size() + size && equal(View(point).first(header.size()), header))
    point.erase(point.begin(), point.begin() + static_cast<std::ptrdiff_t>(header.size()));
  if (point.size() != size) point.clear();
  return point;
}

}  // namespace mintmark::pkcs11
