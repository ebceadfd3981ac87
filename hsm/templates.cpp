#include "hsm/templates.hpp"

#include <algorithm>

namespace mintmark::pkcs11 {

namespace {

constexpr std::uint8_t kP256Oid[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
constexpr std::uint8_t kP384Oid[] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22};
constexpr std::uint8_t kP521Oid[] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23};
constexpr std::uint8_t kEd25519Oid[] = {0x06, 0x03, 0x2b, 0x65, 0x70};

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

const View kP256Parameters = kP256Oid;
const View kP384Parameters = kP384Oid;
const View kP521Parameters = kP521Oid;
const View kEd25519Parameters = kEd25519Oid;

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

Bytes session_point(Session& session, CK_OBJECT_HANDLE open) {
  Bytes point = session.attribute(open, CKA_EC_POINT).value_or(Bytes{});
  bool short_form = point.size() > 2 && point[0] == 0x04 && point[1] == point.size() - 2;
  bool long_form =
      point.size() > 3 && point[0] == 0x04 && point[1] == 0x81 && point[2] == point.size() - 3;
  if (short_form) point.erase(point.begin(), point.begin() + 2);
  if (long_form) point.erase(point.begin(), point.begin() + 3);
  return point;
}

}  // namespace mintmark::pkcs11
