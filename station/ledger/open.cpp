// Making a ledger, and opening one with suspicion.

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "station/ledger/ledger.hpp"
#include "station/ledger/signers.hpp"
#include "station/words/clock.hpp"
#include "station/words/crypto.hpp"
#include "station/words/fault.hpp"

namespace mintmark {

namespace embedded {
std::string_view schema_files(std::string_view path);
}

namespace {

Fault tampered(const std::string& what) { return Fault("ledger.tampered", {{"what", what}}); }

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
  throw tampered(odd.front().substr(0, odd.front().find(' ', first + 1)));
}

void check_and_migrate(sqlite::Database& db) {
  if (pragma(db, "application_id") != schema::kApplicationId) throw tampered("application id");
  int version = pragma(db, "user_version");
  if (version > schema::newest())
    throw Fault("ledger.newer", {{"version", std::to_string(version)}});
  schema::migrate(db);
  check_schema(db);
}

Birth load_birth(Reader& db) {
  auto row = db.query(
      "SELECT station, ledger, demo, owner_key, kcv, journal_key, ca, token, created_by, "
      "created_at FROM birth");
  if (!row.step()) throw tampered("birth");
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

// The newest checkpoint's tree, if the row is what the token signed.
Tree load_checkpoint(Reader& db, const Birth& birth) {
  auto row =
      db.query("SELECT size, root, note, frontier FROM checkpoint ORDER BY size DESC LIMIT 1");
  if (!row.step()) return {};
  auto size = row.get<std::uint64_t>(0);
  auto tree = Tree::restore(size, row.get<Bytes>(3));
  Bytes note = row.get<Bytes>(2);
  auto opened = signers::opened(db, text(note));
  bool good = tree && opened && opened->size == size && opened->root == tree->root() &&
              opened->root == row.get<Digest>(1) && opened->origin == origin_of(birth.station);
  if (!good) throw tampered("checkpoint of size " + std::to_string(size));
  return *tree;
}

bool is_entry(View bytes, std::uint64_t seq, const std::string& station) {
  auto json = Json::parse(bytes.begin(), bytes.end(), nullptr, false);
  return json.is_object() && json.value("seq", Json()) == Json(seq) &&
         json.value("station", Json()) == Json(station);
}

// Reads what came after the checkpoint: gapless, ours, and no less than was signed.
Tree load_tree(Reader& db, const Birth& birth) {
  Tree tree = load_checkpoint(db, birth);
  std::uint64_t size = journal_size(db);
  if (size < tree.size() || size == 0) throw tampered("journal: entries are missing at the end");
  if (db.value<std::uint64_t>("SELECT min(seq) FROM journal") != 0u)
    throw tampered("journal: entries are missing at the start");
  journal_entries(db, tree.size(), size, [&](std::uint64_t seq, View bytes) {
    if (seq != tree.size() || !is_entry(bytes, seq, birth.station))
      throw tampered("journal entry " + std::to_string(tree.size()));
    tree.append(bytes);
    return true;
  });
  return tree;
}

const std::string& must_exist(const std::string& path) {
  if (!std::filesystem::is_regular_file(path)) throw Fault("ledger.missing", {{"path", path}});
  return path;
}

void make_file(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0 && errno == EEXIST) throw Fault("ledger.exists", {{"path", path}});
  if (fd < 0) throw Fault("ledger.failed", {{"reason", std::strerror(errno)}}, "create " + path);
  ::close(fd);
}

void sync_directory(const std::string& path) {
  std::string folder = std::filesystem::absolute(path).parent_path();
  int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  bool synced = fd >= 0 && ::fsync(fd) == 0;
  if (fd >= 0) ::close(fd);
  if (!synced) throw Fault("ledger.failed", {{"reason", std::strerror(errno)}}, "sync " + folder);
}

void fill(const std::string& path, const Birth& birth) {
  sqlite::Database db(path, sqlite::Database::Mode::read_write);
  schema::make(db);
  Tree tree;
  Transaction scope(db, tree, birth.station);
  db.exec("BEGIN IMMEDIATE");
  save_birth(scope, birth);
  db.exec("COMMIT");
}

}  // namespace

void Ledger::create(const std::string& path, Birth birth) {
  if (birth.created_at.empty()) birth.created_at = utc_now();
  make_file(path);
  try {
    fill(path, birth);
    sync_directory(path);
  } catch (...) {
    for (const char* suffix : {"", "-wal", "-shm"}) ::unlink((path + suffix).c_str());
    throw;
  }
}

Ledger::Lock::Lock(const std::string& path)
    : fd(::open((must_exist(path) + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
  if (fd < 0) throw Fault("ledger.failed", {{"reason", std::strerror(errno)}}, "lock " + path);
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return;
  ::close(fd);
  throw Fault("ledger.locked", {{"path", path}});
}

Ledger::Lock::~Lock() { ::close(fd); }

static Birth open_with_care(sqlite::Database& db) {
  check_and_migrate(db);
  Reader reader(db);
  return load_birth(reader);
}

static Tree tree_of(sqlite::Database& db, const Birth& birth) {
  Reader reader(db);
  return load_tree(reader, birth);
}

static constexpr std::size_t kLargestGroup = 128;

Ledger::Ledger(const std::string& path)
    : lock_(path),
      writer_(path, sqlite::Database::Mode::read_write),
      birth_(open_with_care(writer_)),
      tree_(tree_of(writer_, birth_)),
      reader_(path, sqlite::Database::Mode::read_only),
      writes_(kLargestGroup, [this](auto& batch) { serve_writes(batch); }),
      reads_(kLargestGroup, [this](auto& batch) { serve_reads(batch); }) {}

Ledger::~Ledger() = default;

}  // namespace mintmark
