// Sessions with a token, and the pool that lends one to each operation.
#pragma once

#include <p11-kit/pkcs11.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "hsm/attributes.hpp"
#include "hsm/module.hpp"
#include "station/words/secret.hpp"

namespace mintmark::pkcs11 {

struct KeyPair {
  CK_OBJECT_HANDLE secret = CK_INVALID_HANDLE;  // the secret or private key
  CK_OBJECT_HANDLE open = CK_INVALID_HANDLE;    // the public key, where there is one
};

// One session. Every method is one Cryptoki operation, begun and ended; each throws CallFault, and
// a session that has thrown is not to be used again: its operation may still be active. It never
// calls C_Logout, which would log every other session out too.
class Session {
 public:
  enum class Access { read, write };
  Session(Module& module, CK_SLOT_ID slot, Access access);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  CK_RV login(CK_USER_TYPE user, View pin);  // the value is the caller's to judge
  void init_pin(View pin);

  void random(std::span<std::uint8_t> out);
  Bytes sign(CK_MECHANISM_TYPE mechanism, CK_OBJECT_HANDLE key, View data);
  Secret sign_secret(CK_MECHANISM_TYPE mechanism, CK_OBJECT_HANDLE key, View data);  // a code
  Bytes gcm_encrypt(CK_OBJECT_HANDLE key, View iv, View aad, View plain);
  // nullopt where the token says that this is no ciphertext of key, IV and AAD. SoftHSM2 says the
  // same of any trouble, so the session counts as spoilt then.
  std::optional<Secret> gcm_decrypt(CK_OBJECT_HANDLE key, View iv, View aad, View sealed);

  // Fault CKR_USER_NOT_LOGGED_IN rather than a list without the private objects.
  std::vector<CK_OBJECT_HANDLE> find(Attributes which);
  // nullopt where the object has no such attribute.
  std::optional<Bytes> attribute(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type);
  CK_OBJECT_HANDLE generate_key(CK_MECHANISM_TYPE mechanism, Attributes key);
  KeyPair generate_pair(CK_MECHANISM_TYPE mechanism, Attributes open, Attributes secret);
  CK_OBJECT_HANDLE create(Attributes object);
  // What a mechanism's parameter points at is the caller's, and is only read.
  CK_OBJECT_HANDLE derive(CK_MECHANISM with, CK_OBJECT_HANDLE base, Attributes key);
  Bytes wrap(CK_MECHANISM with, CK_OBJECT_HANDLE wrapping, CK_OBJECT_HANDLE key);
  CK_OBJECT_HANDLE unwrap(CK_MECHANISM with, CK_OBJECT_HANDLE unwrapping, View wrapped,
                          Attributes key);
  void change(CK_OBJECT_HANDLE object, Attributes to);
  // A second object like it but for `changes`.
  CK_OBJECT_HANDLE copy(CK_OBJECT_HANDLE object, Attributes changes);
  // CKA_VALUE of a key that may be read, straight into locked memory. Fault CKR_DATA_LEN_RANGE
  // where it is of another size.
  Secret value(CK_OBJECT_HANDLE object, std::size_t size);
  void destroy(CK_OBJECT_HANDLE object);

  bool is_spoilt() const { return spoilt_; }  // must not be lent again

 private:
  const CK_FUNCTION_LIST& api() const { return module_.api(); }
  void check(std::string_view call, CK_RV rv);
  void must_be_logged_in();
  std::size_t sign_into(CK_MECHANISM_TYPE mechanism, CK_OBJECT_HANDLE key, View data,
                        std::span<std::uint8_t> out);

  Module& module_;
  CK_SESSION_HANDLE handle_ = CK_INVALID_HANDLE;
  bool gone_ = false;    // the token says that there is no such session
  bool spoilt_ = false;  // an operation of it may still be active
};

// At most `limit` read-only sessions, opened when first needed. A lease that an exception ends, or
// whose session is spoilt, closes it instead of giving it back.
class SessionPool {
 public:
  SessionPool(Module& module, CK_SLOT_ID slot, int limit)
      : module_(module), slot_(slot), limit_(limit) {}

  class Lease {
   public:
    Lease(SessionPool& pool, std::unique_ptr<Session> session);
    ~Lease();
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Session& operator*() { return *session_; }

   private:
    SessionPool& pool_;
    std::unique_ptr<Session> session_;
    int exceptions_;
  };

  Lease lease() { return Lease(*this, take()); }  // waits for a free one
  void close_idle();                              // the next lease is a new session

 private:
  std::unique_ptr<Session> take();
  void put(std::unique_ptr<Session> session);  // null: one less

  Module& module_;
  CK_SLOT_ID slot_;
  int limit_;
  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<std::unique_ptr<Session>> idle_;
  int lent_ = 0;
};

}  // namespace mintmark::pkcs11
