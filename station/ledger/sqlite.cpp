#include "station/ledger/sqlite.hpp"

#include <cerrno>

namespace mintmark::sqlite {

// The write-ahead log's own errno: the connection's is whatever the last system call left.
static int log_errno(sqlite3* db) {
  sqlite3_file* log = nullptr;
  int error = 0;
  sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, static_cast<void*>(&log));
  if (log != nullptr && log->pMethods != nullptr)
    log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &error);
  return error;
}

static int file_errno(sqlite3* db) {
  int error = 0;
  sqlite3_file_control(db, "main", SQLITE_FCNTL_LAST_ERRNO, &error);
  return error;
}

// SQLite calls a database that cannot be read a damaged one; but it is the disk that is.
static bool unreadable(sqlite3* db, int rc) {
  if ((rc & 0xff) != SQLITE_CORRUPT || db == nullptr) return false;
  for (int error : {file_errno(db), log_errno(db)})
    if (error == EIO || error == ENXIO) return true;
  return false;
}

static bool no_space(sqlite3* db, int rc) {
  if ((rc & 0xff) == SQLITE_FULL) return true;
  if ((rc & 0xff) != SQLITE_IOERR || db == nullptr) return false;
  for (int error : {sqlite3_system_errno(db), log_errno(db)})
    if (error == ENOSPC || error == EDQUOT || error == EFBIG) return true;
  return false;
}

static std::string_view code_of(sqlite3* db, int rc, std::string_view message) {
  if (no_space(db, rc)) return "disk.full";
  if ((rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_LOCKED) return "ledger.busy";
  bool guard = rc == SQLITE_CONSTRAINT_TRIGGER && message.ends_with(": exists");
  if (rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY || guard)
    return "ledger.duplicate";
  if ((rc & 0xff) == SQLITE_IOERR || (rc & 0xff) == SQLITE_READONLY ||
      (rc & 0xff) == SQLITE_CANTOPEN)
    return "disk.failed";
  if ((rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB) return "ledger.tampered";
  return "ledger.failed";
}

Fault fault(sqlite3* db, int rc, std::string_view what) {
  bool disk = unreadable(db, rc);
  if (disk) rc = SQLITE_IOERR_READ;
  std::string message = db == nullptr || disk ? sqlite3_errstr(rc) : sqlite3_errmsg(db);
  std::string_view code = code_of(db, rc, message);
  Fault::Args args{{code == "ledger.tampered" ? "what" : "reason", message}};
  return Fault(code, std::move(args), std::string(what));
}

bool is_duplicate(const Fault& fault) { return fault.code() == "ledger.duplicate"; }

Statement::~Statement() {
  if (lent_ == nullptr) return;
  sqlite3_reset(handle_);
  sqlite3_clear_bindings(handle_);
  lent_->lent = false;
}

void Statement::check(int rc) {
  if (rc != SQLITE_OK && rc != SQLITE_ROW && rc != SQLITE_DONE)
    throw fault(db_->handle(), rc, sqlite3_sql(handle_));
}

bool Statement::step() {
  int rc = sqlite3_step(handle_);
  check(rc);
  return rc == SQLITE_ROW;
}

void Statement::bind(int index, std::nullptr_t) { check(sqlite3_bind_null(handle_, index)); }

void Statement::bind(int index, std::string_view text) {
  // A null pointer would bind NULL: an empty text is a text.
  const char* data = text.data() == nullptr ? "" : text.data();
  check(sqlite3_bind_text64(handle_, index, data, text.size(), lifetime(), SQLITE_UTF8));
}

void Statement::bind(int index, View blob) {
  const void* data = blob.data() == nullptr ? static_cast<const void*>("") : blob.data();
  check(sqlite3_bind_blob64(handle_, index, data, blob.size(), lifetime()));
}

void Statement::bind_int(int index, std::int64_t number) {
  check(sqlite3_bind_int64(handle_, index, number));
}

void Statement::read(int index, std::string& out) const {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(handle_, index));
  if (data != nullptr)
    out.assign(data, static_cast<std::size_t>(sqlite3_column_bytes(handle_, index)));
}

void Statement::read(int index, Bytes& out) const {
  const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(handle_, index));
  if (data != nullptr) out.assign(data, data + sqlite3_column_bytes(handle_, index));
}

static int flags(Database::Mode mode) {
  int common = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  if (mode == Database::Mode::memory)
    return common | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MEMORY;
  return common | SQLITE_OPEN_READWRITE;  // a reader of a WAL needs its shared memory too
}

// SQLite's statistics of memory, of which nobody asks it, take a lock at each piece.
static int without_statistics() { return sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); }

Database::Database(const std::string& path, Mode mode) {
  static const int once [[maybe_unused]] = without_statistics();
  int rc = sqlite3_open_v2(path.c_str(), &handle_, flags(mode), nullptr);
  if (rc != SQLITE_OK) {
    Fault failure = fault(handle_, rc, "open " + path);
    sqlite3_close_v2(handle_);
    throw failure;
  }
  if (mode == Mode::plain) return;
  try {
    script(
        "PRAGMA busy_timeout=5000; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
        "PRAGMA foreign_keys=ON; PRAGMA recursive_triggers=ON; PRAGMA trusted_schema=OFF;"
        "PRAGMA secure_delete=ON; PRAGMA temp_store=MEMORY;");
    if (mode == Mode::read_only) script("PRAGMA query_only=ON;");
  } catch (...) {
    sqlite3_close_v2(handle_);
    throw;
  }
}

Database::~Database() {
  for (const auto& [sql, prepared] : cache_) sqlite3_finalize(prepared.handle);
  sqlite3_close_v2(handle_);
}

Prepared& Database::prepare(std::string_view sql) {
  auto [kept, end] = cache_.equal_range(sql);
  for (; kept != end; ++kept)
    if (!kept->second.lent) return kept->second;
  Prepared out;
  int rc = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()),
                              SQLITE_PREPARE_PERSISTENT, &out.handle, nullptr);
  if (rc != SQLITE_OK) throw fault(handle_, rc, sql);
  return cache_.emplace(sql, out)->second;
}

void Database::script(std::string_view sql) {
  int rc = sqlite3_exec(handle_, std::string(sql).c_str(), nullptr, nullptr, nullptr);
  if (rc != SQLITE_OK) throw fault(handle_, rc, "script");
}

std::int64_t Database::data_version() {
  Statement row = query("PRAGMA data_version");
  return row.step() ? row.get<std::int64_t>(0) : 0;
}

}  // namespace mintmark::sqlite
