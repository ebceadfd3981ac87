// Which symbols a lot's passwords were made of: counted by position and in adjacent pairs, so that
// an auditor can test the generator without a password. The counts of few passwords would tell what
// those were: none are written for fewer than kFewest mints, nor does any step between two states
// of the ledger come from fewer.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "station/ledger/ledger.hpp"

namespace mintmark {

struct SymbolCounts {
  SymbolCounts() = default;
  std::string name, klass;  // as in the credential's row: "admin", "password"
  std::string alphabet;
  std::size_t length = 0;
  std::int64_t mints = 0;
  std::array<std::int64_t, 3> redraws{};  // by kRedrawReasons
  // Each alphabet.size() numbers a row: of positions by position, of pairs by the first symbol.
  std::vector<std::int64_t> positions, pairs;
};

namespace symbols {

inline constexpr std::int64_t kFewest = 100;  // mints
inline constexpr std::array<const char*, 3> kRedrawReasons = {"hexadecimal", "run_of_four",
                                                              "public_string"};

// Adds a batch of at least kFewest mints; the database refuses a smaller one.
void add(Transaction& db, const std::string& lot, const SymbolCounts& batch);

// At the lot's close: journals "lot.symbols" and "lot.pairs" for each password that was minted at
// least kFewest times, with the counts if as many were counted. What a crash lost is `uncounted`.
void publish(Transaction& db, const Actor& actor, const std::string& lot);

}  // namespace symbols
}  // namespace mintmark
