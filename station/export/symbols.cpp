#include "station/export/symbols.hpp"

#include <algorithm>
#include <boost/math/distributions/chi_squared.hpp>
#include <cmath>
#include <numeric>
#include <optional>

namespace mintmark::exports {

namespace {

constexpr double kAlpha = 1e-4;
constexpr std::int64_t kLargest = 1'000'000'000'000;  // no count comes near it; sums stay in range

// Fields of entries that a stranger may have written.
std::string text_in(const Json& entry, const char* key) {
  auto it = entry.find(key);
  return it != entry.end() && it->is_string() ? it->get<std::string>() : std::string();
}

std::optional<std::int64_t> number_in(const Json& value) {
  if (!value.is_number_integer()) return std::nullopt;
  auto number = value.get<std::int64_t>();
  if (number < 0 || number > kLargest) return std::nullopt;
  return number;
}

std::int64_t number_in(const Json& entry, const char* key) {
  auto it = entry.find(key);
  return it == entry.end() ? -1 : number_in(*it).value_or(-1);
}

// `rows` rows of `width` numbers, one after another; nothing where it is not that.
std::vector<std::int64_t> table_in(const Json& entry, const char* key, std::size_t rows,
                                   std::size_t width) {
  std::vector<std::int64_t> out;
  auto it = entry.find(key);
  if (it == entry.end() || !it->is_array() || it->size() != rows) return {};
  for (const Json& row : *it) {
    if (!row.is_array() || row.size() != width) return {};
    for (const Json& value : row) {
      auto number = number_in(value);
      if (!number) return {};
      out.push_back(*number);
    }
  }
  return out;
}

std::vector<std::int64_t> row_of(const std::vector<std::int64_t>& table, std::size_t row,
                                 std::size_t width) {
  auto begin = table.begin() + static_cast<std::ptrdiff_t>(row * width);
  return {begin, begin + static_cast<std::ptrdiff_t>(width)};
}

std::int64_t sum(const std::vector<std::int64_t>& numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), std::int64_t{0});
}

// Rows `from` to `until` (exclusive), added up.
std::vector<std::int64_t> added(const std::vector<std::int64_t>& table, std::size_t width,
                                std::size_t from, std::size_t until) {
  std::vector<std::int64_t> out(width);
  for (std::size_t row = from; row < until; ++row)
    for (std::size_t i = 0; i < width; ++i) out[i] += table[row * width + i];
  return out;
}

bool is_hex_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
}

// One in as many as there are symbols, but for passwords of hexadecimal digits alone, which are
// drawn again: what is left has a little more of the others.
std::vector<double> even_spread(const std::string& alphabet, std::size_t length) {
  auto size = static_cast<double>(alphabet.size());
  auto digits = static_cast<double>(std::count_if(alphabet.begin(), alphabet.end(), &is_hex_digit));
  std::vector<double> out(alphabet.size(), 1 / size);
  if (digits == size) return out;
  double others_hex = std::pow(digits / size, static_cast<double>(length) - 1);
  double taken = 1 - others_hex * digits / size;
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] *= (is_hex_digit(alphabet[i]) ? 1 - others_hex : 1) / taken;
  return out;
}

}  // namespace

ChiSquared chi_squared(const std::vector<std::int64_t>& counts, const std::vector<double>& expected,
                       double alpha) {
  ChiSquared out;
  auto all = static_cast<double>(sum(counts));
  auto size = static_cast<double>(counts.size());
  out.df = static_cast<int>(counts.size()) - 1;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    double wanted = all * expected.at(i), off = static_cast<double>(counts[i]) - wanted;
    out.statistic += wanted > 0 ? off * off / wanted : 0;
  }
  boost::math::chi_squared distribution(out.df);
  out.critical = boost::math::quantile(boost::math::complement(distribution, alpha));
  // Passwords that share four symbols with a serial are drawn again; serials begin alike, so their
  // symbols are rarer by about one in the third power of the alphabet.
  out.judged = all >= 5 * size && all <= std::pow(size, 6) / 10;
  return out;
}

void Symbols::find(std::uint64_t seq, const std::string& what) {
  findings_->push_back("entry " + std::to_string(seq) + ": symbols: " + what);
}

void Symbols::take(std::uint64_t seq, const Json& entry) {
  std::string type = text_in(entry, "type");
  if (type == "credential.mint") mint(entry);
  if (type == "lot.symbols") publish(seq, entry);
  if (type == "lot.pairs") pairs(seq, entry);
  if (type == "lot.close") closed_.insert(text_in(entry, "lot"));
}

void Symbols::mint(const Json& entry) {
  auto credentials = entry.find("credentials");
  if (credentials == entry.end() || !credentials->is_array()) return;
  for (const Json& one : *credentials) {
    if (!one.is_object()) continue;
    std::string klass = text_in(one, "class");
    if (klass == "password" || klass == "wifi-key")
      ++minted_[Key(text_in(entry, "lot"), text_in(one, "name"))];
  }
}

void Symbols::publish(std::uint64_t seq, const Json& entry) {
  Published one;
  one.seq = seq;
  one.report.lot = text_in(entry, "lot");
  one.report.name = text_in(entry, "name");
  one.report.published = true;
  one.report.minted = number_in(entry, "minted");
  one.report.counted = number_in(entry, "counted");
  if (one.report.counted + number_in(entry, "uncounted") != one.report.minted)
    find(seq, "counted and uncounted are not what was minted");
  if (one.report.counted != 0) read_counts(entry, one);
  Key key(one.report.lot, one.report.name);
  if (!published_.emplace(key, std::move(one)).second) find(seq, "published a second time");
}

void Symbols::read_counts(const Json& entry, Published& out) {
  SymbolCounts counts;
  counts.alphabet = text_in(entry, "alphabet");
  std::size_t width = counts.alphabet.size();
  std::int64_t length = number_in(entry, "length");
  std::int64_t counted = out.report.counted;
  if (width < 2 || width > 94 || length < 1 || length > 63 || counted < symbols::kFewest)
    return find(out.seq, "no counts of passwords");
  counts.length = static_cast<std::size_t>(length);
  counts.positions = table_in(entry, "positions", counts.length, width);
  for (std::size_t row = 0; row < counts.length; ++row)
    if (counts.positions.empty() || sum(row_of(counts.positions, row, width)) != counted)
      return find(out.seq, "position " + std::to_string(row + 1) + " is not of " +
                               std::to_string(counted) + " passwords");
  auto redraws = entry.find("redraws");
  if (redraws != entry.end() && redraws->is_object())
    for (std::size_t i = 0; i < symbols::kRedrawReasons.size(); ++i)
      out.report.redraws.at(i) = number_in(*redraws, symbols::kRedrawReasons.at(i));
  out.counts = std::move(counts);
}

// The first and the second symbols of the pairs are those of the positions but the last, the first.
void Symbols::pairs(std::uint64_t seq, const Json& entry) {
  auto one = published_.find(Key(text_in(entry, "lot"), text_in(entry, "name")));
  if (one == published_.end() || one->second.counts.length == 0)
    return find(seq, "pairs of passwords that were not counted");
  SymbolCounts& counts = one->second.counts;
  std::size_t width = counts.alphabet.size();
  counts.pairs = table_in(entry, "pairs", width, width);
  if (counts.pairs.empty()) return find(seq, "no table of pairs");
  std::vector<std::int64_t> first(width);
  for (std::size_t row = 0; row < width; ++row) first[row] = sum(row_of(counts.pairs, row, width));
  if (first != added(counts.positions, width, 0, counts.length - 1) ||
      added(counts.pairs, width, 0, width) != added(counts.positions, width, 1, counts.length))
    find(seq, "the pairs are not of these passwords");
}

void Symbols::judge(Published& one) {
  const SymbolCounts& counts = one.counts;
  if (counts.length == 0) return;
  if (counts.pairs.empty()) find(one.seq, "the pairs are missing");
  std::size_t width = counts.alphabet.size();
  std::vector<double> spread = even_spread(counts.alphabet, counts.length);
  auto test = [&](const std::vector<std::int64_t>& numbers, double alpha, const std::string& of) {
    ChiSquared result = chi_squared(numbers, spread, alpha);
    if (result.judged && !result.even())
      find(one.seq, of + " of " + one.report.name + " in lot " + one.report.lot +
                        " is not evenly spread: the generator or what was done with it is biased");
    return result;
  };
  one.report.all = test(added(counts.positions, width, 0, counts.length), kAlpha, "the whole");
  for (std::size_t row = 0; row < counts.length; ++row)
    one.report.positions.push_back(test(row_of(counts.positions, row, width),
                                        kAlpha / static_cast<double>(counts.length),
                                        "position " + std::to_string(row + 1)));
}

std::vector<SymbolReport> Symbols::finish() {
  std::vector<SymbolReport> out;
  for (auto& [key, one] : published_) {
    auto minted = minted_.find(key);
    std::int64_t times = minted == minted_.end() ? 0 : minted->second;
    if (times != one.report.minted)
      find(one.seq, std::to_string(one.report.minted) + " are said to be minted, the journal has " +
                        std::to_string(times));
    judge(one);
    out.push_back(one.report);
  }
  for (const auto& [key, times] : minted_) {
    if (times < symbols::kFewest || !closed_.contains(key.first) || published_.contains(key))
      continue;
    SymbolReport silent;
    silent.lot = key.first;
    silent.name = key.second;
    silent.minted = times;
    out.push_back(silent);
  }
  return out;
}

}  // namespace mintmark::exports
