#include "station/line/tally.hpp"

#include <algorithm>
#include <limits>

namespace mintmark {

using Counter = std::uint16_t;

// More in one batch could overflow a counter; so many wait only where the ledger has taken none for
// as many mints, and what comes then stays uncounted.
static constexpr std::int64_t kMost = 1000;
static_assert(kMost * 62 <= std::numeric_limits<Counter>::max());  // pairs of the longest password

static std::size_t width(const PasswordPolicy& policy) { return policy.alphabet.size(); }
static std::size_t in_positions(const PasswordPolicy& policy) {
  return static_cast<std::size_t>(policy.length) * width(policy);
}
static std::size_t in_all(const PasswordPolicy& policy) {
  return in_positions(policy) + width(policy) * width(policy);
}

static Counter at(const Secret& counts, std::size_t i) {
  return static_cast<Counter>(counts.view()[2 * i] << 8 | counts.view()[2 * i + 1]);
}
static void raise(Secret& counts, std::size_t i, std::int64_t by) {
  auto value = static_cast<Counter>(at(counts, i) + by);
  counts.mutable_view()[2 * i] = static_cast<std::uint8_t>(value >> 8);
  counts.mutable_view()[2 * i + 1] = static_cast<std::uint8_t>(value & 0xff);
}

void Tally::open(Batch& batch, const PasswordPolicy& policy) {
  if (batch.counts.empty()) batch.counts = Secret(2 * in_all(policy));
}

void Tally::pour(Batch& from, Batch& to, const PasswordPolicy& policy) {
  if (from.mints == 0 || from.mints + to.mints > kMost) return;
  open(to, policy);
  for (std::size_t i = 0; i < in_all(policy); ++i) raise(to.counts, i, at(from.counts, i));
  for (std::size_t i = 0; i < to.redraws.size(); ++i) to.redraws.at(i) += from.redraws.at(i);
  to.mints += from.mints;
  from = Batch();
}

void Tally::count(const std::string& lot, const Drawn& drawn) {
  if (!drawn.policy) return;
  Book& book = books_[Key(lot, drawn.kept.name)];
  book.klass = drawn.kept.klass;
  book.policy = *drawn.policy;
  Batch& batch = book.newer;
  if (batch.mints >= kMost) return;
  open(batch, book.policy);
  ++batch.mints;
  for (std::size_t i = 0; i < drawn.redraws.size(); ++i) batch.redraws.at(i) += drawn.redraws.at(i);
  std::size_t before = 0;
  for (std::size_t i = 0; i < drawn.value.size(); ++i) {
    std::size_t symbol = book.policy.alphabet.find(static_cast<char>(drawn.value.view()[i]));
    raise(batch.counts, i * width(book.policy) + symbol, 1);
    if (i > 0)
      raise(batch.counts, in_positions(book.policy) + before * width(book.policy) + symbol, 1);
    before = symbol;
  }
}

SymbolCounts Tally::take(const std::string& name, Book& book) {
  Batch batch = std::exchange(book.older, Batch());
  SymbolCounts out;
  out.name = name;
  out.klass = book.klass;
  out.alphabet = book.policy.alphabet;
  out.length = static_cast<std::size_t>(book.policy.length);
  out.mints = batch.mints;
  out.redraws = batch.redraws;
  for (std::size_t i = 0; i < in_all(book.policy); ++i)
    (i < in_positions(book.policy) ? out.positions : out.pairs).push_back(at(batch.counts, i));
  return out;
}

std::vector<SymbolCounts> Tally::full(const std::string& lot) {
  std::vector<SymbolCounts> out;
  for (auto& [key, book] : books_) {
    bool due = key.first == lot && book.newer.mints >= symbols::kFewest;
    if (!due) continue;
    if (book.older.mints >= symbols::kFewest) out.push_back(take(key.second, book));
    pour(book.newer, book.older, book.policy);
  }
  return out;
}

std::vector<SymbolCounts> Tally::rest(const std::string& lot) {
  std::vector<SymbolCounts> out;
  for (auto& [key, book] : books_) {
    if (key.first != lot) continue;
    pour(book.newer, book.older, book.policy);
    if (book.older.mints >= symbols::kFewest) out.push_back(take(key.second, book));
  }
  return out;
}

void Tally::forget(const std::string& lot) {
  std::erase_if(books_, [&](const auto& entry) { return entry.first.first == lot; });
}

std::vector<std::string> Tally::lots() const {
  std::vector<std::string> out;
  for (const auto& [key, book] : books_)
    if (out.empty() || out.back() != key.first) out.push_back(key.first);
  return out;
}

void Tally::give_back(const std::string& lot, const std::vector<SymbolCounts>& batches) {
  for (const SymbolCounts& counts : batches) {
    Book& book = books_[Key(lot, counts.name)];
    book.klass = counts.klass;
    book.policy = PasswordPolicy(counts.alphabet, static_cast<int>(counts.length));
    Batch batch;
    open(batch, book.policy);
    for (std::size_t i = 0; i < counts.positions.size(); ++i)
      raise(batch.counts, i, counts.positions[i]);
    for (std::size_t i = 0; i < counts.pairs.size(); ++i)
      raise(batch.counts, counts.positions.size() + i, counts.pairs[i]);
    batch.redraws = counts.redraws;
    batch.mints = counts.mints;
    pour(batch, book.older, book.policy);
  }
}

}  // namespace mintmark
