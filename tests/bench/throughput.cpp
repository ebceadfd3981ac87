// What the whole station costs where units cost nothing. Prints
//   bench throughput.64slots   units a second through the real line, vault and ledger, divided by
//       those of a raw loop of the same token calls and the same rows, committed in batches of 64;
//       the middle one of five rounds
//   bench steps.Nslot(s)       durable steps a second (each waits for its own commit) by N slots,
//       divided by the fdatasync calls a second of the same disk
//   bench rss.64slots.mb       memory of the process behind it, token in software included
#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <map>
#include <stdexcept>

#include "hsm/keys.hpp"
#include "hsm/module.hpp"
#include "hsm/session.hpp"
#include "station/credential/idevid.hpp"
#include "station/ledger/lots.hpp"
#include "station/line/line.hpp"
#include "station/words/clock.hpp"
#include "tests/bench/instant.hpp"
#include "tests/vault/fault.hpp"
#include "tests/vault/station.hpp"

namespace mintmark::bench {
namespace {

using std::chrono::steady_clock;

double since(steady_clock::time_point begin) {
  return std::chrono::duration<double>(steady_clock::now() - begin).count();
}

// Of all threads, in seconds: what a busy machine does not change.
double cpu() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
         static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

// Every label is scanned at once, by the unit's own code.
class InstantSink : public LabelSink {
 public:
  using Scan = std::function<void(const LabelJob&)>;
  Scan scan;
  Readiness ready() override { return {}; }
  void print(const LabelJob& job, const Secret& /*zpl*/) override { scan(job); }
};

Birth birth_of(Vault& vault, const Owner& owner) {
  Birth out;
  out.station = uuid_v4(vault.random(16));
  out.ledger = uuid_v4(vault.random(16));
  out.owner_key = owner.public_key();
  out.fingerprint_check = vault.check_value();
  out.journal_key = vault.journal_public_key();
  out.ca = make_ca_certificate(vault, "Bench CA");
  out.created_by = "bench";
  return out;
}

std::string make_ledger(const TemporaryDirectory& directory, Vault& vault, const Owner& owner) {
  std::string path = (directory.path() / "ledger.db").string();
  Ledger::create(path, birth_of(vault, owner));
  return path;
}

// A station in this process, and its operator.
class Station {
 public:
  Station(Owner& owner, int slots)
      : vault_(fault_token().config(4)),
        path_(make_ledger(directory_, vault_, owner)),
        ledger_(path_),
        owner_(owner),
        line_(io_.get_executor(), Services(vault_, pool_, ledger_, sink_), make_slots(slots)) {
    sink_.scan = [this](const LabelJob& job) { scan(job); };
    hearing_ = line_.subscribe(
        [this](std::uint64_t, const std::string& name, const Json& data) { hear(name, data); });
    line_.start();
  }
  ~Station() {
    line_.stop();
    io_.restart();
    io_.poll();
    pool_.join();
    io_.restart();
    io_.poll();
    hearing_.reset();
  }
  Station(const Station&) = delete;
  Station& operator=(const Station&) = delete;

  const std::string& path() const { return path_; }
  const std::filesystem::path& directory() const { return directory_.path(); }

  // Makes so many units, and answers how long that took.
  double make(int units) {
    std::vector<Blank> made = make_blanks(units);
    bool open = false;
    asio::co_spawn(io_,
                   line_.open_lot(Actor("owner"), owner_.order(ledger_.birth().station, 1, units)),
                   [&](const std::exception_ptr& error, const Lot&) {
                     if (error) std::rethrow_exception(error);
                     open = true;
                   });
    turn([&] { return open; });
    wanted_ = units;
    auto begin = steady_clock::now();
    blanks_ = std::move(made);
    more_.notify();
    turn([this] { return passed_ == wanted_; });
    return since(begin);
  }

 private:
  std::vector<std::unique_ptr<Slot>> make_slots(int count) {
    std::vector<std::unique_ptr<Slot>> out;
    for (int i = 1; i <= count; ++i)
      out.push_back(std::make_unique<InstantSlot>(std::to_string(i), blanks_, more_));
    return out;
  }

  void hear(const std::string& name, const Json& data) {
    if (name == "slot" && !data["serial"].is_null())
      hardware_[data["serial"]] = data["hardware"].get<std::string>();
    if (name == "slot" && data["state"] == "ended" && !data["code"].is_null())
      throw std::runtime_error("a unit ended: " + data.dump());
    if (name == "station" && !data["lots"].empty()) passed_ = data["lots"][0]["passed"];
  }

  void scan(const LabelJob& job) {
    std::string symbol = ControlSymbol(job.serial, job.place, job.attempt).str();
    asio::co_spawn(io_, line_.scan(Actor("scanner"), hardware_.at(job.serial), symbol),
                   [](const std::exception_ptr& error, const Json&) {
                     if (error) std::rethrow_exception(error);
                   });
  }

  void turn(const std::function<bool()>& until) {
    auto limit = steady_clock::now() + std::chrono::minutes(10);
    io_.restart();
    while (!until()) {
      io_.run_one_for(std::chrono::seconds(1));
      if (steady_clock::now() > limit) throw std::runtime_error("the line stands still");
    }
  }

  TemporaryDirectory directory_;
  asio::io_context io_;
  asio::thread_pool pool_{4};
  Vault vault_;
  std::string path_;
  Ledger ledger_;
  Owner& owner_;
  InstantSink sink_;
  std::vector<Blank> blanks_;
  Event more_{io_.get_executor()};
  Line line_;
  std::shared_ptr<void> hearing_;
  std::map<std::string, std::string> hardware_;  // by serial
  int wanted_ = 0, passed_ = 0;
};

// --- The raw loop ---

// How often a unit asks the token for what.
struct Calls {
  double random, hmac, ecdsa, encrypt, decrypt;
};

Calls counted(int units) {
  std::map<std::string, double> by_name;
  for (const fault::Call& call : fault::control(MINTMARK_FAULT_MODULE).calls())
    by_name[call.function] += 1.0 / units;
  return {by_name["C_GenerateRandom"], by_name["C_Sign"] - 1, 1, by_name["C_Encrypt"],
          by_name["C_Decrypt"]};
}

class RawToken {
 public:
  RawToken() = default;
  void make_unit(const Calls& calls) {
    times(calls.random, random_, [&] { session_.random(block_); });
    times(calls.hmac, hmac_, [&] { session_.sign(CKM_SHA256_HMAC, fingerprint_, password_); });
    times(calls.ecdsa, ecdsa_, [&] { session_.sign(CKM_ECDSA, ca_, digest_); });
    times(calls.encrypt, encrypt_,
          [&] { sealed_ = session_.gcm_encrypt(seal_, next_iv(), aad_, password_); });
    times(calls.decrypt, decrypt_, [&] { session_.gcm_decrypt(seal_, iv_, aad_, sealed_); });
  }

 private:
  static constexpr const char* kLot = "bench-raw-lot";
  // `rate` times on average.
  template <class F>
  void times(double rate, double& owed, F call) {
    for (owed += rate; owed >= 1; owed -= 1) call();
  }
  const Iv& next_iv() {
    for (std::size_t i = iv_.size(); i-- > 0 && ++iv_.at(i) == 0;) continue;
    return iv_;
  }

  static Vault& with_lot_key(Vault& vault) {
    vault.create_lot_key(kLot);
    return vault;
  }

  Vault vault_{fault_token().config(1)};
  Vault& ready_ = with_lot_key(vault_);
  pkcs11::TokenUri uri_{fault_token().uri()};
  pkcs11::Module& module_ = pkcs11::Module::load(uri_.module_path());
  pkcs11::Session session_{module_, module_.find(uri_), pkcs11::Session::Access::read};
  CK_OBJECT_HANDLE fingerprint_ =
      pkcs11::find_one(session_, pkcs11::kFingerprintKey.secret, pkcs11::kFingerprintKey.label);
  CK_OBJECT_HANDLE ca_ = pkcs11::find_one(session_, pkcs11::kCaKey.secret, pkcs11::kCaKey.label);
  CK_OBJECT_HANDLE seal_ = pkcs11::find_one(session_, pkcs11::kLotKey.secret, kLot);
  double random_ = 0, hmac_ = 0, ecdsa_ = 0, encrypt_ = 0, decrypt_ = 0;
  Bytes block_ = Bytes(32), password_ = Bytes(16, 'P'), aad_ = Bytes(150, 'a'), sealed_;
  Digest digest_{1, 2, 3};
  Iv iv_{};
};

// The rows that the station wrote, table by table.
struct Rows {
  sqlite3_stmt* read;
  sqlite3_stmt* write;
  double per_unit, owed = 0;
};

class RawRows {
 public:
  RawRows(const std::string& ledger, const std::filesystem::path& directory, int units)
      : directory_(directory) {
    std::string path = (directory / "raw.db").string();
    std::ofstream(path).close();
    {
      sqlite::Database made(path, sqlite::Database::Mode::read_write);
      schema::make(made);
    }
    from_ = open(ledger);
    to_ = open(path);
    // The pragmas of a ledger; its guards and references would only be in the way of whoever is
    // not the ledger.
    run("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON;");
    for (const std::string& trigger :
         column(to_, "SELECT name FROM sqlite_schema WHERE type = 'trigger'"))
      run("DROP TRIGGER " + trigger);
    for (const std::string& table :
         column(from_,
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"))
      add(table, units);
  }
  ~RawRows() {
    for (Rows& rows : tables_) {
      sqlite3_finalize(rows.read);
      sqlite3_finalize(rows.write);
    }
    sqlite3_close(from_);
    sqlite3_close(to_);
  }
  RawRows(const RawRows&) = delete;
  RawRows& operator=(const RawRows&) = delete;

  void make_unit() {
    for (Rows& rows : tables_)
      for (rows.owed += rows.per_unit; rows.owed >= 1; rows.owed -= 1) copy(rows);
  }
  void finish() {
    if (in_batch_ > 0) run("COMMIT");
  }
  double per_unit() const {
    double out = 0;
    for (const Rows& rows : tables_) out += rows.per_unit;
    return out;
  }

 private:
  static sqlite3* open(const std::string& path) {
    sqlite3* out = nullptr;
    if (sqlite3_open(path.c_str(), &out) != SQLITE_OK) throw std::runtime_error(path);
    return out;
  }
  static std::vector<std::string> column(sqlite3* db, const char* sql) {
    std::vector<std::string> out;
    sqlite3_stmt* rows = prepare(db, sql);
    while (sqlite3_step(rows) == SQLITE_ROW)
      out.emplace_back(reinterpret_cast<const char*>(sqlite3_column_text(rows, 0)));
    sqlite3_finalize(rows);
    return out;
  }
  static sqlite3_stmt* prepare(sqlite3* db, const std::string& sql) {
    sqlite3_stmt* out = nullptr;
    if (sqlite3_prepare_v2(db, sql.c_str(), -1, &out, nullptr) != SQLITE_OK)
      throw std::runtime_error(sqlite3_errmsg(db));
    return out;
  }
  void run(const std::string& sql) {
    if (sqlite3_exec(to_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
      throw std::runtime_error(sqlite3_errmsg(to_));
  }

  // What a station has one of is no unit's.
  void add(const std::string& table, int units) {
    int count = std::stoi(column(from_, ("SELECT count(*) FROM " + table).c_str()).front());
    if (count < units) return;
    Rows rows{prepare(from_, "SELECT * FROM " + table), nullptr,
              static_cast<double>(count) / units};
    std::string marks = "?";
    for (int i = 1; i < sqlite3_column_count(rows.read); ++i) marks += ", ?";
    rows.write = prepare(to_, "INSERT INTO " + table + " VALUES (" + marks + ")");
    tables_.push_back(rows);
  }
  void copy(Rows& rows) {
    if (sqlite3_step(rows.read) != SQLITE_ROW) return;
    if (in_batch_ == 0) run("BEGIN");
    for (int i = 0; i < sqlite3_column_count(rows.read); ++i)
      sqlite3_bind_value(rows.write, i + 1, sqlite3_column_value(rows.read, i));
    if (sqlite3_step(rows.write) != SQLITE_DONE) throw std::runtime_error(sqlite3_errmsg(to_));
    sqlite3_reset(rows.write);
    if (++in_batch_ < 64) return;
    run("COMMIT");
    in_batch_ = 0;
  }

  std::filesystem::path directory_;
  sqlite3 *from_ = nullptr, *to_ = nullptr;
  std::vector<Rows> tables_;
  int in_batch_ = 0;
};

// --- What is printed ---

double resident_mb() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmRSS:")) return std::stod(line.substr(6)) / 1024;
  return 0;
}

// As a write-ahead log is written: appended a page at a time, and synced.
double syncs_a_second(const std::filesystem::path& directory) {
  int file = ::open((directory / "syncs").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  Bytes page(4096, 0x5a);
  int done = 0;
  auto begin = steady_clock::now();
  for (; since(begin) < 1; ++done)
    if (::write(file, page.data(), page.size()) < 0 || ::fdatasync(file) != 0)
      throw std::runtime_error("fdatasync");
  ::close(file);
  return done / since(begin);
}

double durable_steps(const std::string& path) {
  Outside ledger(path);
  return std::stod(ledger.one(
      "SELECT CAST(count(*) AS TEXT) FROM journal WHERE type IN ('step.begin', 'step.end')"));
}

void measure_steps(Owner& owner, int slots, int units) {
  Station station(owner, slots);
  double took = station.make(units);
  double steps = durable_steps(station.path()) / took;
  double syncs = syncs_a_second(station.directory());
  std::printf("bench steps.%dslot%s %.3f\n", slots, slots == 1 ? "" : "s", steps / syncs);
  std::printf("note steps.%d: %.0f steps/s, %.0f fdatasync/s\n", slots, steps, syncs);
  std::fflush(stdout);
}

struct Round {
  double station, raw;          // seconds
  double cpu_station, cpu_raw;  // seconds of processor
};

Round one_round(Owner& owner, RawToken& token, int units, bool first) {
  Round out{};
  Station station(owner, 64);
  fault::control(MINTMARK_FAULT_MODULE).disarm();
  double before = cpu();
  out.station = station.make(units);
  out.cpu_station = cpu() - before;
  Calls calls = counted(units);
  RawRows rows(station.path(), station.directory(), units);
  if (first) {
    std::printf("bench rss.64slots.mb %.1f\n", resident_mb());
    std::printf(
        "note throughput: a unit: %.1f rows, %.1f random, %.1f HMAC, %.1f ECDSA, %.1f seals, %.1f "
        "opened\n",
        rows.per_unit(), calls.random, calls.hmac, calls.ecdsa, calls.encrypt, calls.decrypt);
  }
  before = cpu();
  auto begin = steady_clock::now();
  for (int i = 0; i < units; ++i) {
    token.make_unit(calls);
    rows.make_unit();
  }
  rows.finish();
  out.raw = since(begin);
  out.cpu_raw = cpu() - before;
  return out;
}

// Both by turns, so that what else the machine does meets both alike.
void measure_throughput(Owner& owner, int units, int rounds) {
  RawToken token;
  std::vector<Round> all;
  for (int i = 0; i < rounds; ++i) all.push_back(one_round(owner, token, units, i == 0));
  auto ratio = [](const Round& one) { return one.raw / one.station; };
  std::sort(all.begin(), all.end(),
            [&](const Round& a, const Round& b) { return ratio(a) < ratio(b); });
  const Round& middle = all[all.size() / 2];
  std::printf("bench throughput.64slots %.3f\n", ratio(middle));
  std::printf("note throughput: %.0f units/s, raw %.0f; of %d rounds %.3f to %.3f\n",
              units / middle.station, units / middle.raw, rounds, ratio(all.front()),
              ratio(all.back()));
  std::printf("note throughput: %.2f ms of processor a unit, raw %.2f\n",
              middle.cpu_station / units * 1000, middle.cpu_raw / units * 1000);
  std::fflush(stdout);
}

}  // namespace
}  // namespace mintmark::bench

int main() {
  using namespace mintmark;
  lock_memory();
  spdlog::set_level(spdlog::level::off);
  Owner owner;
  bench::measure_throughput(owner, 1000, 5);
  bench::measure_steps(owner, 1, 50);
  bench::measure_steps(owner, 8, 300);
  bench::measure_steps(owner, 64, 1000);
  return 0;
}
