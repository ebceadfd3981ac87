// The ledger: SQLite in WAL mode, synchronous=FULL, one writer thread. Callers see transactions,
// never BEGIN.
//
// Faults: ledger.exists, ledger.missing, ledger.locked (another process has it), ledger.newer
// (made by a newer Mintmark), ledger.tampered (argument `what`), ledger.rolled_back (an older
// copy), ledger.anchor_missing, ledger.anchor_unreadable (where), ledger.replaced (path; while it
// was open), ledger.busy, ledger.failed, ledger.duplicate (a unique value is taken), disk.full,
// disk.failed, journal.too_long.
#pragma once

#include <sqlite3.h>

#include <array>
#include <condition_variable>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "station/ledger/checkpoint.hpp"
#include "station/ledger/entry.hpp"
#include "station/ledger/head.hpp"
#include "station/ledger/queue.hpp"
#include "station/ledger/sqlite.hpp"
#include "station/ledger/tree.hpp"
#include "station/words/bytes.hpp"
#include "station/words/task.hpp"

namespace mintmark {

// Who caused a change: a person's name, or "station" for what the machine does by itself.
struct Actor {
  explicit Actor(std::string name_) : name(std::move(name_)) {}
  std::string name;
};

// What a ledger is born with and keeps for ever.
struct Birth {
  Birth() = default;
  std::string station;      // UUID
  std::string ledger;       // UUID
  bool demo = false;        // a simulated scanner may exist
  Bytes owner_key;          // Ed25519, 32 bytes
  Bytes fingerprint_check;  // K_fp's check value, 8 bytes
  Bytes journal_key;        // Ed25519, 32 bytes; or a P-256 point, 65
  Bytes ca;                 // certificate, DER
  std::string token;        // what the token calls itself, for the evidence; may be empty
  std::string created_by, created_at;
};

// Questions to the ledger. SQL text is always a literal; values are always bound.
class Reader {
 public:
  explicit Reader(sqlite::Database& db) : db_(&db) {}

  // for (auto rows = db.query("SELECT a, b FROM t WHERE c = ?", c); rows.step();) rows.get<int>(0);
  template <class... Args>
  sqlite::Statement query(std::string_view sql, const Args&... args) {
    return db_->query(sql, args...);
  }
  // The first column of the first row.
  template <class T, class... Args>
  std::optional<T> value(std::string_view sql, const Args&... args) {
    sqlite::Statement rows = query(sql, args...);
    if (!rows.step()) return std::nullopt;
    return rows.template get<T>(0);
  }
  template <class... Args>
  bool exists(std::string_view sql, const Args&... args) {
    return query(sql, args...).step();
  }

 protected:
  sqlite::Database* db_;
};

// Changes, all of them or none.
class Transaction : public Reader {
 public:
  Transaction(sqlite::Database& db, Tree& tree, const std::string& station)
      : Reader(db), tree_(&tree), station_(&station) {}

  template <class... Args>
  void exec(std::string_view sql, const Args&... args) {
    db_->exec(sql, args...);
  }
  std::int64_t changes() const { return db_->changes(); }  // rows of the last exec
  std::int64_t last_id() const { return db_->last_id(); }

  // Appends one entry (FORMATS, "Journal"; schema/journal.md has the types) and answers its seq. A
  // field `run` makes the entry findable by run. Fault "journal.too_long" over 65,535 bytes.
  std::uint64_t journal(const Actor& actor, std::string_view type, const Entry& fields);
  std::uint64_t journal(const Actor& actor, std::string_view type, const Json& fields) {
    return journal(actor, type, Entry::of(fields));
  }
  const Tree& tree() const { return *tree_; }  // over every entry so far, this transaction's too

 private:
  Tree* tree_;
  const std::string* station_;
};

// Entries `from` to `until` (exclusive), as stored, in order. Stops early where `each` says false.
void journal_entries(Reader& db, std::uint64_t from, std::uint64_t until,
                     const std::function<bool(std::uint64_t seq, View bytes)>& each);
std::uint64_t journal_size(Reader& db);

class Ledger {
 public:
  // A new ledger, readable by its owner only. Its first journal entry is "ledger.birth".
  static void create(const std::string& path, Birth birth);

  // Locks, opens, migrates, and refuses what is not as it was left: application id, schema and
  // triggers against schema.sql, the journal against every checkpoint and the head beside the
  // ledger, every row against the journal (audit.hpp). `restored` asks for no head: what is opened
  // may be an older copy; `unaudited` takes the rows as they are, which only the bench of a ledger
  // that was filled by hand wants. The Ledger must go before the io_context of those who await it.
  enum class Opening { newest, restored, unaudited };
  explicit Ledger(const std::string& path, Opening opening = Opening::newest);
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  const Birth& birth() const { return birth_; }
  // The kind of anchor as the journal had it when the ledger was opened; empty: none yet.
  const std::string& anchor() const { return anchor_; }

  // Runs `work(Transaction&)` on the one writer thread. Whatever waits there shares one commit;
  // each closure has its own savepoint, so an exception undoes that closure alone and goes to its
  // caller. Resumes after the commit, on the caller's executor; if the commit fails, with that
  // fault. Name the closure first and move it in (see words/task.hpp).
  template <class F>
  Task<std::invoke_result_t<F&, Transaction&>> transact(F work) {
    return writes_.await(std::move(work));
  }
  // Runs `work(Reader&)` on a second connection that cannot write, in one snapshot.
  template <class F>
  Task<std::invoke_result_t<F&, Reader&>> read(F work) {
    return reads_.await(std::move(work));
  }
  // The same for those who have no coroutine: they wait.
  template <class F>
  std::invoke_result_t<F&, Transaction&> transact_now(F work) {
    return writes_.wait(std::move(work));
  }
  template <class F>
  std::invoke_result_t<F&, Reader&> read_now(F work) {
    return reads_.wait(std::move(work));
  }

  // Signs the journal as it is now (or answers the checkpoint that already covers all of it) and
  // stores the note. The tree kept in memory since the start is what is signed, not the disk's
  // idea of it. `then` sees exactly the journal that the checkpoint covers: for exports. `signer`
  // and `then` run on the reader's thread.
  using WithCheckpoint = std::function<void(Reader&, const Checkpoint&)>;
  Task<Checkpoint> checkpoint(Signer signer, WithCheckpoint then = {});
  Checkpoint checkpoint_now(const Signer& signer, const WithCheckpoint& then = {});
  // Whether the journal was ever this: the root of its first `size` entries, counted afresh.
  bool contains(const Head& head);
  // Faults where it is not ours any more, as any change would.
  Task<void> look();
  // What was opened as restored is the newest from here on.
  void settle();
  // What keeps each checkpoint apart from the ledger from here on, once it is durable; on the
  // reader's thread. What it throws is the caller's of checkpoint().
  using Keep = std::function<void(const Checkpoint&)>;
  void anchor_by(Keep keep);
  // Tries again what could not be kept; throws what that throws.
  void keep_owed();

 private:
  using Write = Job<Transaction>;
  void serve_writes(std::vector<std::shared_ptr<Write>>& batch);
  bool commit_group(std::vector<std::shared_ptr<Write>>& batch);
  void serve_reads(std::vector<std::shared_ptr<Job<Reader>>>& batch);
  void begin_alone();
  void keep(const Checkpoint& checkpoint);
  void pay();

  struct Lock {
    explicit Lock(const std::string& path);
    ~Lock();
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;
    int fd;
  };
  Lock lock_;
  sqlite::Database writer_;
  Birth birth_;
  Tree tree_;  // the writer thread's, as is all up to the reader
  HeadFile head_file_;
  std::int64_t data_version_ = 0;
  std::string anchor_;
  sqlite::Database reader_;
  OpenFiles files_;         // the writer thread's
  std::uint64_t kept_ = 0;  // the reader thread's, as are the next two: the size anchored last
  std::optional<Checkpoint> owed_;  // the newest that could not be kept
  Keep keep_;
  Queue<Transaction> writes_;
  Queue<Reader> reads_;
};

// For the policy "a checkpoint every N entries": true once N entries wait for one.
bool checkpoint_due(Reader& db, std::uint64_t every);
// Journals the kind of anchor ("token", "file") from here on.
void note_anchor(Transaction& db, const std::string& kind);
// An auditor's nonce (1 to 128 of A-Z a-z 0-9 + / = _ . -), covered by the next checkpoint. Fault
// "audit.nonce_malformed".
std::uint64_t note_nonce(Transaction& db, const Actor& actor, const std::string& nonce);
// Somebody asks for a checkpoint now: journalled, and so covered by the one that is made next.
std::uint64_t note_request(Transaction& db, const Actor& actor);

// The schema's two routes, for the ledger and its tests.
namespace schema {
inline constexpr int kApplicationId = 0x4d4d4c31;  // "MML1"
int newest();                                      // version that schema.sql makes
void make(sqlite::Database& db);                   // an empty database by schema.sql
void migrate(sqlite::Database& db);                // from its user_version to newest()
// Every table, index and trigger as "type name sql", white space made even, in order of name.
std::vector<std::string> describe(sqlite::Database& db);
}  // namespace schema

}  // namespace mintmark
