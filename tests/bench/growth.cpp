// Whether a ledger gets slow as it grows. Prints
//   bench ledger.growth   what a unit's rows cost in a ledger of 1,000,000 units (10,000,000 with
//   MINTMARK_SOAK), divided
//                         by what they cost in one of 10,000
// Units that were there before are put in behind the ledger's back, in the order of their keys;
// those that are measured go through the ledger's own functions, fifty to a commit, and land
// anywhere among them.
#include <sqlite3.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <vector>

#include "tests/unit/ledger/station.hpp"

namespace mintmark::bench {
namespace {

using std::chrono::steady_clock;

constexpr int kRounds = 21;
constexpr int kUnits = 50;  // a commit

// One connection that fills a ledger as fast as SQLite can: without its guards, indexes and syncs,
// which come back when it is full.
class Filler {
 public:
  explicit Filler(const std::string& path) {
    if (sqlite3_open(path.c_str(), &db_) != SQLITE_OK) throw std::runtime_error(path);
    run("PRAGMA synchronous=OFF; PRAGMA foreign_keys=OFF; PRAGMA cache_size=-262144");
    for (const char* kind : {"trigger", "index"}) drop(kind);
  }
  ~Filler() { sqlite3_close(db_); }
  Filler(const Filler&) = delete;
  Filler& operator=(const Filler&) = delete;

  void fill(const std::string& lot, std::int64_t units) {
    run("BEGIN");
    sqlite3_stmt* unit = prepare(
        "INSERT INTO unit (id, source, hw, first_seen, mints) VALUES (?1, 'emmc-cid', ?2, '', 1)");
    sqlite3_stmt* admission =
        prepare("INSERT INTO admission (lot, unit, serial, at) VALUES (?1, ?2, ?3, '')");
    sqlite3_stmt* passage = prepare(
        "INSERT INTO run (id, lot, unit, slot, model, firmware, serial, next, ending, begun_at, "
        "ended_at) "
        "VALUES (?1, ?2, ?3, 's1', 'lamp-1', '1.4.0', ?4, 'done', 'passed', '', '')");
    sqlite3_stmt* print = prepare(
        "INSERT INTO fingerprint (scope, value, class, name, unit, run, at) VALUES (0, ?1, "
        "'password', 'admin', ?2, ?3, '')");
    for (std::int64_t n = 0; n < units; ++n) {
      std::string key = spread(n, units), id = key.substr(0, 8) + "-0000-7000-8000-000000000000";
      put(unit, n + 1, key);
      put(admission, lot, n + 1, "F" + key);
      put(passage, id, lot, n + 1, "F" + key);
      for (int i = 0; i < kPrints; ++i)
        put(print, spread_digest(n * kPrints + i, units * kPrints), n + 1, id);
    }
    for (sqlite3_stmt* one : {unit, admission, passage, print}) sqlite3_finalize(one);
    for (const std::string& sql : dropped_) run(sql);
    run("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)");
  }

 private:
  static constexpr std::int64_t kPrints = 3;

  // The n-th of `count` keys that lie evenly in all there are.
  static std::uint64_t key(std::int64_t n, std::int64_t count) {
    return ~std::uint64_t{0} / static_cast<std::uint64_t>(count) * static_cast<std::uint64_t>(n);
  }
  static Bytes big_endian(std::uint64_t value) {
    Bytes out(8);
    for (std::size_t i = 8; i-- > 0; value >>= 8) out[i] = static_cast<std::uint8_t>(value);
    return out;
  }
  static std::string spread(std::int64_t n, std::int64_t count) {
    return hex(big_endian(key(n, count)));
  }
  static Bytes spread_digest(std::int64_t n, std::int64_t count) {
    Bytes out = big_endian(key(n, count)), rest = test::random_bytes(24);
    out.insert(out.end(), rest.begin(), rest.end());
    return out;
  }

  void bind(sqlite3_stmt* to, int at, const std::string& value) {
    sqlite3_bind_text64(to, at, value.data(), value.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  }
  void bind(sqlite3_stmt* to, int at, const Bytes& value) {
    sqlite3_bind_blob64(to, at, value.data(), value.size(), SQLITE_TRANSIENT);
  }
  void bind(sqlite3_stmt* to, int at, std::int64_t value) { sqlite3_bind_int64(to, at, value); }
  template <class... Values>
  void put(sqlite3_stmt* to, const Values&... values) {
    int at = 0;
    (bind(to, ++at, values), ...);
    if (sqlite3_step(to) != SQLITE_DONE) throw std::runtime_error(sqlite3_errmsg(db_));
    sqlite3_reset(to);
  }

  sqlite3_stmt* prepare(const std::string& sql) {
    sqlite3_stmt* out = nullptr;
    if (sqlite3_prepare_v2(db_, sql.c_str(), -1, &out, nullptr) != SQLITE_OK)
      throw std::runtime_error(sqlite3_errmsg(db_));
    return out;
  }
  void run(const std::string& sql) {
    if (sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
      throw std::runtime_error(sqlite3_errmsg(db_));
  }
  void drop(const std::string& kind) {
    std::vector<std::string> names;
    sqlite3_stmt* rows = prepare(
        "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND type = '" + kind + "'");
    while (sqlite3_step(rows) == SQLITE_ROW) {
      names.emplace_back(reinterpret_cast<const char*>(sqlite3_column_text(rows, 0)));
      dropped_.emplace_back(reinterpret_cast<const char*>(sqlite3_column_text(rows, 1)));
    }
    sqlite3_finalize(rows);
    for (const std::string& name : names) run("DROP " + kind + " " + name);
  }

  sqlite3* db_ = nullptr;
  std::vector<std::string> dropped_;
};

// What a passage leaves: admission, key, a password, two decoys, a label, and the entries of all.
void make_unit(Transaction& db, const std::string& lot) {
  HardwareId hardware("emmc-cid", hex(test::random_bytes(8)));
  Run run = runs::begin(db, test::self(), test::uuid7(), lot, "s1", hardware, "lamp-1", "1.4.0",
                        Json::object());
  run = runs::admit(db, run);
  Bytes spki = test::random_bytes(91);
  run = runs::commit_key(db, run, spki, test::random_digest());
  Credential secret = test::password();
  secret.iv = runs::next_iv(db, lot);
  run = runs::mint(db, run, test::random_bytes(16), {secret}, 3);
  for (int i = 0; i < 2; ++i) runs::burn_decoy(db, run, "decoy", 0, test::random_digest());
  int attempt = runs::begin_label(db, test::self(), run, "device", Digest{});
  runs::apply_label(db, test::alice(), run, ControlSymbol(run.serial, "device", attempt), "slot");
  runs::end(db, test::self(), run, Ending::passed, "", {});
}

class Grown {
 public:
  explicit Grown(std::int64_t units) {
    std::string old = station_.open_lot(1);
    station_.write([&](Transaction& db) { lots::close(db, test::alice(), old); });
    // No entry knows these rows: an audit would say so.
    station_.audits = false;
    station_.ledger.reset();
    Filler(station_.path).fill(old, units);
    station_.ledger = std::make_unique<Ledger>(station_.path, Ledger::Opening::unaudited);
    Json order = station_.order_json(2 * kRounds * kUnits, 0);
    order["serials"] = Json::array({{{"first", "SN-000001"}, {"last", "SN-009999"}}});
    lot_ = station_.open_lot(station_.order(order));
  }
  double seconds_for_a_commit() {
    auto begin = steady_clock::now();
    station_.write([this](Transaction& db) {
      for (int i = 0; i < kUnits; ++i) make_unit(db, lot_);
    });
    return std::chrono::duration<double>(steady_clock::now() - begin).count();
  }

 private:
  test::Station station_;
  std::string lot_;
};

void run() {
  const std::int64_t large = std::getenv("MINTMARK_SOAK") != nullptr ? 10'000'000 : 1'000'000;
  Grown small(10'000), grown(large);
  std::vector<double> ratios, micros;
  for (int round = 0; round < kRounds; ++round) {
    double before = small.seconds_for_a_commit();
    double after = grown.seconds_for_a_commit();
    ratios.push_back(after / before);
    micros.push_back(after / kUnits * 1e6);
  }
  std::sort(ratios.begin(), ratios.end());
  std::sort(micros.begin(), micros.end());
  std::printf("bench ledger.growth %.3f\n", ratios[kRounds / 2]);
  std::printf("note ledger.growth: %.0f us a unit among %lld\n", micros[kRounds / 2],
              static_cast<long long>(large));
}

}  // namespace
}  // namespace mintmark::bench

int main() {
  mintmark::bench::run();
  return 0;
}
