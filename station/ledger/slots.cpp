// Sampling of the reset check, and slots that pause themselves.

#include "station/ledger/rows.hpp"
#include "station/words/clock.hpp"

namespace mintmark::runs {

static constexpr int kStreakPauses = 3;  // FORMATS: three units in a row with one ending and code

std::vector<std::string> history(Reader& db, const std::string& run) {
  std::vector<std::string> out;
  auto row = db.query("SELECT bytes FROM journal WHERE run = ? ORDER BY seq", run);
  while (row.step()) {
    Bytes bytes = row.get<Bytes>(0);
    out.emplace_back(text(bytes));
  }
  return out;
}

// The journal entry of the lot's last good check; -1 before the first.
static std::int64_t last_good(Reader& db, const std::string& lot) {
  return db
      .value<std::int64_t>(
          "SELECT coalesce(max(reset_seq), -1) FROM run WHERE lot = ? AND "
          "reset_check = 'proven' AND reset_seq IS NOT NULL",
          lot)
      .value_or(-1);
}

Sampling sampling(Reader& db, const Run& run) {
  Sampling out;
  std::int64_t good = last_good(db, run.lot);
  out.first_of_lot = good < 0;
  out.first_of_firmware = !db.exists(
      "SELECT 1 FROM run r JOIN lot l ON l.id = r.lot WHERE r.firmware = ? AND r.reset_check = "
      "'proven' AND r.reset_seq IS NOT NULL AND l.product_number = "
      "(SELECT product_number FROM lot WHERE id = ?) LIMIT 1",
      run.firmware, run.lot);
  out.since_last_good = db.value<int>(
                              "SELECT count(*) FROM run WHERE lot = ? AND reset_check = "
                              "'not_proven' AND reset_seq > ?",
                              run.lot, good)
                            .value_or(0);
  return out;
}

// Passed, or on their way to it: nobody has seen these reset since the last one that did.
static std::vector<Run> unchecked(Reader& db, const std::string& lot) {
  std::vector<Run> out;
  auto row = db.query(
      rows::run_query("WHERE r.lot = ? AND r.reset_check = 'not_proven' AND r.reset_seq > ? AND "
                      "(r.ending IS NULL OR r.ending = 'passed') AND u.quarantined = 0 "
                      "ORDER BY r.reset_seq"),
      lot, last_good(db, lot));
  while (row.step()) out.push_back(rows::run(row));
  return out;
}

int hold_since_last_good(Transaction& db, const Actor& actor, const Run& run) {
  static constexpr std::string_view kCode = "reset.sample_held";
  std::vector<Run> held = unchecked(db, run.lot);
  for (const Run& one : held) {
    db.exec("UPDATE unit SET quarantined = 1, quarantine_code = ? WHERE id = ?", kCode, one.unit);
    Entry entry = rows::about(one);
    entry.add("code", kCode);
    entry.add("because_of", run.id);
    db.journal(actor, "unit.hold", entry);
  }
  return static_cast<int>(held.size());
}

SlotState slot_state(Reader& db, const std::string& slot) {
  SlotState out;
  out.name = slot;
  auto row = db.query("SELECT paused, code, streak FROM slot WHERE name = ?", slot);
  if (!row.step()) return out;
  out.paused = row.get<bool>(0);
  out.code = row.get<std::string>(1);
  out.streak = row.get<int>(2);
  return out;
}

static void make_slot(Transaction& db, const std::string& slot) {
  if (!db.exists("SELECT 1 FROM slot WHERE name = ?", slot))
    db.exec("INSERT INTO slot (name) VALUES (?)", slot);
}

SlotState note_ending(Transaction& db, const Actor& actor, const std::string& slot, Ending ending,
                      const std::string& code) {
  make_slot(db, slot);
  // A pass ends every streak; the right-hand sides see the row as it was.
  db.exec(
      "UPDATE slot SET streak = CASE WHEN ?1 = 'passed' THEN 0 WHEN ending = ?1 AND code = ?2 "
      "THEN streak + 1 ELSE 1 END, ending = ?1, code = ?2 WHERE name = ?3 AND paused = 0",
      word(ending), code, slot);
  SlotState now = slot_state(db, slot);
  if (now.paused || now.streak < kStreakPauses) return now;
  db.exec("UPDATE slot SET paused = 1 WHERE name = ?", slot);
  Json entry = {{"slot", slot}, {"ending", word(ending)}, {"code", code}, {"streak", now.streak}};
  db.journal(actor, "slot.pause", entry);
  return slot_state(db, slot);
}

void resume_slot(Transaction& db, const Actor& actor, const std::string& slot) {
  db.exec(
      "UPDATE slot SET paused = 0, code = '', ending = '', streak = 0 WHERE name = ? AND paused = "
      "1",
      slot);
  if (db.changes() == 0) return;
  db.journal(actor, "slot.resume", {{"slot", slot}});
}

}  // namespace mintmark::runs
