#include "station/ledger/recovery.hpp"

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "station/ledger/lots.hpp"
#include "station/ledger/runs.hpp"
#include "station/ledger/signers.hpp"
#include "station/ledger/strict.hpp"

namespace mintmark {

namespace {

Fault no_use(const std::string& reason) { return Fault("recovery.journal", {{"reason", reason}}); }

std::string whole_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream out;
  out << file.rdbuf();
  if (!file) throw no_use(path + " cannot be read");
  return out.str();
}

void note_print(LostPart& out, const Json& entry) {
  out.fingerprints.push_back(std::to_string(entry.value("scope", std::int64_t{0})) + ":" +
                             entry.value("fingerprint", ""));
}

using Units = std::set<std::pair<std::string, std::string>>;

// What one entry gave out.
void take_in(LostPart& out, Units& units, const Json& e) {
  std::string type = e.value("type", "");
  if (type == "order.accept") out.orders.push_back(e.value("order", ""));
  if (type == "roster.apply") out.roster = e.value("roster", "");
  if (type == "unit.admit") {
    out.serials.push_back(e.value("serial", ""));
    if (e.contains("mac")) out.macs.push_back(e.value("mac", ""));
  }
  if (type == "decoy.burn" || (type == "key.commit" && !e.value("known", false)))
    note_print(out, e);
  if (type == "credential.mint")
    for (const Json& one : e.at("credentials")) note_print(out, one);
  if (type == "ledger.spent") throw no_use("it is of a ledger that was itself recovered since");
  if (type == "run.begin")
    units.emplace(e.at("hw").value("source", ""), e.at("hw").value("id", ""));
}

bool is_ours(Reader& db, std::uint64_t seq, const std::string& line) {
  auto bytes = db.value<Bytes>("SELECT bytes FROM journal WHERE seq = ?", seq);
  return bytes && equal(*bytes, view(line));
}

// As it is, or as an earlier recovery found it: one that was stopped after its commit is done again
// with the same export.
bool goes_on_from(Reader& db, const Tree& ours, std::uint64_t size) {
  if (size == ours.size()) return true;
  return db.exists(
      "SELECT 1 FROM journal WHERE type = 'ledger.recover' AND "
      "json_extract(CAST(bytes AS TEXT), '$.size') = ?",
      size);
}

}  // namespace

LostPart read_lost_part(Reader& db, const Tree& ours, const std::string& directory) {
  LostPart out;
  out.note = whole_file(directory + "/checkpoint");
  auto head = signers::opened(db, out.note);
  if (!head) throw no_use("its checkpoint is not signed by a key of this station");
  out.head = Head(head->size, head->root);
  std::ifstream file(directory + "/journal.jsonl", std::ios::binary);
  Units units;
  Tree tree;
  bool lost = false;
  for (std::string line; tree.size() < head->size && std::getline(file, line);) {
    if (!lost && !is_ours(db, tree.size(), line)) {
      if (!goes_on_from(db, ours, tree.size()))
        throw no_use("this ledger is no older copy of its own");
      lost = true;
    }
    tree.append(view(line));
    if (!lost) continue;
    std::optional<Json> entry = read_entry(line);
    if (!entry) throw no_use("an entry cannot be read");
    take_in(out, units, *entry);
  }
  if (tree.size() != head->size || tree.root() != head->root)
    throw no_use("it is not what its checkpoint signs");
  if (!lost) throw no_use("it is not newer than this ledger");
  for (const auto& [source, id] : units) out.units.emplace_back(source, id);
  return out;
}

namespace {

constexpr std::size_t kValues = 500;  // in one entry

bool is_spent(Reader& db, const std::string& kind, const std::string& value) {
  return db.exists("SELECT 1 FROM spent WHERE kind = ? AND value = ?", kind, value);
}

void spend(Transaction& db, const Actor& actor, const std::string& kind,
           std::vector<std::string> values) {
  std::erase_if(values, [&](const std::string& value) { return is_spent(db, kind, value); });
  for (std::size_t from = 0; from < values.size(); from += kValues) {
    auto until = std::min(from + kValues, values.size());
    std::vector<std::string> some(values.begin() + static_cast<std::ptrdiff_t>(from),
                                  values.begin() + static_cast<std::ptrdiff_t>(until));
    std::uint64_t seq = db.journal(actor, "ledger.spent", {{"kind", kind}, {"values", some}});
    for (const std::string& value : some)
      db.exec("INSERT INTO spent (kind, value, seq) VALUES (?, ?, ?)", kind, value, seq);
  }
}

Json heads(const std::vector<Head>& lost) {
  Json out = Json::array();
  for (const Head& head : lost) out.push_back({{"size", head.size}, {"root", hex(head.root)}});
  return out;
}

void end_runs(Transaction& db, const Actor& actor) {
  for (const Run& run : runs::open_runs(db))
    runs::end(db, actor, run, Ending::abandoned, kRecovered, {});
}

// The owner's next order says how many more there may be.
void close_lots(Transaction& db, const Actor& actor) {
  for (const Lot& lot : lots::unfinished(db)) {
    lots::pause(db, actor, lot.id, kRecovered);
    lots::close(db, actor, lot.id);
  }
}

void take_over(Transaction& db, const Actor& actor, const LostPart& part) {
  auto newest = db.value<std::string>("SELECT coalesce(max(id), '') FROM roster").value_or("");
  if (part.roster > newest) throw Fault("recovery.roster", {{"roster", part.roster}});
  spend(db, actor, "order", part.orders);
  spend(db, actor, "serial", part.serials);
  spend(db, actor, "mac", part.macs);
  spend(db, actor, "fingerprint", part.fingerprints);
  for (const HardwareId& unit : part.units) runs::quarantine_unit(db, actor, unit, "", kRecovered);
}

}  // namespace

void recover(Transaction& db, const Recovery& recovery) {
  std::uint64_t size = db.tree().size();
  Act asked;
  asked.id = recovery.act;
  asked.kind = "ledger.recover";
  asked.subject = std::to_string(size);
  asked.reason = recovery.reason;
  acts::propose(db, recovery.first, asked);
  Act act = acts::confirm(db, recovery.second, asked.id, "done");
  Actor actor(recovery.second);
  Json entry = {{"size", size},
                {"lost", heads(recovery.lost)},
                {"checkpoint", recovery.note},
                {"act", act.id},
                {"reason", act.reason},
                {"officers", {act.proposed_by, act.confirmed_by}},
                {"solo", act.solo}};
  db.journal(actor, "ledger.recover", entry);
  end_runs(db, actor);
  close_lots(db, actor);
  if (recovery.part) take_over(db, actor, *recovery.part);
}

}  // namespace mintmark
