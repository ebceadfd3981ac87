#include "hsm/session.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <utility>

#include "hsm/rv.hpp"

#ifdef MINTMARK_CHECKS_LEAKS
#include <sanitizer/lsan_interface.h>
#endif

namespace mintmark::pkcs11 {

// SoftHSM2 2.6.1 leaks the name of the curve in each C_SignInit with CKM_EDDSA. A leak checker is
// told that this one is not ours; without one this is nothing.
#ifdef MINTMARK_CHECKS_LEAKS
using ModulesOwnLeaks = __lsan::ScopedDisabler;
#else
struct ModulesOwnLeaks {};
#endif

// Cryptoki's pointers are not const-correct: it only reads what it is given as input.
static CK_BYTE* input(View bytes) { return const_cast<CK_BYTE*>(bytes.data()); }

// Section 5.6, C_OpenSession.
Session::Session(Module& module, CK_SLOT_ID slot, Access access) : module_(module) {
  CK_FLAGS flags = CKF_SERIAL_SESSION | (access == Access::write ? CKF_RW_SESSION : 0);
  module_.session_opens();
  CK_RV rv = api().C_OpenSession(slot, flags, nullptr, nullptr, &handle_);
  if (rv == CKR_OK) return;
  module_.session_closed();
  throw CallFault("C_OpenSession", rv);
}

// Section 5.6, C_CloseSession. A handle that the token has forgotten is left alone: it may be
// another session's by now.
Session::~Session() {
  if (!gone_) api().C_CloseSession(handle_);
  module_.session_closed();
}

void Session::check(std::string_view call, CK_RV rv) {
  gone_ = gone_ || rv == CKR_SESSION_HANDLE_INVALID || rv == CKR_SESSION_CLOSED;
  must(call, rv);
}

// Section 5.6, C_GetSessionInfo.
void Session::must_be_logged_in() {
  CK_SESSION_INFO info{};
  check("C_GetSessionInfo", api().C_GetSessionInfo(handle_, &info));
  if (info.state == CKS_RO_PUBLIC_SESSION || info.state == CKS_RW_PUBLIC_SESSION)
    throw CallFault("C_GetSessionInfo", CKR_USER_NOT_LOGGED_IN);
}

// Section 5.6, C_Login.
CK_RV Session::login(CK_USER_TYPE user, View pin) {
  return api().C_Login(handle_, user, input(pin), pin.size());
}

// Section 5.5, C_InitPIN.
void Session::init_pin(View pin) {
  check("C_InitPIN", api().C_InitPIN(handle_, input(pin), pin.size()));
}

// Section 5.15, C_GenerateRandom.
void Session::random(std::span<std::uint8_t> out) {
  check("C_GenerateRandom", api().C_GenerateRandom(handle_, out.data(), out.size()));
}

// Section 5.11, C_SignInit and C_Sign. 512 bytes hold every signature and code that we ask for.
std::size_t Session::sign_into(CK_MECHANISM_TYPE mechanism, CK_OBJECT_HANDLE key, View data,
                               std::span<std::uint8_t> out) {
  CK_MECHANISM with{mechanism, nullptr, 0};
  {
    [[maybe_unused]] ModulesOwnLeaks tolerated;
    check("C_SignInit", api().C_SignInit(handle_, &with, key));
  }
  CK_ULONG size = out.size();
  check("C_Sign", api().C_Sign(handle_, input(data), data.size(), out.data(), &size));
  return size;
}

Bytes Session::sign(CK_MECHANISM_TYPE mechanism, CK_OBJECT_HANDLE key, View data) {
  Bytes out(512);
  out.resize(sign_into(mechanism, key, data, out));
  return out;
}

// Into locked memory: it is no signature for others, but a secret.
Secret Session::sign_secret(CK_MECHANISM_TYPE mechanism, CK_OBJECT_HANDLE key, View data) {
  Secret out(64);
  out.shrink(sign_into(mechanism, key, data, out.mutable_view()));
  return out;
}

// Section 2.12.3 of the mechanisms: AES-GCM, the tag of 128 bits behind the ciphertext.
static CK_GCM_PARAMS gcm(View iv, View aad) {
  return {input(iv), iv.size(), iv.size() * 8, input(aad), aad.size(), 128};
}

// Section 5.8, C_EncryptInit and C_Encrypt.
Bytes Session::gcm_encrypt(CK_OBJECT_HANDLE key, View iv, View aad, View plain) {
  CK_GCM_PARAMS params = gcm(iv, aad);
  CK_MECHANISM with{CKM_AES_GCM, &params, sizeof params};
  check("C_EncryptInit", api().C_EncryptInit(handle_, &with, key));
  Bytes out(plain.size() + 16);
  CK_ULONG size = out.size();
  check("C_Encrypt", api().C_Encrypt(handle_, input(plain), plain.size(), out.data(), &size));
  out.resize(size);
  return out;
}

// A tag that does not fit is CKR_GENERAL_ERROR on SoftHSM2 and CKR_ENCRYPTED_DATA_INVALID on
// others.
static bool is_broken_seal(CK_RV rv) {
  return rv == CKR_GENERAL_ERROR || rv == CKR_ENCRYPTED_DATA_INVALID ||
         rv == CKR_ENCRYPTED_DATA_LEN_RANGE;
}

// Section 5.9, C_DecryptInit and C_Decrypt.
std::optional<Secret> Session::gcm_decrypt(CK_OBJECT_HANDLE key, View iv, View aad, View sealed) {
  CK_GCM_PARAMS params = gcm(iv, aad);
  CK_MECHANISM with{CKM_AES_GCM, &params, sizeof params};
  check("C_DecryptInit", api().C_DecryptInit(handle_, &with, key));
  Secret out(sealed.size());
  CK_ULONG size = out.size();
  CK_RV rv =
      api().C_Decrypt(handle_, input(sealed), sealed.size(), out.mutable_view().data(), &size);
  spoilt_ = is_broken_seal(rv);
  if (spoilt_) return std::nullopt;
  check("C_Decrypt", rv);
  out.shrink(size);
  return out;
}

// Section 5.7, C_FindObjectsInit, C_FindObjects, C_FindObjectsFinal.
std::vector<CK_OBJECT_HANDLE> Session::find(Attributes which) {
  auto raw = which.raw();
  check("C_FindObjectsInit", api().C_FindObjectsInit(handle_, raw.data(), raw.size()));
  std::vector<CK_OBJECT_HANDLE> out;
  std::array<CK_OBJECT_HANDLE, 16> some{};
  for (CK_ULONG count = some.size(); count > 0;) {
    check("C_FindObjects", api().C_FindObjects(handle_, some.data(), some.size(), &count));
    out.insert(out.end(), some.begin(), some.begin() + static_cast<std::ptrdiff_t>(count));
  }
  check("C_FindObjectsFinal", api().C_FindObjectsFinal(handle_));
  must_be_logged_in();
  return out;
}

// Section 5.7, C_GetAttributeValue. Always asked for its length first: NSS softoken writes past the
// end of a buffer that is too small.
std::optional<Bytes> Session::attribute(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
  CK_ATTRIBUTE one{type, nullptr, 0};
  CK_RV rv = api().C_GetAttributeValue(handle_, object, &one, 1);
  if (rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_ATTRIBUTE_SENSITIVE) return std::nullopt;
  check("C_GetAttributeValue", rv);
  if (one.ulValueLen == CK_UNAVAILABLE_INFORMATION) return std::nullopt;
  Bytes out(one.ulValueLen);
  one.pValue = out.data();
  check("C_GetAttributeValue", api().C_GetAttributeValue(handle_, object, &one, 1));
  out.resize(std::min<std::size_t>(out.size(), one.ulValueLen));
  return out;
}

// Section 5.13, C_GenerateKey.
CK_OBJECT_HANDLE Session::generate_key(CK_MECHANISM_TYPE mechanism, Attributes key) {
  CK_MECHANISM with{mechanism, nullptr, 0};
  auto raw = key.raw();
  CK_OBJECT_HANDLE out = CK_INVALID_HANDLE;
  check("C_GenerateKey", api().C_GenerateKey(handle_, &with, raw.data(), raw.size(), &out));
  return out;
}

// Section 5.13, C_GenerateKeyPair.
KeyPair Session::generate_pair(CK_MECHANISM_TYPE mechanism, Attributes open, Attributes secret) {
  CK_MECHANISM with{mechanism, nullptr, 0};
  auto a = open.raw();
  auto b = secret.raw();
  KeyPair out;
  check("C_GenerateKeyPair", api().C_GenerateKeyPair(handle_, &with, a.data(), a.size(), b.data(),
                                                     b.size(), &out.open, &out.secret));
  return out;
}

// Section 5.7, C_CreateObject.
CK_OBJECT_HANDLE Session::create(Attributes object) {
  auto raw = object.raw();
  CK_OBJECT_HANDLE out = CK_INVALID_HANDLE;
  check("C_CreateObject", api().C_CreateObject(handle_, raw.data(), raw.size(), &out));
  return out;
}

// Section 5.13, C_DeriveKey.
CK_OBJECT_HANDLE Session::derive(CK_MECHANISM with, CK_OBJECT_HANDLE base, Attributes key) {
  auto raw = key.raw();
  CK_OBJECT_HANDLE out = CK_INVALID_HANDLE;
  check("C_DeriveKey", api().C_DeriveKey(handle_, &with, base, raw.data(), raw.size(), &out));
  return out;
}

// Section 5.13, C_WrapKey. An RSA-4096 private key and its padding are less than 4 KiB.
Bytes Session::wrap(CK_MECHANISM with, CK_OBJECT_HANDLE wrapping, CK_OBJECT_HANDLE key) {
  Bytes out(4096);
  CK_ULONG size = out.size();
  check("C_WrapKey", api().C_WrapKey(handle_, &with, wrapping, key, out.data(), &size));
  out.resize(size);
  return out;
}

// Section 5.13, C_UnwrapKey.
CK_OBJECT_HANDLE Session::unwrap(CK_MECHANISM with, CK_OBJECT_HANDLE unwrapping, View wrapped,
                                 Attributes key) {
  auto raw = key.raw();
  CK_OBJECT_HANDLE out = CK_INVALID_HANDLE;
  check("C_UnwrapKey", api().C_UnwrapKey(handle_, &with, unwrapping, input(wrapped), wrapped.size(),
                                         raw.data(), raw.size(), &out));
  return out;
}

// Section 5.7, C_SetAttributeValue.
void Session::change(CK_OBJECT_HANDLE object, Attributes to) {
  auto raw = to.raw();
  check("C_SetAttributeValue", api().C_SetAttributeValue(handle_, object, raw.data(), raw.size()));
}

// Section 5.7, C_DestroyObject.
void Session::destroy(CK_OBJECT_HANDLE object) {
  check("C_DestroyObject", api().C_DestroyObject(handle_, object));
}

// Section 5.7, C_CopyObject.
CK_OBJECT_HANDLE Session::copy(CK_OBJECT_HANDLE object, Attributes changes) {
  auto raw = changes.raw();
  CK_OBJECT_HANDLE out = CK_INVALID_HANDLE;
  check("C_CopyObject", api().C_CopyObject(handle_, object, raw.data(), raw.size(), &out));
  return out;
}

// Section 5.7, C_GetAttributeValue.
Secret Session::value(CK_OBJECT_HANDLE object, std::size_t size) {
  Secret out(size);
  CK_ATTRIBUTE one{CKA_VALUE, out.mutable_view().data(), size};
  check("C_GetAttributeValue", api().C_GetAttributeValue(handle_, object, &one, 1));
  if (one.ulValueLen != size) throw CallFault("C_GetAttributeValue", CKR_DATA_LEN_RANGE);
  return out;
}

SessionPool::Lease::Lease(SessionPool& pool, std::unique_ptr<Session> session)
    : pool_(pool), session_(std::move(session)), exceptions_(std::uncaught_exceptions()) {}

SessionPool::Lease::~Lease() {
  if (std::uncaught_exceptions() > exceptions_ || session_->is_spoilt()) session_.reset();
  pool_.put(std::move(session_));
}

std::unique_ptr<Session> SessionPool::take() {
  {
    std::unique_lock<std::mutex> lock(mutex_);
    freed_.wait(lock, [this] { return lent_ < limit_; });
    ++lent_;
    if (!idle_.empty()) {
      auto out = std::move(idle_.back());
      idle_.pop_back();
      return out;
    }
  }
  try {
    return std::make_unique<Session>(module_, slot_, Session::Access::read);
  } catch (...) {
    put(nullptr);
    throw;
  }
}

void SessionPool::close_idle() {
  std::vector<std::unique_ptr<Session>> idle;
  std::lock_guard<std::mutex> lock(mutex_);
  idle.swap(idle_);
}

void SessionPool::put(std::unique_ptr<Session> session) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    --lent_;
    if (session) idle_.push_back(std::move(session));
  }
  freed_.notify_one();
}

}  // namespace mintmark::pkcs11
