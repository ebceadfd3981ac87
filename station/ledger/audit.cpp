#include "station/ledger/audit.hpp"

#include "station/ledger/audit_rows.hpp"
#include "station/ledger/signers.hpp"
#include "station/words/crypto.hpp"

namespace mintmark {

Fault tampered_with(const std::string& what) { return Fault("ledger.tampered", {{"what", what}}); }

namespace {

std::string text_after(std::string_view bytes, std::string_view key) {
  auto at = bytes.find(key);
  if (at == bytes.npos) return "";
  auto from = at + key.size();
  return std::string(bytes.substr(from, bytes.find('"', from) - from));
}

// Every entry begins with these keys, and quotes inside of a text are escaped: what stands in plain
// sight is the key itself.
constexpr std::string_view kType = ",\"type\":\"", kRun = "\",\"run\":\"";
constexpr std::string_view kStep = ",\"step\":\"", kResult = ",\"result\":\"";

// The checkpoints that were kept, each held against the tree when it has grown to its size.
class Checkpoints {
 public:
  Checkpoints(Reader& db, const Birth& birth)
      : db_(&db),
        birth_(&birth),
        row_(db.query("SELECT size, root, note, frontier FROM checkpoint ORDER BY size")),
        there_(row_.step()) {}

  void grown(const Tree& tree) {
    while (there_ && row_.get<std::uint64_t>(0) == tree.size()) {
      if (!is_good(tree)) throw tampered_with(name());
      there_ = row_.step();
    }
  }
  void must_be_over() const {
    if (there_) throw tampered_with("journal: entries are missing at the end");
  }

 private:
  std::string name() const {
    return "checkpoint of size " + std::to_string(row_.get<std::uint64_t>(0));
  }
  bool is_good(const Tree& tree) {
    Bytes note = row_.get<Bytes>(2);
    auto opened = signers::opened(*db_, text(note));
    return opened && opened->size == tree.size() && opened->root == tree.root() &&
           opened->root == row_.get<Digest>(1) && tree.frontier() == row_.get<Bytes>(3) &&
           opened->origin == origin_of(birth_->station);
  }

  Reader* db_;
  const Birth* birth_;
  sqlite::Statement row_;
  bool there_;
};

// Ours, and found by what it says of itself.
bool is_entry(const sqlite::Statement& row, std::uint64_t seq, const std::string& station,
              std::string_view bytes) {
  std::string begins =
      "{\"seq\":" + std::to_string(seq) + ",\"station\":\"" + station + "\",\"at\":\"";
  return bytes.starts_with(begins) && text_after(bytes, kType) == row.get<std::string>(1) &&
         text_after(bytes, kRun) == row.get<std::string>(2);
}

Fault rolled_back(const Head& anchor, std::uint64_t known) {
  return Fault("ledger.rolled_back",
               {{"anchored", std::to_string(anchor.size)}, {"known", std::to_string(known)}});
}

Json fields_of(std::string_view bytes, std::uint64_t seq) {
  Json out = Json::parse(bytes, nullptr, false);
  if (!out.is_object()) throw tampered_with("journal entry " + std::to_string(seq));
  return out;
}

void must_be_at_head(const Tree& tree, const std::optional<Head>& head) {
  if (head && head->size == tree.size() && head->root != tree.root())
    throw rolled_back(*head, tree.size());
}

}  // namespace

Audited audit(Reader& db, const Birth& birth, const std::optional<Head>& head, bool with_rows) {
  Audited out;
  AuditRows rows(db, birth);
  Checkpoints checkpoints(db, birth);
  auto row = db.query("SELECT seq, type, run, bytes FROM journal ORDER BY seq");
  while (row.step()) {
    std::uint64_t seq = out.tree.size();
    Bytes bytes = row.get<Bytes>(3);
    if (row.get<std::uint64_t>(0) != seq || !is_entry(row, seq, birth.station, text(bytes)))
      throw tampered_with("journal entry " + std::to_string(seq));
    out.tree.append(bytes);
    checkpoints.grown(out.tree);
    must_be_at_head(out.tree, head);
    auto type = row.get<std::string>(1);
    // Every third entry is of this type, and what it says is read without more ado.
    if (!with_rows) continue;
    if (type == "step.end")
      rows.step_end(seq, text_after(text(bytes), kRun), text_after(text(bytes), kStep),
                    text_after(text(bytes), kResult));
    else if (AuditRows::knows(type))
      rows.entry(seq, type, fields_of(text(bytes), seq));
  }
  checkpoints.must_be_over();
  if (out.tree.size() == 0) throw tampered_with("journal: entries are missing at the end");
  if (head && head->size > out.tree.size()) throw rolled_back(*head, out.tree.size());
  if (with_rows) rows.finish();
  out.entries = out.tree.size();
  out.rows = rows.rows();
  out.anchor = rows.anchor();
  return out;
}

void must_contain(Reader& db, const Head& anchor) {
  if (!db.exists("SELECT 1 FROM checkpoint WHERE size = ? AND root = ?", anchor.size, anchor.root))
    throw rolled_back(anchor, journal_size(db));
}

}  // namespace mintmark
