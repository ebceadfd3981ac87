#include "station/ledger/symbols.hpp"

#include <optional>

namespace mintmark::symbols {

namespace {

Json table(const std::vector<std::int64_t>& numbers, std::size_t width) {
  Json out = Json::array();
  for (std::size_t i = 0; i + width <= numbers.size(); i += width)
    out.push_back(
        std::vector<std::int64_t>(numbers.begin() + static_cast<std::ptrdiff_t>(i),
                                  numbers.begin() + static_cast<std::ptrdiff_t>(i + width)));
  return out;
}

std::vector<std::int64_t> numbers(const std::string& text) {
  std::vector<std::int64_t> out;
  for (const Json& row : Json::parse(text))
    for (const Json& number : row) out.push_back(number.get<std::int64_t>());
  return out;
}

template <class Numbers>
void add_each(Numbers& to, const Numbers& from) {
  for (std::size_t i = 0; i < to.size(); ++i) to.at(i) += from.at(i);
}

std::optional<SymbolCounts> counted(Reader& db, const std::string& lot, const std::string& name) {
  auto row = db.query(
      "SELECT class, alphabet, length, mints, hexadecimal, run_of_four, public_string, positions, "
      "pairs FROM symbol_count WHERE lot = ? AND name = ?",
      lot, name);
  if (!row.step()) return std::nullopt;
  SymbolCounts out;
  out.name = name;
  out.klass = row.get<std::string>(0);
  out.alphabet = row.get<std::string>(1);
  out.length = static_cast<std::size_t>(row.get<std::int64_t>(2));
  out.mints = row.get<std::int64_t>(3);
  for (int i = 0; i < 3; ++i)
    out.redraws.at(static_cast<std::size_t>(i)) = row.get<std::int64_t>(4 + i);
  out.positions = numbers(row.get<std::string>(7));
  out.pairs = numbers(row.get<std::string>(8));
  return out;
}

void insert(Transaction& db, const std::string& lot, const SymbolCounts& counts) {
  db.exec(
      "INSERT INTO symbol_count (lot, name, class, alphabet, length, mints, hexadecimal, "
      "run_of_four, public_string, positions, pairs) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      lot, counts.name, counts.klass, counts.alphabet, counts.length, counts.mints,
      counts.redraws[0], counts.redraws[1], counts.redraws[2],
      table(counts.positions, counts.alphabet.size()).dump(),
      table(counts.pairs, counts.alphabet.size()).dump());
}

void update(Transaction& db, const std::string& lot, const SymbolCounts& sum) {
  db.exec(
      "UPDATE symbol_count SET mints = ?, hexadecimal = ?, run_of_four = ?, public_string = ?, "
      "positions = ?, pairs = ? WHERE lot = ? AND name = ?",
      sum.mints, sum.redraws[0], sum.redraws[1], sum.redraws[2],
      table(sum.positions, sum.alphabet.size()).dump(),
      table(sum.pairs, sum.alphabet.size()).dump(), lot, sum.name);
}

void publish_one(Transaction& db, const Actor& actor, const std::string& lot,
                 const std::string& name, const std::string& klass, std::int64_t minted) {
  auto counts = counted(db, lot, name);
  std::int64_t known = counts ? counts->mints : 0;
  Json entry = {{"lot", lot},       {"name", name},     {"class", klass},
                {"minted", minted}, {"counted", known}, {"uncounted", minted - known}};
  if (!counts) {
    db.journal(actor, "lot.symbols", entry);
    return;
  }
  entry["alphabet"] = counts->alphabet;
  entry["length"] = counts->length;
  for (std::size_t i = 0; i < kRedrawReasons.size(); ++i)
    entry["redraws"][kRedrawReasons.at(i)] = counts->redraws.at(i);
  entry["positions"] = table(counts->positions, counts->alphabet.size());
  db.journal(actor, "lot.symbols", entry);
  // An entry of its own: together they could be longer than an entry may be.
  Json pairs = {
      {"lot", lot}, {"name", name}, {"pairs", table(counts->pairs, counts->alphabet.size())}};
  db.journal(actor, "lot.pairs", pairs);
}

}  // namespace

void add(Transaction& db, const std::string& lot, const SymbolCounts& batch) {
  auto sum = counted(db, lot, batch.name);
  if (!sum) return insert(db, lot, batch);
  sum->mints += batch.mints;
  add_each(sum->redraws, batch.redraws);
  add_each(sum->positions, batch.positions);
  add_each(sum->pairs, batch.pairs);
  update(db, lot, *sum);
}

void publish(Transaction& db, const Actor& actor, const std::string& lot) {
  struct Minted {
    std::string name, klass;
    std::int64_t times;
  };
  std::vector<Minted> all;
  auto row = db.query(
      "SELECT f.name, f.class, count(*) FROM run r JOIN fingerprint f ON f.run = r.id WHERE r.lot "
      "= "
      "? AND f.class IN ('password', 'wifi-key') GROUP BY f.name, f.class ORDER BY min(f.id)",
      lot);
  while (row.step())
    all.push_back({row.get<std::string>(0), row.get<std::string>(1), row.get<std::int64_t>(2)});
  for (const Minted& one : all)
    if (one.times >= kFewest) publish_one(db, actor, lot, one.name, one.klass, one.times);
}

}  // namespace mintmark::symbols
