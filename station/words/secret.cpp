#include "station/words/secret.hpp"

#include <openssl/crypto.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <algorithm>
#include <new>
#include <utility>

#include "station/words/fault.hpp"

namespace mintmark {

void lock_memory(std::size_t heap_bytes) {
  rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  prctl(PR_SET_DUMPABLE, 0);
  if (CRYPTO_secure_malloc_initialized() == 1) return;
  // 1: locked. 2: reserved but mlock failed, which is not what a secret was promised.
  if (CRYPTO_secure_malloc_init(heap_bytes, 16) != 1) throw Fault("memory.unlocked");
}

Secret::Secret(std::size_t size) : size_(size), capacity_(size) {
  if (size == 0) return;
  data_ = static_cast<std::uint8_t*>(OPENSSL_secure_zalloc(size));
  if (data_ == nullptr) throw std::bad_alloc();
}

Secret Secret::copy_of(View bytes) {
  Secret out(bytes.size());
  std::copy(bytes.begin(), bytes.end(), out.data_);
  return out;
}

Secret::~Secret() { OPENSSL_secure_clear_free(data_, capacity_); }

Secret::Secret(Secret&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      capacity_(std::exchange(other.capacity_, 0)) {}

Secret& Secret::operator=(Secret&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(capacity_, other.capacity_);
  return *this;
}

void Secret::shrink(std::size_t size) {
  OPENSSL_cleanse(data_ + size, size_ - size);
  size_ = size;
}

bool same(View a, View b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace mintmark
