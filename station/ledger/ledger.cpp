#include "station/ledger/ledger.hpp"

#include <algorithm>

#include "station/ledger/audit.hpp"
#include "station/ledger/signers.hpp"
#include "station/words/clock.hpp"
#include "station/words/crypto.hpp"
#include "station/words/fault.hpp"

namespace mintmark {

// The fixed keys in the order of FORMATS, then the type's own. Ids, times and types are plain
// ASCII.
static std::string entry_of(std::uint64_t seq, const std::string& station, const Actor& actor,
                            std::string_view type, const Entry& fields) {
  std::string out;
  out.reserve(256 + fields.text().size());
  out.append("{\"seq\":").append(std::to_string(seq));
  out.append(",\"station\":\"").append(station).append("\",\"at\":\"").append(utc_now());
  out.append("\",\"mono\":").append(std::to_string(mono_ns()));
  out.append(",\"boot\":\"").append(boot_id()).append("\",\"actor\":");
  append_quoted(out, actor.name);
  out.append(",\"type\":\"").append(type).append("\"");
  if (!fields.text().empty()) out.append(",").append(fields.text());
  return out.append("}");
}

std::uint64_t Transaction::journal(const Actor& actor, std::string_view type, const Entry& fields) {
  std::uint64_t seq = tree_->size();
  std::string bytes = entry_of(seq, *station_, actor, type, fields);
  if (bytes.size() > kLargestEntry) throw Fault("journal.too_long", {{"type", std::string(type)}});
  std::optional<std::string_view> run;
  if (!fields.run().empty()) run = fields.run();
  exec("INSERT INTO journal (seq, type, run, bytes) VALUES (?, ?, ?, ?)", seq, type, run,
       view(bytes));
  tree_->append(view(bytes));
  return seq;
}

void journal_entries(Reader& db, std::uint64_t from, std::uint64_t until,
                     const std::function<bool(std::uint64_t, View)>& each) {
  auto rows = db.query("SELECT seq, bytes FROM journal WHERE seq >= ? AND seq < ? ORDER BY seq",
                       from, until);
  while (rows.step())
    if (!each(rows.get<std::uint64_t>(0), rows.get<Bytes>(1))) return;
}

std::uint64_t journal_size(Reader& db) {
  return db.value<std::uint64_t>("SELECT coalesce(max(seq) + 1, 0) FROM journal").value_or(0);
}

// The writer: one group, one commit.

static void begin(sqlite::Database& db) { db.exec("BEGIN IMMEDIATE"); }

static void roll_back(sqlite::Database& db) {
  // SQLite has already done so by itself after some faults.
  if (db.in_transaction()) sqlite3_exec(db.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
}

// False where the savepoint could not be kept apart from the others: the whole group is lost.
static bool run_one(sqlite::Database& db, Transaction& scope, Tree& tree, Job<Transaction>& job) {
  Tree before = tree;
  try {
    db.exec("SAVEPOINT one");
    job.run(scope);
    db.exec("RELEASE one");
    return true;
  } catch (...) {
    job.error = std::current_exception();
    tree = std::move(before);
  }
  if (!db.in_transaction()) return false;
  db.exec("ROLLBACK TO one");
  db.exec("RELEASE one");
  return true;
}

// Another program's commit would be part of ours, and the tree in memory does not know it.
void Ledger::begin_alone() {
  files_.must_be_ours();
  begin(writer_);
  if (writer_.data_version() != data_version_) throw tampered_with("another program wrote to it");
}

// Who comes while others are at it shares their commit. False: nothing is on disk, and jobs without
// an error of their own must be told why.
bool Ledger::commit_group(std::vector<std::shared_ptr<Write>>& batch) {
  Transaction scope(writer_, tree_, birth_.station);
  begin_alone();
  for (std::size_t next = 0; next < batch.size(); ++next) {
    Write& job = *batch[next];
    if (!run_one(writer_, scope, tree_, job)) std::rethrow_exception(job.error);
    if (next + 1 == batch.size()) writes_.join(batch);
  }
  bool changed = std::any_of(batch.begin(), batch.end(), [](const auto& j) { return !j->error; });
  if (!changed) return false;
  writer_.exec("COMMIT");
  files_.written();
  head_file_.write(Head(tree_.size(), tree_.root()));
  return true;
}

void Ledger::serve_writes(std::vector<std::shared_ptr<Write>>& batch) {
  Tree before = tree_;
  std::exception_ptr why;
  try {
    if (commit_group(batch)) return;
  } catch (...) {
    why = std::current_exception();
  }
  roll_back(writer_);
  tree_ = std::move(before);
  for (const auto& job : batch)
    if (!job->error) job->error = why;
}

void Ledger::serve_reads(std::vector<std::shared_ptr<Job<Reader>>>& batch) {
  Reader scope(reader_);
  for (const auto& job : batch) {
    try {
      reader_.exec("BEGIN");
      job->run(scope);
    } catch (...) {
      job->error = std::current_exception();
    }
    roll_back(reader_);
  }
}

// Checkpoints.

// By the key in force, or, where a key is handed over, by the one before it.
static std::string signed_by_one(Reader& db, const std::string& station, const std::string& text,
                                 const Signer& signer) {
  Bytes signature = signer(view(text));
  std::vector<Bytes> keys = signers::journal_keys(db);
  auto good = std::find_if(keys.rbegin(), keys.rend(),
                           [&](const Bytes& key) { return is_signed_by(key, text, signature); });
  if (good == keys.rend()) throw Fault("checkpoint.bad_signature");
  return sign_note(station, *good, text, [&](View) { return signature; });
}

// `tree` is what this process has seen itself; entries that came after it was copied are few.
static Checkpoint sign(Reader& db, Tree tree, const Birth& birth, const Signer& signer) {
  auto add = [&tree](std::uint64_t, View bytes) {
    tree.append(bytes);
    return true;
  };
  journal_entries(db, tree.size(), journal_size(db), add);
  Checkpoint out;
  out.size = tree.size();
  out.root = tree.root();
  out.frontier = tree.frontier();
  auto kept = db.query("SELECT root, note FROM checkpoint WHERE size = ?", out.size);
  if (!kept.step()) {
    std::string text = checkpoint_text(birth.station, out.size, out.root);
    out.note = signed_by_one(db, birth.station, text, signer);
    return out;
  }
  if (kept.get<Digest>(0) != out.root)
    throw Fault("ledger.tampered", {{"what", "checkpoint of size " + std::to_string(out.size)}});
  Bytes note = kept.get<Bytes>(1);
  out.note = std::string(text(note));
  return out;
}

static void store(Transaction& db, const Checkpoint& checkpoint) {
  if (db.exists("SELECT 1 FROM checkpoint WHERE size = ?", checkpoint.size)) return;
  db.exec("INSERT INTO checkpoint (size, root, note, frontier, at) VALUES (?, ?, ?, ?, ?)",
          checkpoint.size, checkpoint.root, view(checkpoint.note), checkpoint.frontier, utc_now());
}

static Tree copy_tree(Transaction& db) { return db.tree(); }

// Never an older one in the place of a newer: two may be under way at once.
void Ledger::keep(const Checkpoint& checkpoint) {
  if (!keep_ || checkpoint.size < kept_) return;
  if (!owed_ || owed_->size < checkpoint.size) owed_ = checkpoint;
  pay();
}

// Stays owed where `keep_` throws.
void Ledger::pay() {
  if (!owed_) return;
  keep_(*owed_);
  kept_ = owed_->size;
  owed_.reset();
}

void Ledger::anchor_by(Keep keep) {
  keep_ = std::move(keep);
  owed_.reset();
}

void Ledger::keep_owed() {
  read_now([this](Reader&) { pay(); });
}

Task<Checkpoint> Ledger::checkpoint(Signer signer, WithCheckpoint then) {
  Tree tree = co_await transact(&copy_tree);
  auto read_and_sign = [this, &tree, &signer, &then](Reader& db) {
    Checkpoint out = sign(db, tree, birth_, signer);
    if (then) then(db, out);
    return out;
  };
  Checkpoint out = co_await read(read_and_sign);
  auto keep_inside = [&out](Transaction& db) { store(db, out); };
  co_await transact(keep_inside);
  auto keep_apart = [this, &out](Reader&) { keep(out); };
  co_await read(keep_apart);
  co_return out;
}

Checkpoint Ledger::checkpoint_now(const Signer& signer, const WithCheckpoint& then) {
  Tree tree = transact_now(&copy_tree);
  Checkpoint out = read_now([&](Reader& db) {
    Checkpoint made = sign(db, tree, birth_, signer);
    if (then) then(db, made);
    return made;
  });
  transact_now([&](Transaction& db) { store(db, out); });
  read_now([&](Reader&) { keep(out); });
  return out;
}

bool checkpoint_due(Reader& db, std::uint64_t every) {
  auto covered = db.value<std::uint64_t>("SELECT coalesce(max(size), 0) FROM checkpoint");
  return journal_size(db) - covered.value_or(0) >= every;
}

bool Ledger::contains(const Head& head) {
  auto count = [&](Reader& db) {
    Tree tree;
    journal_entries(db, 0, head.size, [&](std::uint64_t, View bytes) {
      tree.append(bytes);
      return true;
    });
    return tree.size() == head.size && tree.root() == head.root;
  };
  return read_now(count);
}

// Any commit finds out.
static void nothing(Transaction&) {}

Task<void> Ledger::look() { return transact(&nothing); }

void Ledger::settle() {
  transact_now(
      [this](Transaction& db) { head_file_.begin(Head(db.tree().size(), db.tree().root())); });
}

void note_anchor(Transaction& db, const std::string& kind) {
  db.journal(Actor("station"), "ledger.anchor", {{"kind", kind}});
}

static bool nonce_char(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
         std::string_view("+/=_.-").find(c) != std::string_view::npos;
}

std::uint64_t note_nonce(Transaction& db, const Actor& actor, const std::string& nonce) {
  bool good =
      !nonce.empty() && nonce.size() <= 128 && std::all_of(nonce.begin(), nonce.end(), nonce_char);
  if (!good) throw Fault("audit.nonce_malformed");
  return db.journal(actor, "audit.nonce", {{"nonce", nonce}});
}

std::uint64_t note_request(Transaction& db, const Actor& actor) {
  return db.journal(actor, "checkpoint.request", Json::object());
}

}  // namespace mintmark
