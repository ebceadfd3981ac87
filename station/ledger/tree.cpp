#include "station/ledger/tree.hpp"

#include <algorithm>
#include <bit>

#include "station/words/crypto.hpp"

namespace mintmark {

Digest leaf_hash(View entry) {
  Bytes input{0x00};
  input.insert(input.end(), entry.begin(), entry.end());
  return sha256(input);
}

Digest node_hash(const Digest& left, const Digest& right) {
  Bytes input{0x01};
  input.insert(input.end(), left.begin(), left.end());
  input.insert(input.end(), right.begin(), right.end());
  return sha256(input);
}

std::optional<Tree> Tree::restore(std::uint64_t size, View frontier) {
  if (frontier.size() != static_cast<std::size_t>(std::popcount(size)) * sizeof(Digest))
    return std::nullopt;
  Tree out;
  out.size_ = size;
  out.range_.resize(frontier.size() / sizeof(Digest));
  for (std::size_t i = 0; i < out.range_.size(); ++i)
    std::copy_n(frontier.begin() + static_cast<std::ptrdiff_t>(i * sizeof(Digest)), sizeof(Digest),
                out.range_[i].begin());
  return out;
}

void Tree::append(View entry) {
  Digest hash = leaf_hash(entry);
  // Each set low bit is a perfect subtree that the new leaf completes to one twice its size.
  for (std::uint64_t bits = size_; (bits & 1) != 0; bits >>= 1) {
    hash = node_hash(range_.back(), hash);
    range_.pop_back();
  }
  range_.push_back(hash);
  ++size_;
}

Digest Tree::root() const {
  if (range_.empty()) return sha256({});
  Digest hash = range_.back();
  for (auto it = range_.rbegin() + 1; it != range_.rend(); ++it) hash = node_hash(*it, hash);
  return hash;
}

Bytes Tree::frontier() const {
  Bytes out;
  for (const Digest& hash : range_) out.insert(out.end(), hash.begin(), hash.end());
  return out;
}

}  // namespace mintmark
