// SQLite behind two small owners: a connection and a statement. Bind and column are typed; every
// failure passes through one translation to a Fault.
#pragma once

#include <sqlite3.h>

#include <array>
#include <concepts>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "station/words/bytes.hpp"
#include "station/words/fault.hpp"

namespace mintmark::sqlite {

// The one translation of result codes:
//   SQLITE_FULL, or any I/O error for want of space (ENOSPC, EDQUOT, EFBIG)  "disk.full"
//   SQLITE_BUSY, SQLITE_LOCKED                                               "ledger.busy"
//   UNIQUE or PRIMARY KEY, and the guards of schema.sql ("table: exists")    "ledger.duplicate"
//   SQLITE_IOERR, SQLITE_READONLY, SQLITE_CANTOPEN, and SQLITE_CORRUPT where
//   a file could not be read                                                 "disk.failed"
//   SQLITE_CORRUPT, SQLITE_NOTADB                                            "ledger.tampered"
//   all others                                                               "ledger.failed"
Fault fault(sqlite3* db, int rc, std::string_view what);
bool is_duplicate(const Fault& fault);

class Database;

// A statement of a connection's cache, and whether somebody has it.
struct Prepared {
  sqlite3_stmt* handle = nullptr;
  bool lent = false;
};

// A prepared statement on loan from its connection's cache; goes back reset when it dies. Text and
// blobs are copied when bound, unless they `stay` for as long as the statement does.
class Statement {
 public:
  Statement(Database& db, Prepared& lent, bool stay = false)
      : db_(&db), lent_(&lent), handle_(lent.handle), stay_(stay) {
    lent.lent = true;
  }
  ~Statement();
  Statement(Statement&& other) noexcept
      : db_(other.db_),
        lent_(std::exchange(other.lent_, nullptr)),
        handle_(other.handle_),
        stay_(other.stay_) {}
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  Statement& operator=(Statement&&) = delete;

  bool step();  // true: there is a row

  void bind(int index, std::nullptr_t);
  void bind(int index, std::string_view text);
  void bind(int index, View blob);
  void bind(int index, const std::string& text) { bind(index, std::string_view(text)); }
  void bind(int index, const char* text) { bind(index, std::string_view(text)); }
  void bind(int index, const Bytes& blob) { bind(index, View(blob)); }
  template <std::size_t N>
  void bind(int index, const std::array<std::uint8_t, N>& blob) {
    bind(index, View(blob));
  }
  template <std::integral T>
  void bind(int index, T number) {
    bind_int(index, static_cast<std::int64_t>(number));
  }
  template <class T>
  void bind(int index, const std::optional<T>& value) {
    if (value)
      bind(index, *value);
    else
      bind(index, nullptr);
  }

  template <class... Args>
  void bind_all(const Args&... args) {
    int index = 0;
    (bind(++index, args), ...);
  }

  // Column `index`, from 0. NULL is 0 or empty; ask for std::optional<T> to tell.
  template <class T>
  T get(int index) const {
    T out{};
    read(index, out);
    return out;
  }
  bool is_null(int index) const { return sqlite3_column_type(handle_, index) == SQLITE_NULL; }

 private:
  void bind_int(int index, std::int64_t number);
  sqlite3_destructor_type lifetime() const { return stay_ ? SQLITE_STATIC : SQLITE_TRANSIENT; }
  void check(int rc);
  void read(int index, std::string& out) const;
  void read(int index, Bytes& out) const;
  template <std::integral T>
  void read(int index, T& out) const {
    if constexpr (std::same_as<T, bool>)
      out = sqlite3_column_int64(handle_, index) != 0;
    else
      out = static_cast<T>(sqlite3_column_int64(handle_, index));
  }
  // A blob of another size than N stays zeros.
  template <std::size_t N>
  void read(int index, std::array<std::uint8_t, N>& out) const {
    Bytes blob = get<Bytes>(index);
    if (blob.size() == N) std::copy(blob.begin(), blob.end(), out.begin());
  }
  template <class T>
  void read(int index, std::optional<T>& out) const {
    if (!is_null(index)) out = get<T>(index);
  }

  Database* db_;
  Prepared* lent_;
  sqlite3_stmt* handle_;
  bool stay_;
};

// One connection, used by one thread at a time.
class Database {
 public:
  enum class Mode { read_write, read_only, memory, plain };
  // Sets the pragmas of DESIGN "Ledger seam": WAL, synchronous=FULL, foreign keys, recursive
  // triggers, no trusted schema, secure delete; read_only: query_only. plain: none of them.
  Database(const std::string& path, Mode mode);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  template <class... Args>
  Statement query(std::string_view sql, const Args&... args) {
    Statement out(*this, prepare(sql));
    out.bind_all(args...);
    return out;
  }
  // Runs to the end; rows are dropped.
  template <class... Args>
  void exec(std::string_view sql, const Args&... args) {
    Statement statement(*this, prepare(sql), true);
    statement.bind_all(args...);
    while (statement.step()) {
    }
  }
  void script(std::string_view sql);  // several statements, no arguments
  std::int64_t changes() const { return sqlite3_changes64(handle_); }
  std::int64_t last_id() const { return sqlite3_last_insert_rowid(handle_); }
  // Another value than before: some other connection has changed the database.
  std::int64_t data_version();
  bool in_transaction() const { return sqlite3_get_autocommit(handle_) == 0; }
  sqlite3* handle() const { return handle_; }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view sql) const {
      return std::hash<std::string_view>()(sql);
    }
  };
  Prepared& prepare(std::string_view sql);

  sqlite3* handle_ = nullptr;
  // By text; more than one where it was in use twice at once.
  std::unordered_multimap<std::string, Prepared, Hash, std::equal_to<>> cache_;
};

}  // namespace mintmark::sqlite
