// Backups, and how a station goes on from one: what it cannot know is burnt.
#include <atomic>
#include <fstream>
#include <thread>

#include "rich.hpp"
#include "station/ledger/backup.hpp"
#include "station/ledger/recovery.hpp"

namespace mintmark::test {
namespace {

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

}  // namespace
}  // namespace mintmark::test
