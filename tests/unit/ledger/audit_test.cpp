// Rows that were changed behind the station's back, one by one: each start names the first.
#include <sqlite3.h>

#include "rich.hpp"
#include "station/ledger/audit.hpp"
#include "station/ledger/backup.hpp"

namespace mintmark::test {
namespace {

// Past every guard: the triggers are taken away and put back.
void tamper(const Station& station, const std::string& sql) {
  sqlite3* db = nullptr;
  sqlite3_open(station.path.c_str(), &db);
  std::string drop, make;
  auto take = [](void* out, int, char** cells, char**) {
    auto* pair = static_cast<std::pair<std::string*, std::string*>*>(out);
    *pair->first += std::string("DROP TRIGGER ") + cells[0] + ";";
    *pair->second += std::string(cells[1]) + ";";
    return 0;
  };
  std::pair<std::string*, std::string*> both(&drop, &make);
  sqlite3_exec(db, "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'", take, &both,
               nullptr);
  std::string all =
      "PRAGMA synchronous=OFF; PRAGMA foreign_keys=OFF; PRAGMA ignore_check_constraints=ON; "
      "BEGIN;" +
      drop + sql + ";" + make + "COMMIT;";
  char* message = nullptr;
  EXPECT_EQ(sqlite3_exec(db, all.c_str(), nullptr, nullptr, &message), SQLITE_OK)
      << sql << ": " << (message != nullptr ? message : "");
  sqlite3_free(message);
  sqlite3_close(db);
}

TEST(Audit, NamesTheRowThatWasChanged) {
  Rich rich;
  Station& s = rich.station;
  s.audits = false;
  s.ledger.reset();
  ASSERT_EQ(opening(s.path), "opened");
  std::string kept = s.directory.path("kept.db");
  back_up(s.path, kept);
  const std::pair<const char*, const char*> changes[] = {
      {"DELETE FROM fingerprint WHERE id = 1", "fingerprint "},
      {"UPDATE fingerprint SET value = zeroblob(32) WHERE id = 2", "fingerprint "},
      {"UPDATE fingerprint SET unit = 2 WHERE id = 2", "fingerprint "},
      {"UPDATE fingerprint SET scope = 7 WHERE id = 2", "fingerprint "},
      {"INSERT INTO fingerprint (scope, value, class, name, unit, run, at) SELECT 9, value, class, "
       "name, unit, run, at FROM fingerprint WHERE id = 2",
       "fingerprint row "},
      {"DELETE FROM burn WHERE reason = 'decoy'", "burn "},
      {"INSERT INTO burn SELECT id, 'x', 'x', 'x' FROM fingerprint WHERE id NOT IN (SELECT "
       "fingerprint FROM burn) LIMIT 1",
       "burn row "},
      {"UPDATE lot SET quantity = 2000", "lot "},
      {"UPDATE lot SET spares = 200", "lot "},
      {"UPDATE lot SET admitted = 0", "lot "},
      {"UPDATE lot SET state = 'paused'", "lot "},
      {"UPDATE lot SET iv = 0", "lot "},
      {"UPDATE lot SET seal_key = 'mine'", "lot "},
      {"UPDATE lot SET product_toml = 'name = \"Other\"'", "lot "},
      {"UPDATE orders SET bytes = CAST(replace(CAST(bytes AS TEXT), '\"spares\": 2', '\"spares\": "
       "9') AS "
       "BLOB)",
       "orders "},
      {"UPDATE orders SET kind = 'trial'", "orders "},
      {"UPDATE lot_template SET zpl = '^XA^FDx^XZ'", "lot_template "},
      {"UPDATE pool SET first = 'SN-100001'", "pool "},
      {"INSERT INTO pool SELECT lot, kind, 1000, 'XX-1', 5 FROM pool", "pool row "},
      {"UPDATE admission SET serial = 'SN-000199' WHERE id = 1", "admission "},
      {"DELETE FROM admission WHERE id = 2", "admission "},
      {"UPDATE unit SET quarantined = 1 WHERE hw = 'aa01'", "unit "},
      {"UPDATE unit SET mints = 0", "unit "},
      {"UPDATE unit SET hw = 'aa0f' WHERE hw = 'aa01'", "unit "},
      {"DELETE FROM unit WHERE hw = 'aa03'", "unit "},
      {"UPDATE run SET next = 'done' WHERE ending IS NULL", "run "},
      {"UPDATE run SET ending = 'passed' WHERE ending IS NULL", "run "},
      {"UPDATE run SET ending = 'rework' WHERE ending = 'passed'", "run "},
      {"UPDATE run SET reset_check = 'not_proven'", "run "},
      {"UPDATE run SET offered = 0", "run "},
      {"DELETE FROM run WHERE ending IS NULL", "run "},
      {"UPDATE identity_key SET spki = zeroblob(91) WHERE fingerprint = 1", "identity_key "},
      {"UPDATE certificate SET der = zeroblob(9)", "certificate "},
      {"DELETE FROM certificate", "certificate "},
      {"DELETE FROM second_certificate", "second_certificate "},
      {"DELETE FROM denied", "denied "},
      {"UPDATE denied SET reason = 'superseded'", "denied "},
      {"DELETE FROM label_attempt WHERE serial = 'SN-000002'", "label_attempt "},
      {"DELETE FROM label_event WHERE event = 'void'", "label_event "},
      {"UPDATE person SET roles = '[\"lead\",\"officer\"]' WHERE name = 'lena'", "person lena"},
      {"UPDATE person SET uid = 1002 WHERE name = 'olga'", "person "},
      {"UPDATE person SET token = zeroblob(32) WHERE name = 'olga'", "person olga"},
      {"INSERT INTO person (name, roles, created_by, created_at) VALUES ('eve', '[]', '', '')",
       "person eve"},
      {"UPDATE roster SET solo = 1", "roster "},
      {"UPDATE act SET confirmed_by = 'olga', solo = 1", "act "},
      {"UPDATE act SET arguments = '{\"new_key\":true}'", "act "},
      {"UPDATE release SET ended_at = 'x'", "release"},
      {"UPDATE release SET unit = 1", "release "},
      {"UPDATE signer SET public = zeroblob(32)", "signer "},
      {"UPDATE escrow_key SET spki = zeroblob(91)", "escrow_key "},
      {"UPDATE station_state SET stop_code = ''", "station_state"},
      {"INSERT INTO slot (name, paused) VALUES ('s9', 1)", "slot"},
      {"UPDATE birth SET owner_key = zeroblob(32)", "birth "},
      {"UPDATE birth SET demo = 0", "birth "},
      {"UPDATE journal SET type = 'other' WHERE type = 'decoy.burn'", "journal entry "},
      {"UPDATE journal SET run = NULL WHERE type = 'decoy.burn'", "journal entry "},
      {"UPDATE journal SET bytes = CAST(replace(CAST(bytes AS TEXT), 'stuck', 'stack') AS BLOB)",
       "checkpoint of"},
      {"DELETE FROM checkpoint", "opened"},
  };
  for (const auto& [sql, row] : changes) {
    std::filesystem::copy_file(kept, s.path, std::filesystem::copy_options::overwrite_existing);
    std::filesystem::remove(s.path + ".head");
    tamper(s, sql);
    std::string said = opening(s.path);
    std::string wanted = std::string(row) == "opened" ? row : std::string("ledger.tampered ") + row;
    EXPECT_TRUE(said.starts_with(wanted)) << sql << "\n  says " << said;
  }
}

TEST(Audit, AnEarlierHourChangesNothing) {
  Station station;
  std::uint64_t seq = station.read([](Reader& db) { return journal_size(db); });
  std::string entry = R"({"seq":)" + std::to_string(seq) + R"(,"station":")" +
                      station.birth.station +
                      R"(","at":"1970-01-01T00:00:07.000Z","mono":7,"boot":"b","actor":"alice",)" +
                      R"("type":"checkpoint.request"})";
  station.ledger.reset();
  ASSERT_EQ(
      station.intrude("INSERT INTO journal (seq, type, bytes) VALUES (" + std::to_string(seq) +
                      ", 'checkpoint.request', CAST('" + entry + "' AS BLOB))"),
      "");
  station.reopen();
  station.open_lot(3);  // the clock is right again
  EXPECT_EQ(station.ledger->checkpoint_now(station.signer()).size, seq + 3);
}

}  // namespace
}  // namespace mintmark::test
