// Rows that were changed behind the station's back, one by one: each start names the first.
#include <sqlite3.h>

#include <atomic>
#include <ctime>
#include <fstream>
#include <thread>

#include "station.hpp"
#include "station/ledger/acts.hpp"
#include "station/ledger/audit.hpp"
#include "station/ledger/backup.hpp"
#include "station/ledger/escrow.hpp"
#include "station/ledger/recovery.hpp"
#include "station/ledger/returns.hpp"
#include "station/ledger/signers.hpp"
#include "station/words/clock.hpp"
#include "station/words/crypto.hpp"

namespace mintmark::test {
namespace {

using mintmark::Run;

std::string what_of(const Fault& fault) {
  auto it = fault.args().find("what");
  return fault.code() + (it == fault.args().end() ? "" : " " + it->second);
}

std::string opening(const std::string& path) {
  try {
    Ledger ledger(path);
  } catch (const Fault& fault) {
    return what_of(fault);
  }
  return "opened";
}

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

// A ledger in which something of every kind has happened.
struct Rich {
  Rich() {
    appoint();
    lot = station.open_lot(20, 2);
    mintmark::Run first = station.pass(lot, "aa01");
    station.pass(lot, "aa02");
    station.write([&](Transaction& db) {
      runs::quarantine_unit(db, self(), HardwareId("emmc-cid", "aa02"), "s1", "hwid.cannot_sign");
    });
    act("unit.release", "emmc-cid:aa02", &returns::release);
    mintmark::Run open = station.enrolled(lot, "aa03");
    station.write([&](Transaction& db) {
      runs::burn_decoy(db, open, "password", 0, random_digest());
      runs::void_label(db, alice(), first, ControlSymbol(first.serial, "device", 1), "torn");
      runs::record_second_certificate(db, open, "matter", {0x30, 0x00});
      signers::add(db, alice(), "label", Bytes(32, 7));
      escrow::install(db, alice(), Bytes(91, 4));
      lots::stop_issuing(db, self(), "rng.broken", "stuck");
    });
    station.ledger->checkpoint_now(station.signer());
  }
  void appoint() {
    station.write([&](Transaction& db) {
      Person lena;
      lena.name = "lena";
      lena.roles = {Role::lead};
      lena.uid = 1001;
      people::add(db, alice(), lena, random_digest());
    });
    station.appoint({"olga", "oscar"});
  }
  template <class Work>
  void act(const std::string& kind, const std::string& subject, Work work) {
    station.write([&](Transaction& db) {
      Act asked;
      asked.id = uuid7();
      asked.kind = kind;
      asked.subject = subject;
      asked.reason = "seen to be good";
      acts::propose(db, "olga", asked);
      work(db, Actor("oscar"), acts::confirm(db, "oscar", asked.id, "done"));
    });
  }
  Station station;
  std::string lot;
};

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

// --- an older copy

struct OlderCopy : testing::Test {
  Station station;
  std::string copy = station.directory.path("copy.db");
  void put_back() {
    station.ledger.reset();
    for (const char* suffix : {"-wal", "-shm"}) std::filesystem::remove(station.path + suffix);
    std::filesystem::copy_file(copy, station.path,
                               std::filesystem::copy_options::overwrite_existing);
  }
};

TEST_F(OlderCopy, IsFoundByTheHeadBesideIt) {
  back_up(station.path, copy);
  station.write([](Transaction& db) { note_request(db, alice()); });
  station.audits = false;
  put_back();
  EXPECT_EQ(opening(station.path), "ledger.rolled_back");
  // And one that has gone on by itself: it is longer now, and another.
  std::filesystem::rename(station.path + ".head", station.path + ".away");
  {
    Ledger fork(station.path);
    for (int i = 0; i < 3; ++i)
      fork.transact_now([](Transaction& db) { note_request(db, Actor("bob")); });
  }
  std::filesystem::rename(station.path + ".away", station.path + ".head");
  EXPECT_EQ(opening(station.path), "ledger.rolled_back");
}

TEST_F(OlderCopy, TheSameOneIsNot) {
  station.write([](Transaction& db) { note_request(db, alice()); });
  back_up(station.path, copy);
  put_back();
  EXPECT_EQ(opening(station.path), "opened");
}

TEST_F(OlderCopy, AHeadThatIsGoneIsMissedOnceTheJournalKnowsOfIt) {
  station.ledger.reset();
  std::filesystem::remove(station.path + ".head");
  station.reopen();
  station.write([](Transaction& db) { note_anchor(db, "file"); });
  station.ledger.reset();
  std::filesystem::remove(station.path + ".head");
  EXPECT_EQ(opening(station.path), "ledger.anchor_missing");
  std::ofstream(station.path + ".head") << "mintmark-head-1 x";
  EXPECT_EQ(opening(station.path), "ledger.anchor_unreadable");
  station.audits = false;
}

TEST_F(OlderCopy, ACheckpointElsewhereIsAskedFor) {
  Checkpoint old = station.ledger->checkpoint_now(station.signer());
  back_up(station.path, copy);
  station.write([](Transaction& db) { note_request(db, alice()); });
  Checkpoint lost = station.ledger->checkpoint_now(station.signer());
  std::filesystem::remove(station.path + ".head");
  put_back();
  station.ledger = std::make_unique<Ledger>(station.path);
  auto asked = [&](const Checkpoint& one) {
    return fault_of(
        [&] { station.read([&](Reader& db) { must_contain(db, Head(one.size, one.root)); }); });
  };
  EXPECT_EQ(asked(old), "");
  EXPECT_EQ(asked(lost), "ledger.rolled_back");
  EXPECT_TRUE(station.ledger->contains(Head(old.size, old.root)));
  EXPECT_FALSE(station.ledger->contains(Head(lost.size, lost.root)));
  auto knows = [&](const Checkpoint& one) {
    return station.read([&](Reader& db) { return signers::knows(db, one.note); });
  };
  EXPECT_TRUE(knows(old));
  EXPECT_FALSE(knows(lost));
  // Grown past it on another branch, the ledger knows it no better.
  for (int i = 0; i < 3; ++i) station.write([](Transaction& db) { note_request(db, alice()); });
  EXPECT_GT(station.ledger->checkpoint_now(station.signer()).size, lost.size);
  EXPECT_FALSE(knows(lost));
  // The owner's next order names what he has seen.
  Json order = station.order_json(3, 0);
  order["owner_checkpoint"] = lost.note;
  EXPECT_EQ(fault_of([&] { station.open_lot(station.order(order)); }), "order.checkpoint_unknown");
  order["owner_checkpoint"] = old.note;
  EXPECT_EQ(fault_of([&] { station.open_lot(station.order(order)); }), "");
}

TEST_F(OlderCopy, AnAnchorIsNeverNewerThanTheLedger) {
  std::vector<std::uint64_t> kept;
  station.ledger->anchor_by([&](const Checkpoint& checkpoint) {
    std::string size = std::to_string(checkpoint.size);
    EXPECT_EQ(station.intrude("SELECT 1 FROM checkpoint WHERE size = " + size), "");
    kept.push_back(checkpoint.size);
  });
  station.write([](Transaction& db) { note_request(db, alice()); });
  station.ledger->checkpoint_now(station.signer());
  station.ledger->checkpoint_now(station.signer());
  station.write([](Transaction& db) { note_request(db, alice()); });
  station.ledger->checkpoint_now(station.signer());
  EXPECT_EQ(kept, (std::vector<std::uint64_t>{2, 2, 3}));
  station.ledger->anchor_by([](const Checkpoint&) { throw Fault("token.away"); });
  station.write([](Transaction& db) { note_request(db, alice()); });
  EXPECT_EQ(fault_of([&] { station.ledger->checkpoint_now(station.signer()); }), "token.away");
  EXPECT_EQ(fault_of([&] { station.ledger->keep_owed(); }), "token.away");
}

TEST(Anchor, WhatTheTokenHadNoRoomForIsOwedToIt) {
  Station station;
  std::vector<std::uint64_t> kept;
  bool full = true;
  station.ledger->anchor_by([&](const Checkpoint& checkpoint) {
    if (full) throw Fault("token.full");
    kept.push_back(checkpoint.size);
  });
  auto sign = [&] { return fault_of([&] { station.ledger->checkpoint_now(station.signer()); }); };
  EXPECT_EQ(sign(), "token.full");
  station.write([](Transaction& db) { note_request(db, alice()); });
  EXPECT_EQ(sign(), "token.full");
  EXPECT_EQ(fault_of([&] { station.ledger->keep_owed(); }), "token.full");
  full = false;
  station.ledger->keep_owed();
  station.ledger->keep_owed();
  EXPECT_EQ(kept, std::vector<std::uint64_t>{2}) << "the newest, once";
}

TEST(OpenFilesTest, OneThatIsGoneOrAnotherStopsEveryCommit) {
  for (const char* how : {"delete", "replace", "write into", "delete the log"}) {
    Station station;
    station.audits = false;
    std::string copy = station.directory.path("copy.db");
    back_up(station.path, copy);
    auto commit = [&] {
      return fault_of([&] { station.write([](Transaction& db) { note_request(db, alice()); }); });
    };
    EXPECT_EQ(commit(), "") << how;
    if (how == std::string("delete")) std::filesystem::remove(station.path);
    if (how == std::string("replace")) std::filesystem::rename(copy, station.path);
    if (how == std::string("write into"))
      std::filesystem::copy_file(copy, station.path,
                                 std::filesystem::copy_options::overwrite_existing);
    if (how == std::string("delete the log")) std::filesystem::remove(station.path + "-wal");
    EXPECT_EQ(commit(), "ledger.replaced") << how;
    EXPECT_EQ(commit(), "ledger.replaced") << how << ": for good";
  }
}

// --- backup and recovery

TEST(Backup, IsWholeWhileTheLedgerIsWrittenTo) {
  Station station;
  std::string lot = station.open_lot(40);
  std::atomic<bool> over = false;
  std::thread line([&] {
    for (int i = 0; i < 12; ++i) station.pass(lot, "bb" + std::to_string(10 + i));
    over = true;
  });
  int copies = 0;
  while (!over) {
    std::string copy = station.directory.path("copy" + std::to_string(++copies));
    EXPECT_GT(back_up(station.path, copy).entries, 0u);
  }
  line.join();
  EXPECT_GT(copies, 1);
  std::string last = station.directory.path("last");
  station.ledger->checkpoint_now(station.signer());
  std::uint64_t size = station.read([](Reader& db) { return journal_size(db); });
  EXPECT_EQ(back_up(station.path, last).entries, size);
  EXPECT_EQ(audit_file(last).entries, size);
  EXPECT_EQ(read_checkpoint(newest_note(last))->size, size);
  EXPECT_EQ(fault_of([&] { back_up(station.path, last); }), "ledger.exists");
}

struct RecoveryTest : testing::Test {
  Rich rich;
  Station& station = rich.station;
  std::string copy = station.directory.path("copy.db"), out = station.directory.path("export");

  void export_journal() {
    std::filesystem::create_directory(out);
    std::ofstream lines(out + "/journal.jsonl");
    Checkpoint head = station.ledger->checkpoint_now(station.signer());
    for (const Json& entry : station.entries()) lines << entry.dump() << "\n";
    std::ofstream(out + "/checkpoint") << head.note;
  }
  // A run that is open and has a secret.
  mintmark::Run minted(const std::string& hw) {
    station.write([](Transaction& db) {
      db.exec("UPDATE station_state SET stop_code = ''");
      db.journal(self(), "station.resume", {{"code", "rng.broken"}});
    });
    mintmark::Run run = station.step(station.enrolled(rich.lot, hw));
    Credential secret = password();
    return station.write([&](Transaction& db) {
      secret.iv = runs::next_iv(db, rich.lot);
      return runs::mint(db, run, random_bytes(16), {secret}, 3);
    });
  }
  int count(const std::string& what) {
    return station.read([&](Reader& db) { return *db.value<int>("SELECT count(*) FROM " + what); });
  }
  void put_back() {
    station.ledger.reset();
    for (const char* suffix : {"-wal", "-shm", ".head"})
      std::filesystem::remove(station.path + suffix);
    std::filesystem::copy_file(copy, station.path,
                               std::filesystem::copy_options::overwrite_existing);
    station.ledger = std::make_unique<Ledger>(station.path, Ledger::Opening::restored);
  }
  std::string recover_by(const std::string& first, const std::string& second, bool journal) {
    return fault_of([&] {
      station.write([&](Transaction& db) {
        Recovery recovery;
        recovery.act = uuid7();
        recovery.reason = "the disk broke";
        recovery.first = first;
        recovery.second = second;
        if (journal) recovery.part = read_lost_part(db, db.tree(), out);
        recover(db, recovery);
      });
    });
  }
};

TEST_F(RecoveryTest, EndsWhatItCannotKnow) {
  mintmark::Run open = minted("aa04");
  back_up(station.path, copy);
  put_back();
  EXPECT_EQ(recover_by("olga", "olga", false), "act.same_person");
  EXPECT_EQ(recover_by("olga", "lena", false), "act.officer");
  std::string burnt = "burn b JOIN fingerprint f ON f.id = b.fingerprint WHERE f.run = '" +
                      open.id +
                      "' AND f.class = 'password' AND b.reason = 'ledger.recovered' AND "
                      "b.actor = 'oscar'";
  EXPECT_EQ(count("run_seal"), 1);
  EXPECT_EQ(count(burnt), 0);
  ASSERT_EQ(recover_by("olga", "oscar", false), "");
  station.ledger->settle();
  station.reopen();
  auto lot = station.read([&](Reader& db) { return lots::get(db, rich.lot); });
  EXPECT_EQ(lot.state, "closed");
  EXPECT_EQ(lot.open_runs, 0);
  EXPECT_EQ(station.read([](Reader& db) { return runs::open_runs(db).size(); }), 0u);
  EXPECT_EQ(count("run_seal"), 0);
  EXPECT_EQ(count(burnt), 1) << "it may be out there";
  // What the closed lot had left may be out there.
  Json order = station.order_json(3, 0);
  EXPECT_EQ(fault_of([&] { station.open_lot(station.order(order)); }), "order.serials_spent");
  order["serials"] = Json::array({Json{{"first", "SN-000201"}, {"last", "SN-000210"}}});
  EXPECT_EQ(fault_of([&] { station.open_lot(station.order(order)); }), "");
}

TEST_F(RecoveryTest, TakesFromTheLostJournalWhatWasGivenOut) {
  back_up(station.path, copy);
  station.write([](Transaction& db) { db.exec("UPDATE station_state SET stop_code = ''"); });
  station.write([](Transaction& db) {
    db.journal(self(), "station.resume", {{"code", "rng.broken"}});
  });
  mintmark::Run lost = station.pass(rich.lot, "cc01");
  Json order = station.order_json(3, 0);
  order["product"]["number"] = 8;
  order["serials"] = Json::array({Json{{"first", "ZZ-01"}, {"last", "ZZ-05"}}});
  std::string lost_lot = station.open_lot(station.order(order));
  mintmark::Run other = station.pass(lost_lot, "cc02");
  ASSERT_EQ(other.serial, "ZZ-01");
  auto prints = station.read([](Reader& db) {
    std::vector<Digest> found;
    auto row = db.query("SELECT value FROM fingerprint WHERE class = 'password'");
    while (row.step()) found.push_back(row.get<Digest>(0));
    return found;
  });
  export_journal();
  put_back();
  ASSERT_EQ(recover_by("olga", "oscar", true), "");
  int once = count("spent");
  ASSERT_EQ(recover_by("olga", "oscar", true), "") << "stopped after its commit, and done again";
  EXPECT_EQ(count("spent"), once);
  station.ledger->settle();
  station.reopen();
  auto standing =
      station.read([](Reader& db) { return runs::standing(db, HardwareId("emmc-cid", "cc01")); });
  EXPECT_TRUE(standing.quarantined);
  EXPECT_EQ(fault_of([&] { station.open_lot(station.order(order)); }), "order.used");
  order["order"] = uuid7();
  std::string lot = station.open_lot(station.order(order));
  station.write([](Transaction& db) { db.exec("UPDATE station_state SET stop_code = ''"); });
  mintmark::Run run = station.begin(lot, "dd01");
  run = station.write([&](Transaction& db) { return runs::admit(db, run); });
  EXPECT_EQ(run.serial, "ZZ-02") << "ZZ-01 is another unit's";
  for (const Digest& print : prints) {
    Credential again = password();
    again.fingerprint = print;
    EXPECT_EQ(fault_of([&] {
                station.write([&](Transaction& db) {
                  return runs::mint(db, run, random_bytes(16), {again}, 3);
                });
              }),
              "rng.duplicate");
  }
  station.audits = false;  // stop_code was put out by hand
}

TEST_F(RecoveryTest, TakesNoJournalButItsOwn) {
  back_up(station.path, copy);
  export_journal();
  put_back();
  EXPECT_EQ(recover_by("olga", "oscar", true), "recovery.journal") << "it is not newer";
  station.write([](Transaction& db) { note_request(db, alice()); });
  export_journal();
  std::string lines = out + "/journal.jsonl";
  std::string text;
  {
    std::ifstream file(lines);
    text.assign(std::istreambuf_iterator<char>(file), {});
  }
  put_back();
  std::ofstream(lines) << text.substr(0, text.size() / 2);
  EXPECT_EQ(recover_by("olga", "oscar", true), "recovery.journal") << "cut off";
  auto stuck = text.find("torn");
  std::ofstream(lines) << text.replace(stuck, 4, "born");
  EXPECT_EQ(recover_by("olga", "oscar", true), "recovery.journal") << "changed";
}

// --- the clock

TEST(ClockDoubt, IsSaidBeforeALotIsOpened) {
  auto now = static_cast<std::int64_t>(std::time(nullptr));
  constexpr std::int64_t kYear = 366 * 86400LL;
  EXPECT_EQ(clock_doubt(now, utc(now), now), "");
  EXPECT_EQ(clock_doubt(now, utc(now + 60), now + 60), "") << "a little is nobody's fault";
  EXPECT_NE(clock_doubt(7, "", 0), "") << "no battery";
  EXPECT_NE(clock_doubt(now + 30 * kYear, "", 0), "");
  EXPECT_NE(clock_doubt(now, utc(now + 7200), 0), "");
  EXPECT_NE(clock_doubt(now, "", now + 2 * 86400), "");
  Station station;
  Json order = station.order_json(3, 0);
  order["order"] = "7fffffff-ffff-7000-8000-000000000000";  // of the year 6429
  EXPECT_EQ(fault_of([&] { station.open_lot(station.order(order)); }), "clock.wrong");
}

}  // namespace
}  // namespace mintmark::test
