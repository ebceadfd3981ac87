// A PKCS#11 function list that hands every call on to a real one by way of a hook.
#pragma once

#include <p11-kit/pkcs11.h>

namespace mintmark::fault {

// One function of the list, under its own name.
template <class Hook, auto Member, class Type = decltype(Member)>
struct Through;
template <class Hook, auto Member, class... Args>
struct Through<Hook, Member, CK_RV (*CK_FUNCTION_LIST::*)(Args...)> {
  static inline const char* name = "";
  static CK_RV call(Args... args) {
    return Hook::around(name, [&] { return (Hook::real().*Member)(args...); });
  }
};

template <class Hook, auto Member>
void replace(CK_FUNCTION_LIST& list, const char* name) {
  Through<Hook, Member>::name = name;
  list.*Member = Through<Hook, Member>::call;
}

// Hook: `static CK_RV around(const char* name, call)`, which calls or does not, and `static const
// CK_FUNCTION_LIST& real()`. Every function that Mintmark calls is here; a new one belongs here
// too. The others are the real ones.
template <class Hook>
CK_FUNCTION_LIST through(CK_FUNCTION_LIST list) {
  using L = CK_FUNCTION_LIST;
  replace<Hook, &L::C_GenerateRandom>(list, "C_GenerateRandom");
  replace<Hook, &L::C_Initialize>(list, "C_Initialize");
  replace<Hook, &L::C_Finalize>(list, "C_Finalize");
  replace<Hook, &L::C_GetInfo>(list, "C_GetInfo");
  replace<Hook, &L::C_GetSlotList>(list, "C_GetSlotList");
  replace<Hook, &L::C_GetSlotInfo>(list, "C_GetSlotInfo");
  replace<Hook, &L::C_GetTokenInfo>(list, "C_GetTokenInfo");
  replace<Hook, &L::C_GetMechanismList>(list, "C_GetMechanismList");
  replace<Hook, &L::C_GetMechanismInfo>(list, "C_GetMechanismInfo");
  replace<Hook, &L::C_InitToken>(list, "C_InitToken");
  replace<Hook, &L::C_InitPIN>(list, "C_InitPIN");
  replace<Hook, &L::C_OpenSession>(list, "C_OpenSession");
  replace<Hook, &L::C_CloseSession>(list, "C_CloseSession");
  replace<Hook, &L::C_CloseAllSessions>(list, "C_CloseAllSessions");
  replace<Hook, &L::C_GetSessionInfo>(list, "C_GetSessionInfo");
  replace<Hook, &L::C_Login>(list, "C_Login");
  replace<Hook, &L::C_Logout>(list, "C_Logout");
  replace<Hook, &L::C_CreateObject>(list, "C_CreateObject");
  replace<Hook, &L::C_CopyObject>(list, "C_CopyObject");
  replace<Hook, &L::C_DestroyObject>(list, "C_DestroyObject");
  replace<Hook, &L::C_GetAttributeValue>(list, "C_GetAttributeValue");
  replace<Hook, &L::C_SetAttributeValue>(list, "C_SetAttributeValue");
  replace<Hook, &L::C_FindObjectsInit>(list, "C_FindObjectsInit");
  replace<Hook, &L::C_FindObjects>(list, "C_FindObjects");
  replace<Hook, &L::C_FindObjectsFinal>(list, "C_FindObjectsFinal");
  replace<Hook, &L::C_EncryptInit>(list, "C_EncryptInit");
  replace<Hook, &L::C_Encrypt>(list, "C_Encrypt");
  replace<Hook, &L::C_DecryptInit>(list, "C_DecryptInit");
  replace<Hook, &L::C_Decrypt>(list, "C_Decrypt");
  replace<Hook, &L::C_SignInit>(list, "C_SignInit");
  replace<Hook, &L::C_Sign>(list, "C_Sign");
  replace<Hook, &L::C_VerifyInit>(list, "C_VerifyInit");
  replace<Hook, &L::C_Verify>(list, "C_Verify");
  replace<Hook, &L::C_GenerateKey>(list, "C_GenerateKey");
  replace<Hook, &L::C_GenerateKeyPair>(list, "C_GenerateKeyPair");
  replace<Hook, &L::C_WrapKey>(list, "C_WrapKey");
  replace<Hook, &L::C_UnwrapKey>(list, "C_UnwrapKey");
  replace<Hook, &L::C_DeriveKey>(list, "C_DeriveKey");
  return list;
}

}  // namespace mintmark::fault
