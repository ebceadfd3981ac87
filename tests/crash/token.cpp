// The same object is the station's PKCS#11 module: it hands every call on to SoftHSM2, each of them
// a boundary, and notes what was fingerprinted and which numbers the seals used.
#include <dlfcn.h>

#include <map>
#include <optional>

#include "tests/crash/stop.hpp"
#include "tests/vault/through.hpp"

namespace mintmark::crash {
namespace {

constexpr const char* kSoftHsm = "/usr/lib/softhsm/libsofthsm2.so";

Stop& stop() { return Stop::of_process(); }

struct Counted {
  static const CK_FUNCTION_LIST& real() {
    static CK_FUNCTION_LIST* const list = [] {
      CK_FUNCTION_LIST* out = nullptr;
      void* library = dlopen(kSoftHsm, RTLD_NOW | RTLD_LOCAL);
      void* symbol = library != nullptr ? dlsym(library, "C_GetFunctionList") : nullptr;
      if (symbol != nullptr) reinterpret_cast<CK_C_GetFunctionList>(symbol)(&out);
      return out;
    }();
    return *list;
  }

  template <class Call>
  static CK_RV around(const char* name, const Call& call) {
    if (!stop().is_on()) return call();
    std::optional<How> how;
    {
      std::lock_guard<std::mutex> guard(stop().mutex());
      if (stop().reached(Kind::token, name)) how = stop().how();
      if (how == How::fail) return stop().error();
      if (how && how != How::after) stop().die(name);
    }
    CK_RV rv = call();
    if (!how) return rv;
    std::lock_guard<std::mutex> guard(stop().mutex());
    stop().die(name);
  }
};

std::string hex(const void* data, std::size_t size) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < size; ++i) {
    auto byte = static_cast<const unsigned char*>(data)[i];
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

std::string label_of(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key) {
  std::string out(256, '\0');
  CK_ATTRIBUTE label = {CKA_LABEL, out.data(), out.size()};
  if (Counted::real().C_GetAttributeValue(session, key, &label, 1) != CKR_OK) return "";
  out.resize(label.ulValueLen);
  return out;
}

// Sessions that are to make a fingerprint.
std::mutex sessions_mutex;
std::map<CK_SESSION_HANDLE, std::string>& fingerprinting() {
  static auto& one = *new std::map<CK_SESSION_HANDLE, std::string>;
  return one;
}

CK_RV sign_init(CK_SESSION_HANDLE session, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key) {
  {
    std::lock_guard<std::mutex> guard(sessions_mutex);
    fingerprinting().erase(session);
    if (mechanism->mechanism == CKM_SHA256_HMAC) fingerprinting()[session] = label_of(session, key);
  }
  return Counted::around("C_SignInit",
                         [&] { return Counted::real().C_SignInit(session, mechanism, key); });
}

CK_RV sign(CK_SESSION_HANDLE session, CK_BYTE* data, CK_ULONG size, CK_BYTE* signature,
           CK_ULONG* signature_size) {
  return Counted::around("C_Sign", [&] {
    CK_RV rv = Counted::real().C_Sign(session, data, size, signature, signature_size);
    std::lock_guard<std::mutex> guard(sessions_mutex);
    auto of = fingerprinting().find(session);
    if (rv == CKR_OK && signature != nullptr && of != fingerprinting().end())
      stop().note("fingerprint " + of->second + " " + hex(data, size) + " " +
                  hex(signature, *signature_size) + "\n");
    return rv;
  });
}

CK_RV encrypt_init(CK_SESSION_HANDLE session, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key) {
  return Counted::around("C_EncryptInit", [&] {
    if (mechanism->mechanism == CKM_AES_GCM) {
      const auto* gcm = static_cast<const CK_GCM_PARAMS*>(mechanism->pParameter);
      stop().note("seal " + label_of(session, key) + " " + hex(gcm->pIv, gcm->ulIvLen) + "\n");
    }
    return Counted::real().C_EncryptInit(session, mechanism, key);
  });
}

CK_RV get_function_list(CK_FUNCTION_LIST** out) {
  if (out == nullptr) return CKR_ARGUMENTS_BAD;
  static CK_FUNCTION_LIST list = [] {
    CK_FUNCTION_LIST all = fault::through<Counted>(Counted::real());
    all.C_GetFunctionList = get_function_list;
    all.C_SignInit = sign_init;
    all.C_Sign = sign;
    all.C_EncryptInit = encrypt_init;
    return all;
  }();
  *out = &list;
  return CKR_OK;
}

}  // namespace
}  // namespace mintmark::crash

extern "C" __attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST** out) {
  return mintmark::crash::get_function_list(out);
}
