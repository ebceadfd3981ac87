#include "station/ledger/runs.hpp"

#include "station/ledger/rows.hpp"
#include "station/words/clock.hpp"
#include "station/words/crypto.hpp"

namespace mintmark {

Bytes Run::id_bytes() const { return uuid_bytes(id); }

namespace rows {

static constexpr std::string_view kRun =
    "SELECT r.id, r.lot, r.slot, u.source, u.hw, r.serial, r.firmware, r.model, r.next, "
    "r.interrupted, r.attempts, r.spki, r.nonce, r.offered, r.ending, r.code, r.begun, r.unit "
    "FROM run r JOIN unit u ON u.id = r.unit ";

std::string run_query(std::string_view rest) { return std::string(kRun) + std::string(rest); }

Run run(const sqlite::Statement& row) {
  Run out;
  out.id = row.get<std::string>(0);
  out.lot = row.get<std::string>(1);
  out.slot = row.get<std::string>(2);
  out.hardware_id = HardwareId(row.get<std::string>(3), row.get<std::string>(4));
  out.serial = row.get<std::string>(5);
  out.firmware = row.get<std::string>(6);
  out.model = row.get<std::string>(7);
  out.next = step_from(row.get<std::string>(8)).value_or(Step::reserve);
  out.interrupted = row.get<bool>(9);
  out.attempts = row.get<int>(10);
  out.spki = row.get<Bytes>(11);
  out.nonce = row.get<Bytes>(12);
  out.offered = row.get<bool>(13);
  out.ending = ending_from(row.get<std::string>(14));
  out.code = row.get<std::string>(15);
  out.begun = row.get<bool>(16);
  out.unit = row.get<std::int64_t>(17);
  return out;
}

std::optional<std::int64_t> find_unit(Reader& db, const HardwareId& hardware_id) {
  return db.value<std::int64_t>("SELECT id FROM unit WHERE source = ? AND hw = ?",
                                hardware_id.source, hardware_id.id);
}

std::int64_t make_unit(Transaction& db, const HardwareId& hardware_id) {
  if (auto known = find_unit(db, hardware_id)) return *known;
  db.exec("INSERT INTO unit (source, hw, first_seen) VALUES (?, ?, ?)", hardware_id.source,
          hardware_id.id, utc_now());
  return db.last_id();
}

static Entry hardware(const HardwareId& id) {
  Entry out;
  out.add("source", id.source).add("id", id.id);
  return out;
}

Entry about(const Run& run) {
  Entry out;
  out.add("run", run.id).add("lot", run.lot);
  if (!run.serial.empty()) out.add("serial", run.serial);
  out.add("hw", hardware(run.hardware_id)).add("slot", run.slot);
  return out;
}

Entry about(Reader& db, const HardwareId& hardware_id) {
  Entry out;
  auto serial = db.value<std::string>(
      "SELECT a.serial FROM admission a JOIN unit u ON u.id = a.unit WHERE u.source = ? AND "
      "u.hw = ? ORDER BY a.id DESC LIMIT 1",
      hardware_id.source, hardware_id.id);
  if (serial) out.add("serial", *serial);
  out.add("hw", hardware(hardware_id));
  return out;
}

Json args(const Fault::Args& values) {
  Json out = Json::object();
  for (const auto& [key, value] : values) out[key] = value;
  return out;
}

void must_change(Transaction& db, const Run& run) {
  if (db.changes() != 1) throw Fault("run.moved", {{"run", run.id}});
}

void must_be_open(Reader& db, const Run& run) {
  if (!db.exists("SELECT 1 FROM run WHERE id = ? AND ending IS NULL", run.id))
    throw Fault("run.moved", {{"run", run.id}});
}

}  // namespace rows

namespace runs {

static std::optional<Run> find(Reader& db, std::string_view rest, std::int64_t unit) {
  auto row = db.query(rows::run_query(rest), unit);
  if (!row.step()) return std::nullopt;
  return rows::run(row);
}

Standing standing(Reader& db, const HardwareId& hardware_id) {
  Standing out;
  auto unit = rows::find_unit(db, hardware_id);
  if (!unit) return out;
  out.open = find(db, "WHERE r.unit = ? AND r.ending IS NULL", *unit);
  out.last = find(db,
                  "WHERE r.unit = ? AND r.ending IS NOT NULL ORDER BY r.ended_at DESC, r.id DESC "
                  "LIMIT 1",
                  *unit);
  out.quarantined =
      db.value<bool>("SELECT quarantined FROM unit WHERE id = ?", *unit).value_or(false);
  out.spki = db.value<Bytes>(
                   "SELECT spki FROM identity_key WHERE unit = ? "
                   "ORDER BY fingerprint DESC LIMIT 1",
                   *unit)
                 .value_or(Bytes{});
  out.may_return = rows::may_return(db, *unit);
  out.retired = rows::is_retired(db, *unit);
  out.serial = db.value<std::string>(
                     "SELECT serial FROM admission WHERE unit = ? ORDER BY id DESC LIMIT 1", *unit)
                   .value_or("");
  return out;
}

Run get(Reader& db, const std::string& run) {
  auto row = db.query(rows::run_query("WHERE r.id = ?"), run);
  if (!row.step()) throw Fault("run.unknown", {{"run", run}});
  return rows::run(row);
}

std::vector<Run> open_runs(Reader& db) {
  std::vector<Run> out;
  auto row = db.query(rows::run_query("WHERE r.ending IS NULL ORDER BY r.begun_at, r.id"));
  while (row.step()) out.push_back(rows::run(row));
  return out;
}

std::vector<Run> list(Reader& db, const std::string& lot, const std::string& after, int limit) {
  std::vector<Run> out;
  auto row = db.query(rows::run_query("WHERE r.lot = ? AND r.id > ? ORDER BY r.id LIMIT ?"), lot,
                      after, limit);
  while (row.step()) out.push_back(rows::run(row));
  return out;
}

std::optional<Run> by_serial(Reader& db, const std::string& serial) {
  auto row = db.query(
      rows::run_query("WHERE r.serial = ? ORDER BY r.begun_at DESC, r.id DESC LIMIT 1"), serial);
  if (!row.step()) return std::nullopt;
  return rows::run(row);
}

// A lot that takes units, on a station that may issue.
static void must_take_units(Reader& db, const std::string& lot) {
  if (auto code = db.value<std::string>("SELECT stop_code FROM station_state"); !code->empty())
    throw Fault("station.stopped", {{"code", *code}});
  auto row = db.query("SELECT state, pause_code FROM lot WHERE id = ?", lot);
  if (!row.step()) throw Fault("lot.unknown", {{"lot", lot}});
  if (row.get<std::string>(0) == "closed") throw Fault("lot.closed", {{"lot", lot}});
  if (row.get<std::string>(0) == "paused")
    throw Fault("lot.paused", {{"lot", lot}, {"code", row.get<std::string>(1)}});
}

Run begin(Transaction& db, const Actor& actor, const std::string& run, const std::string& lot,
          const std::string& slot, const HardwareId& hardware_id, const std::string& model,
          const std::string& firmware, const Json& facts) {
  must_take_units(db, lot);
  std::int64_t unit = rows::make_unit(db, hardware_id);
  if (db.exists("SELECT 1 FROM run WHERE unit = ? AND ending IS NULL", unit))
    throw Fault("hwid.two_slots", {{"hwid", hardware_id.id}, {"slot", slot}});
  if (db.exists("SELECT 1 FROM unit WHERE id = ? AND quarantined = 1", unit))
    throw Fault("unit.quarantined", {{"hwid", hardware_id.id}});
  if (rows::is_retired(db, unit)) throw Fault("unit.retired", {{"serial", hardware_id.id}});
  db.exec(
      "INSERT INTO run (id, lot, unit, slot, model, firmware, next, begun_at) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      run, lot, unit, slot, model, firmware, word(Step::reserve), utc_now());
  Run out = get(db, run);
  Entry entry = rows::about(out);
  entry.add("model", model);
  entry.add("firmware", firmware);
  entry.add("facts", facts);
  db.journal(actor, "run.begin", entry);
  return out;
}

Run resume(Transaction& db, const Actor& actor, Run run, const std::string& slot) {
  db.exec("UPDATE run SET slot = ?, interrupted = begun WHERE id = ? AND ending IS NULL", slot,
          run.id);
  rows::must_change(db, run);
  run = get(db, run.id);
  Entry entry = rows::about(run);
  entry.add("step", word(run.next));
  entry.add("interrupted", run.interrupted);
  db.journal(actor, "run.resume", entry);
  return run;
}

static void journal_begin(Transaction& db, const Actor& actor, const Run& run) {
  Entry entry = rows::about(run);
  entry.add("step", word(run.next));
  db.journal(actor, "step.begin", entry);
}

Run intend(Transaction& db, const Actor& actor, const Run& run) {
  db.exec("UPDATE run SET begun = 1 WHERE id = ? AND next = ? AND ending IS NULL", run.id,
          word(run.next));
  rows::must_change(db, run);
  journal_begin(db, actor, run);
  return get(db, run.id);
}

static constexpr std::string_view kResults[] = {"proven", "not_proven", "failed"};

static std::string_view result_of(const Evidence& evidence) {
  return kResults[static_cast<std::size_t>(evidence.result)];
}

static std::uint64_t journal_evidence(Transaction& db, const Actor& actor, const Run& run,
                                      const Evidence& evidence) {
  Entry entry = rows::about(run);
  entry.add("step", word(run.next));
  entry.add("result", result_of(evidence));
  if (!evidence.reason.empty()) entry.add("reason", evidence.reason);
  entry.add("facts", evidence.facts);
  return db.journal(actor, "step.end", entry);
}

static void add_unproven(Transaction& db, const Run& run, const Evidence& evidence) {
  std::string note(word(run.next));
  if (!evidence.reason.empty()) note += ":" + evidence.reason;
  db.exec(
      "UPDATE run SET unproven = CASE unproven WHEN '' THEN ?1 ELSE unproven || ' ' || ?1 END "
      "WHERE id = ?2",
      note, run.id);
}

// Where the run still sits in the slot of which the caller read, without asking the ledger for it:
// that would take as long again, at each step of each unit.
static bool goes_on_here(Transaction& db, const Run& run, Step next, bool begun) {
  db.exec(
      "UPDATE run SET begun = ?, interrupted = 0, next = ? WHERE id = ? AND slot = ? AND next = ? "
      "AND ending IS NULL",
      begun, word(next), run.id, run.slot, word(run.next));
  return db.changes() == 1;
}

// A unit that waits for its label may have been met in another slot since the caller read its run.
static Run go_on(Transaction& db, Run run, Step next, bool begun) {
  if (!goes_on_here(db, run, next, begun)) {
    run.slot = db.value<std::string>("SELECT slot FROM run WHERE id = ?", run.id).value_or("");
    if (!goes_on_here(db, run, next, begun)) throw Fault("run.moved", {{"run", run.id}});
  }
  run.next = next;
  run.begun = begun;
  run.interrupted = false;
  return run;
}

// `begins`: that the step which is next now begins is part of the same change.
static Run end_step(Transaction& db, const Actor& actor, Run run, const Evidence& evidence,
                    bool begins) {
  std::uint64_t seq = journal_evidence(db, actor, run, evidence);
  Step next = evidence.result == StepResult::failed ? run.next : after(run.next);
  begins = begins && next != Step::done;
  if (evidence.result == StepResult::not_proven) add_unproven(db, run, evidence);
  if (run.next == Step::reset_check)
    db.exec("UPDATE run SET reset_check = ?, reset_seq = ? WHERE id = ?", result_of(evidence), seq,
            run.id);
  run = go_on(db, std::move(run), next, begins);
  if (begins) journal_begin(db, actor, run);
  return run;
}

Run complete(Transaction& db, const Actor& actor, const Run& run, const Evidence& evidence) {
  return end_step(db, actor, run, evidence, false);
}

Run step_on(Transaction& db, const Actor& actor, Run run, const Evidence& evidence) {
  return end_step(db, actor, std::move(run), evidence, true);
}

Run go_back(Transaction& db, const Actor& actor, const Run& run, Step to,
            const std::string& reason) {
  if (to > run.next) throw Fault("run.moved", {{"run", run.id}});
  db.exec(
      "UPDATE run SET begun = 0, interrupted = 0, next = ? WHERE id = ? AND next = ? AND ending IS "
      "NULL",
      word(to), run.id, word(run.next));
  rows::must_change(db, run);
  Entry entry = rows::about(run);
  entry.add("from", word(run.next));
  entry.add("to", word(to));
  entry.add("reason", reason);
  db.journal(actor, "run.back", entry);
  return get(db, run.id);
}

static void quarantine(Transaction& db, std::int64_t unit, const std::string& code) {
  db.exec("UPDATE unit SET quarantined = 1, quarantine_code = ? WHERE id = ? AND quarantined = 0",
          code, unit);
}

Run end(Transaction& db, const Actor& actor, Run run, Ending ending, const std::string& code,
        const Fault::Args& args) {
  std::int64_t unit = run.unit;
  // A unit that was held meanwhile does not pass.
  if (ending == Ending::passed &&
      db.exists("SELECT 1 FROM unit WHERE id = ? AND quarantined = 1", unit))
    throw Fault("unit.quarantined", {{"hwid", run.hardware_id.id}});
  if (ending != Ending::passed) run = burn(db, actor, run, code);
  // A wrapped identity key that its unit has not got yet is still needed: it exists nowhere else.
  db.exec(
      "DELETE FROM run_seal WHERE run = ? AND (? OR fingerprint NOT IN "
      "(SELECT fingerprint FROM identity_key))",
      run.id, ending == Ending::quarantine || ending == Ending::passed);
  db.exec(
      "UPDATE run SET ending = ?, code = ?, args = ?, begun = 0, ended_at = ? "
      "WHERE id = ? AND ending IS NULL",
      word(ending), code, compact(rows::args(args)), utc_now(), run.id);
  rows::must_change(db, run);
  if (ending == Ending::quarantine) {
    quarantine(db, unit, code);
    rows::deny_unit(db, actor, unit, code);
  }
  if (ending == Ending::passed)
    db.exec("UPDATE release SET ended_at = ? WHERE unit = ? AND ended_at = ''", utc_now(), unit);
  Entry entry = rows::about(run);
  entry.add("ending", word(ending));
  entry.add("code", code);
  entry.add("args", rows::args(args));
  db.journal(actor, "run.end", entry);
  return get(db, run.id);
}

Run fail_contact(Transaction& db, const Actor& actor, Run run, const std::string& code,
                 const Fault::Args& args, int max_attempts) {
  db.exec("UPDATE run SET attempts = attempts + 1 WHERE id = ? AND ending IS NULL", run.id);
  rows::must_change(db, run);
  run = get(db, run.id);
  Entry entry = rows::about(run);
  entry.add("code", code);
  entry.add("args", rows::args(args));
  entry.add("attempt", run.attempts);
  db.journal(actor, "run.contact", entry);
  if (run.attempts < max_attempts) return run;
  Fault::Args spent{{"attempts", std::to_string(run.attempts)}, {"last", code}};
  return end(db, actor, run, Ending::rework, "attempts.exhausted", spent);
}

void note_visit(Transaction& db, const Actor& actor, const std::string& slot,
                const HardwareId& hardware_id, const std::string& code, const Fault::Args& args) {
  Entry entry = rows::about(db, hardware_id);
  entry.add("slot", slot);
  entry.add("code", code);
  entry.add("args", rows::args(args));
  db.journal(actor, "unit.visit", entry);
}

void quarantine_unit(Transaction& db, const Actor& actor, const HardwareId& hardware_id,
                     const std::string& slot, const std::string& code) {
  std::int64_t unit = rows::make_unit(db, hardware_id);
  quarantine(db, unit, code);
  rows::burn_unit(db, actor, unit, code);
  rows::deny_unit(db, actor, unit, code);
  Entry entry = rows::about(db, hardware_id);
  entry.add("slot", slot);
  entry.add("code", code);
  db.journal(actor, "unit.quarantine", entry);
}

}  // namespace runs
}  // namespace mintmark
