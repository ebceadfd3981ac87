// Labels: attempts are counted for ever, and a scan applies only the newest that is not void.

#include "station/ledger/rows.hpp"
#include "station/words/clock.hpp"

namespace mintmark::runs {

static std::string state_of(Reader& db, const ControlSymbol& symbol) {
  auto newest = db.value<std::string>(
      "SELECT event FROM label_event WHERE serial = ? AND place = ? AND attempt = ? "
      "ORDER BY event = 'void' DESC LIMIT 1",
      symbol.serial, symbol.place, symbol.attempt);
  return newest.value_or("sent");
}

static int newest_attempt(Reader& db, const std::string& serial, const std::string& place) {
  return db
      .value<int>(
          "SELECT coalesce(max(attempt), 0) FROM label_attempt WHERE serial = ? AND "
          "place = ?",
          serial, place)
      .value_or(0);
}

static Entry about_label(const Run& run, const ControlSymbol& symbol) {
  Entry entry = rows::about(run);
  entry.add("place", symbol.place);
  entry.add("attempt", symbol.attempt);
  return entry;
}

int begin_label(Transaction& db, const Actor& actor, const Run& run, const std::string& place,
                const Digest& template_digest) {
  rows::must_be_open(db, run);
  ControlSymbol symbol(run.serial, place, newest_attempt(db, run.serial, place) + 1);
  db.exec(
      "INSERT INTO label_attempt (serial, place, attempt, run, template, actor, at) "
      "VALUES (?, ?, ?, ?, ?, ?, ?)",
      symbol.serial, place, symbol.attempt, run.id, template_digest, actor.name, utc_now());
  Entry entry = about_label(run, symbol);
  entry.add("template_sha256", hex(template_digest));
  db.journal(actor, "label.attempt", entry);
  return symbol.attempt;
}

std::vector<LabelState> labels(Reader& db, const std::string& serial) {
  std::vector<LabelState> out;
  auto row = db.query(
      "SELECT place, max(attempt) FROM label_attempt WHERE serial = ? GROUP BY place "
      "ORDER BY place",
      serial);
  while (row.step()) {
    LabelState one;
    one.place = row.get<std::string>(0);
    one.attempt = row.get<int>(1);
    one.state = state_of(db, ControlSymbol(serial, one.place, one.attempt));
    out.push_back(std::move(one));
  }
  return out;
}

static void must_exist(Reader& db, const Run& run, const ControlSymbol& symbol) {
  bool known = symbol.serial == run.serial &&
               db.exists(
                   "SELECT 1 FROM label_attempt WHERE serial = ? AND place = ? AND "
                   "attempt = ?",
                   symbol.serial, symbol.place, symbol.attempt);
  if (!known) throw Fault("scan.unknown", {{"symbol", symbol.str()}});
  if (state_of(db, symbol) == "void") throw Fault("scan.void", {{"symbol", symbol.str()}});
}

static void note(Transaction& db, const Actor& actor, const ControlSymbol& symbol,
                 std::string_view event, const std::string& detail) {
  db.exec(
      "INSERT INTO label_event (serial, place, attempt, event, detail, actor, at) "
      "VALUES (?, ?, ?, ?, ?, ?, ?)",
      symbol.serial, symbol.place, symbol.attempt, event, detail, actor.name, utc_now());
}

void apply_label(Transaction& db, const Actor& actor, const Run& run, const ControlSymbol& symbol,
                 const std::string& bound_by) {
  must_exist(db, run, symbol);
  int newest = newest_attempt(db, symbol.serial, symbol.place);
  if (symbol.attempt != newest)
    throw Fault("scan.not_newest", {{"symbol", symbol.str()}, {"newest", std::to_string(newest)}});
  if (state_of(db, symbol) == "applied") throw Fault("scan.already", {{"symbol", symbol.str()}});
  note(db, actor, symbol, "applied", bound_by);
  Entry entry = about_label(run, symbol);
  entry.add("bound_by", bound_by);
  db.journal(actor, "label.applied", entry);
}

void void_label(Transaction& db, const Actor& actor, const Run& run, const ControlSymbol& symbol,
                const std::string& reason) {
  must_exist(db, run, symbol);
  note(db, actor, symbol, "void", reason);
  Entry entry = about_label(run, symbol);
  entry.add("reason", reason);
  db.journal(actor, "label.void", entry);
}

}  // namespace mintmark::runs
