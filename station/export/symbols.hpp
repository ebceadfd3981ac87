// What a journal says of the symbols that a lot's passwords were made of (schema/journal.md), held
// against its mints, and whether the symbols are spread as evenly as those of a sound generator.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "station/ledger/symbols.hpp"

namespace mintmark::exports {

// Pearson's test. Not judged where fewer than five of a symbol are to be expected, or so many
// symbols are there that the redraw filters alone would show.
struct ChiSquared {
  ChiSquared() = default;
  int df = 0;
  double statistic = 0, critical = 0;
  bool judged = false;
  bool even() const { return statistic <= critical; }
};

// `expected` are probabilities; alpha is that of a sound generator found uneven.
ChiSquared chi_squared(const std::vector<std::int64_t>& counts, const std::vector<double>& expected,
                       double alpha);

struct SymbolReport {
  SymbolReport() = default;
  std::string lot, name;
  std::int64_t minted = 0, counted = 0;
  bool published = false;
  std::array<std::int64_t, 3> redraws{};
  ChiSquared all;                     // positions, at alpha 1e-4
  std::vector<ChiSquared> positions;  // each at 1e-4 divided by their number (Bonferroni)
};

class Symbols {
 public:
  explicit Symbols(std::vector<std::string>& findings) : findings_(&findings) {}
  void take(std::uint64_t seq, const Json& entry);
  std::vector<SymbolReport> finish();

 private:
  using Key = std::pair<std::string, std::string>;  // lot, name
  struct Published {
    Published() = default;
    std::uint64_t seq = 0;
    SymbolReport report;
    SymbolCounts counts;
  };
  void find(std::uint64_t seq, const std::string& what);
  void mint(const Json& entry);
  void publish(std::uint64_t seq, const Json& entry);
  void read_counts(const Json& entry, Published& out);
  void pairs(std::uint64_t seq, const Json& entry);
  void judge(Published& one);

  std::vector<std::string>* findings_;
  std::map<Key, std::int64_t> minted_;
  std::map<Key, Published> published_;
  std::set<std::string> closed_;
};

}  // namespace mintmark::exports
