// A secret in OpenSSL's secure heap: locked in RAM, out of core dumps, zeroised when it goes.
// Move-only, without a stream operator, a string conversion or an equality that leaks time.
#pragma once

#include <cstddef>
#include <span>

#include "station/words/bytes.hpp"

namespace mintmark {

// Reserves the process's secure heap and turns core dumps off. Once, before the first Secret.
// Fails closed: without locked memory it throws Fault("memory.unlocked").
void lock_memory(std::size_t heap_bytes = std::size_t{1} << 20);

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::size_t size);  // zeros
  static Secret copy_of(View bytes);
  ~Secret();

  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;

  Secret clone() const { return copy_of(view()); }
  View view() const { return {data_, size_}; }
  std::span<std::uint8_t> mutable_view() { return {data_, size_}; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  void shrink(std::size_t size);  // size <= size(); what is cut off is zeroised

 private:
  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0, capacity_ = 0;
};

// Constant-time in the bytes (not in the lengths).
bool same(View a, View b);

}  // namespace mintmark
