// RFC 6962 section 2.1: the Merkle tree over the journal's entries, kept as a compact range: the
// hashes of the perfect subtrees, largest first. Appending is O(1) on average.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "station/words/bytes.hpp"

namespace mintmark {

Digest leaf_hash(View entry);                               // SHA-256(0x00 || entry)
Digest node_hash(const Digest& left, const Digest& right);  // SHA-256(0x01 || left || right)

class Tree {
 public:
  Tree() = default;
  // From a stored frontier; nullopt where its length is not that of `size` entries.
  static std::optional<Tree> restore(std::uint64_t size, View frontier);

  void append(View entry);
  std::uint64_t size() const { return size_; }
  Digest root() const;  // of no entries: SHA-256 of nothing
  Bytes frontier() const;

 private:
  std::uint64_t size_ = 0;
  std::vector<Digest> range_;
};

}  // namespace mintmark
