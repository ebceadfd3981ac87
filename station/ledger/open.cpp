// Making a ledger, and opening one with suspicion.
#include "station/ledger/open.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "station/ledger/audit.hpp"
#include "station/words/clock.hpp"
#include "station/words/crypto.hpp"
#include "station/words/fault.hpp"

namespace mintmark {

namespace embedded {
std::string_view schema_files(std::string_view path);
}

namespace {

std::string migration(int version) {
  std::string number = std::to_string(version);
  std::string path = "sql/migrations/" + std::string(4 - number.size(), '0') + number + ".sql";
  return std::string(embedded::schema_files(path));
}

int pragma(sqlite::Database& db, const std::string& name) {
  auto row = db.query("PRAGMA " + name);
  return row.step() ? row.get<int>(0) : 0;
}

std::string even_spaces(const std::string& sql) {
  std::string out;
  for (char c : sql) {
    bool space = c == ' ' || c == '\n' || c == '\t' || c == '\r';
    if (!space)
      out += c;
    else if (!out.empty() && out.back() != ' ')
      out += ' ';
  }
  return out;
}

}  // namespace

namespace schema {

int newest() {
  static const int version = [] {
    int n = 0;
    while (!migration(n + 1).empty()) ++n;
    return n;
  }();
  return version;
}

static void stamp(sqlite::Database& db, int version) {
  db.script("PRAGMA application_id=" + std::to_string(kApplicationId) +
            "; PRAGMA user_version=" + std::to_string(version) + ";");
}

void make(sqlite::Database& db) {
  db.script("BEGIN IMMEDIATE");
  db.script(embedded::schema_files("sql/schema.sql"));
  stamp(db, newest());
  db.script("COMMIT");
}

void migrate(sqlite::Database& db) {
  for (int version = pragma(db, "user_version") + 1; version <= newest(); ++version) {
    db.script("BEGIN IMMEDIATE");
    db.script(migration(version));
    stamp(db, version);
    db.script("COMMIT");
  }
}

std::vector<std::string> describe(sqlite::Database& db) {
  std::vector<std::string> out;
  auto rows = db.query(
      "SELECT type, name, coalesce(sql, '') FROM sqlite_schema WHERE name NOT LIKE 'sqlite_stat%' "
      "ORDER BY type, name");
  while (rows.step())
    out.push_back(rows.get<std::string>(0) + " " + rows.get<std::string>(1) + " " +
                  even_spaces(rows.get<std::string>(2)));
  return out;
}

}  // namespace schema

namespace {

// Names the first table, index or trigger that is missing, strange or changed.
void check_schema(sqlite::Database& db) {
  sqlite::Database model(":memory:", sqlite::Database::Mode::memory);
  schema::make(model);
  std::vector<std::string> found = schema::describe(db), wanted = schema::describe(model), odd;
  std::set_symmetric_difference(found.begin(), found.end(), wanted.begin(), wanted.end(),
                                std::back_inserter(odd));
  if (odd.empty()) return;
  auto first = odd.front().find(' ');
  throw tampered_with(odd.front().substr(0, odd.front().find(' ', first + 1)));
}

int known_version(sqlite::Database& db) {
  if (pragma(db, "application_id") != schema::kApplicationId) throw tampered_with("application id");
  int version = pragma(db, "user_version");
  if (version > schema::newest())
    throw Fault("ledger.newer", {{"version", std::to_string(version)}});
  return version;
}

void check_and_migrate(sqlite::Database& db) {
  known_version(db);
  schema::migrate(db);
  check_schema(db);
}

}  // namespace

void schema::must_be_current(sqlite::Database& db) {
  int version = known_version(db);
  if (version < newest()) throw Fault("ledger.older", {{"version", std::to_string(version)}});
  check_schema(db);
}

Birth birth_in(Reader& db) {
  auto row = db.query(
      "SELECT station, ledger, demo, owner_key, kcv, journal_key, ca, token, created_by, "
      "created_at FROM birth");
  if (!row.step()) throw tampered_with("birth");
  Birth out;
  out.station = row.get<std::string>(0);
  out.ledger = row.get<std::string>(1);
  out.demo = row.get<bool>(2);
  out.owner_key = row.get<Bytes>(3);
  out.fingerprint_check = row.get<Bytes>(4);
  out.journal_key = row.get<Bytes>(5);
  out.ca = row.get<Bytes>(6);
  out.token = row.get<std::string>(7);
  out.created_by = row.get<std::string>(8);
  out.created_at = row.get<std::string>(9);
  return out;
}

namespace {

void save_birth(Transaction& db, const Birth& birth) {
  db.exec(
      "INSERT INTO birth (id, station, ledger, demo, owner_key, kcv, journal_key, ca, token, "
      "created_by, created_at) VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      birth.station, birth.ledger, birth.demo, birth.owner_key, birth.fingerprint_check,
      birth.journal_key, birth.ca, birth.token, birth.created_by, birth.created_at);
  db.journal(Actor(birth.created_by), "ledger.birth",
             {{"ledger", birth.ledger},
              {"demo", birth.demo},
              {"owner_key", hex(birth.owner_key)},
              {"fingerprint_check", hex(birth.fingerprint_check)},
              {"journal_key", verifier_key(birth.station, birth.journal_key)},
              {"ca_sha256", birth.ca.empty() ? "" : hex(sha256(birth.ca))},
              {"token", birth.token}});
}

}  // namespace

const std::string& must_be_file(const std::string& path) {
  if (!std::filesystem::is_regular_file(path)) throw Fault("ledger.missing", {{"path", path}});
  return path;
}

void make_ledger_file(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0 && errno == EEXIST) throw Fault("ledger.exists", {{"path", path}});
  if (fd < 0) throw Fault("ledger.failed", {{"reason", std::strerror(errno)}}, "create " + path);
  ::close(fd);
}

void remove_ledger_files(const std::string& path) {
  for (const char* suffix : {"", "-wal", "-shm"}) ::unlink((path + suffix).c_str());
}

void sync_folder(const std::string& path) {
  std::string folder = std::filesystem::absolute(path).parent_path();
  int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  bool synced = fd >= 0 && ::fsync(fd) == 0;
  if (fd >= 0) ::close(fd);
  if (!synced) throw Fault("ledger.failed", {{"reason", std::strerror(errno)}}, "sync " + folder);
}

static void fill(const std::string& path, const Birth& birth) {
  sqlite::Database db(path, sqlite::Database::Mode::read_write);
  schema::make(db);
  Tree tree;
  Transaction scope(db, tree, birth.station);
  db.exec("BEGIN IMMEDIATE");
  save_birth(scope, birth);
  db.exec("COMMIT");
}

void Ledger::create(const std::string& path, Birth birth) {
  if (birth.created_at.empty()) birth.created_at = utc_now();
  make_ledger_file(path);
  ::unlink((path + ".head").c_str());  // of another that was here before
  try {
    fill(path, birth);
    sync_folder(path);
  } catch (...) {
    remove_ledger_files(path);
    throw;
  }
}

Ledger::Lock::Lock(const std::string& path)
    : fd(::open((must_be_file(path) + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
  if (fd < 0) throw Fault("ledger.failed", {{"reason", std::strerror(errno)}}, "lock " + path);
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return;
  ::close(fd);
  throw Fault("ledger.locked", {{"path", path}});
}

Ledger::Lock::~Lock() { ::close(fd); }

static Birth open_with_care(sqlite::Database& db) {
  check_and_migrate(db);
  Reader reader(db);
  return birth_in(reader);
}

static Audited audited(sqlite::Database& db, const Birth& birth, const std::optional<Head>& head,
                       bool rows) {
  db.exec("BEGIN");
  Reader reader(db);
  Audited out = audit(reader, birth, head, rows);
  db.exec("COMMIT");
  return out;
}

// Half of 64 slots: while one half's steps are written and synced, the other half is at its units
// and the token. A group of all would leave each side waiting for the other.
static constexpr std::size_t kLargestGroup = 32;

Ledger::Ledger(const std::string& path, Opening opening)
    : lock_(path),
      writer_(path, sqlite::Database::Mode::read_write),
      birth_(open_with_care(writer_)),
      head_file_(path),
      reader_(path, sqlite::Database::Mode::read_only),
      files_(path),
      writes_(kLargestGroup, [this](auto& batch) { serve_writes(batch); }),
      reads_(kLargestGroup, [this](auto& batch) { serve_reads(batch); }) {
  // Nobody has handed the two threads anything yet.
  std::optional<Head> head;
  if (opening != Opening::restored) head = head_file_.read();
  Audited found = audited(writer_, birth_, head, opening != Opening::unaudited);
  if (opening != Opening::restored && !head && !found.anchor.empty())
    throw Fault("ledger.anchor_missing", {{"where", path + ".head"}});
  tree_ = std::move(found.tree);
  anchor_ = std::move(found.anchor);
  data_version_ = writer_.data_version();
  if (opening != Opening::restored) head_file_.begin(Head(tree_.size(), tree_.root()));
}

Ledger::~Ledger() = default;

}  // namespace mintmark
