// PKCS#11 modules that are none: what it does wrong is said by MINTMARK_BAD_MODULE, so that one
// library is all of them.
#include <p11-kit/pkcs11.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int is(const char* word) {
  const char* what = getenv("MINTMARK_BAD_MODULE");
  return what != NULL && strcmp(what, word) == 0;
}

static CK_RV initialize(void* args) {
  (void)args;
  if (is("crash")) abort();
  if (is("exit")) exit(0);
  while (is("hang")) pause();
  return is("refuse") ? CKR_DEVICE_ERROR : CKR_OK;
}

static CK_RV get_info(CK_INFO* info) {
  memset(info, 0, sizeof *info);
  if (is("crash later")) abort();
  return CKR_OK;
}

static CK_RV finalize(void* reserved) {
  (void)reserved;
  if (is("crash at the end")) abort();
  return CKR_OK;
}

static CK_FUNCTION_LIST list;

CK_RV C_GetFunctionList(CK_FUNCTION_LIST** out) {
  if (is("no list")) return CKR_FUNCTION_NOT_SUPPORTED;
  list.C_Initialize = initialize;
  list.C_GetInfo = get_info;
  list.C_Finalize = finalize;
  *out = &list;
  return CKR_OK;
}
