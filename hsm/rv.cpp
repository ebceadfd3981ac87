#include "hsm/rv.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <iterator>

namespace mintmark::pkcs11 {

namespace {

struct Row {
  CK_RV rv;
  std::string_view name;
  Recovery recovery;
};

#define ROW(rv, recovery) \
  { rv, #rv, Recovery::recovery }

// PKCS#11 v2.40 section 5.1. What is not here is `never`: a return value that nobody thought of is
// no reason to try again.
constexpr Row kRows[] = {
    ROW(CKR_SESSION_CLOSED, session),
    ROW(CKR_SESSION_HANDLE_INVALID, session),
    ROW(CKR_OPERATION_ACTIVE, session),
    ROW(CKR_OPERATION_NOT_INITIALIZED, session),

    ROW(CKR_USER_NOT_LOGGED_IN, login),
    ROW(CKR_KEY_HANDLE_INVALID, login),  // handles of private objects end with the login
    ROW(CKR_OBJECT_HANDLE_INVALID, login),

    ROW(CKR_GENERAL_ERROR, away),
    ROW(CKR_FUNCTION_FAILED, away),
    ROW(CKR_DEVICE_ERROR, away),
    ROW(CKR_DEVICE_REMOVED, away),
    ROW(CKR_SLOT_ID_INVALID, away),
    ROW(CKR_TOKEN_NOT_PRESENT, away),
    ROW(CKR_TOKEN_NOT_RECOGNIZED, away),
    ROW(CKR_CRYPTOKI_NOT_INITIALIZED, away),

    ROW(CKR_PIN_INCORRECT, pin),
    ROW(CKR_PIN_INVALID, pin),
    ROW(CKR_PIN_LEN_RANGE, pin),
    ROW(CKR_PIN_EXPIRED, pin),
    ROW(CKR_PIN_LOCKED, pin),
    ROW(CKR_PIN_TOO_WEAK, pin),
    ROW(CKR_USER_PIN_NOT_INITIALIZED, pin),

    ROW(CKR_HOST_MEMORY, never),
    ROW(CKR_ARGUMENTS_BAD, never),
    ROW(CKR_CANT_LOCK, never),
    ROW(CKR_ATTRIBUTE_READ_ONLY, never),
    ROW(CKR_ATTRIBUTE_SENSITIVE, never),
    ROW(CKR_ATTRIBUTE_TYPE_INVALID, never),
    ROW(CKR_ATTRIBUTE_VALUE_INVALID, never),
    ROW(CKR_ACTION_PROHIBITED, never),
    ROW(CKR_DATA_INVALID, never),
    ROW(CKR_DATA_LEN_RANGE, never),
    ROW(CKR_DEVICE_MEMORY, never),
    ROW(CKR_ENCRYPTED_DATA_INVALID, never),
    ROW(CKR_ENCRYPTED_DATA_LEN_RANGE, never),
    ROW(CKR_FUNCTION_NOT_SUPPORTED, never),
    ROW(CKR_KEY_SIZE_RANGE, never),
    ROW(CKR_KEY_TYPE_INCONSISTENT, never),
    ROW(CKR_KEY_FUNCTION_NOT_PERMITTED, never),
    ROW(CKR_KEY_NOT_WRAPPABLE, never),
    ROW(CKR_KEY_UNEXTRACTABLE, never),
    ROW(CKR_MECHANISM_INVALID, never),
    ROW(CKR_MECHANISM_PARAM_INVALID, never),
    ROW(CKR_SESSION_COUNT, never),
    ROW(CKR_SESSION_READ_ONLY, never),
    ROW(CKR_SESSION_EXISTS, never),
    ROW(CKR_TEMPLATE_INCOMPLETE, never),
    ROW(CKR_TEMPLATE_INCONSISTENT, never),
    ROW(CKR_TOKEN_WRITE_PROTECTED, never),
    ROW(CKR_USER_ALREADY_LOGGED_IN, never),
    ROW(CKR_USER_ANOTHER_ALREADY_LOGGED_IN, never),
    ROW(CKR_USER_TYPE_INVALID, never),
    ROW(CKR_RANDOM_NO_RNG, never),
    ROW(CKR_DOMAIN_PARAMS_INVALID, never),
    ROW(CKR_CURVE_NOT_SUPPORTED, never),
    ROW(CKR_BUFFER_TOO_SMALL, never),
    ROW(CKR_WRAPPED_KEY_INVALID, never),
    ROW(CKR_WRAPPED_KEY_LEN_RANGE, never),
    ROW(CKR_WRAPPING_KEY_SIZE_RANGE, never),
    ROW(CKR_WRAPPING_KEY_TYPE_INCONSISTENT, never),
    ROW(CKR_UNWRAPPING_KEY_SIZE_RANGE, never),
    ROW(CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT, never),
    ROW(CKR_SIGNATURE_INVALID, never),
    ROW(CKR_SIGNATURE_LEN_RANGE, never),
    ROW(CKR_CRYPTOKI_ALREADY_INITIALIZED, never),
    ROW(CKR_FUNCTION_REJECTED, never),
};

#undef ROW

const Row* find(CK_RV rv) {
  const auto* row =
      std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& r) { return r.rv == rv; });
  return row == std::end(kRows) ? nullptr : row;
}

std::string_view code_of(CK_RV rv) {
  if (rv == CKR_DEVICE_MEMORY) return "token.full";
  if (rv == CKR_PIN_LOCKED) return "token.pin_locked";
  switch (recovery_of(rv)) {
    case Recovery::pin:
      return "token.pin";
    case Recovery::never:
      return "token.refused";
    case Recovery::session:
    case Recovery::login:
    case Recovery::away:
      break;
  }
  return "token.away";
}

}  // namespace

std::string name_of(CK_RV rv) {
  if (rv == CKR_OK) return "CKR_OK";
  if (const Row* row = find(rv)) return std::string(row->name);
  std::array<char, 24> number{};
  std::snprintf(number.data(), number.size(), "0x%lx", rv);
  return number.data();
}

Recovery recovery_of(CK_RV rv) {
  const Row* row = find(rv);
  return row != nullptr ? row->recovery : Recovery::never;
}

CallFault::CallFault(std::string_view call, CK_RV rv)
    : Fault(code_of(rv), {{"call", std::string(call)}, {"rv", name_of(rv)}}), rv_(rv) {}

}  // namespace mintmark::pkcs11
