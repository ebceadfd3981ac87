// The ledger as a store: schema, guards, group commit, locks, full disks.
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <csignal>
#include <fstream>
#include <future>

#include "station.hpp"
#include "station/words/crypto.hpp"

namespace mintmark::test {

TEST(Schema, BothRoutesMakeTheSame) {
  sqlite::Database made(":memory:", sqlite::Database::Mode::memory);
  sqlite::Database migrated(":memory:", sqlite::Database::Mode::memory);
  schema::make(made);
  schema::migrate(migrated);
  EXPECT_GT(schema::describe(made).size(), 60u);
  EXPECT_EQ(schema::describe(made), schema::describe(migrated));
}

TEST(Schema, EveryTableIsStrictAndGuarded) {
  sqlite::Database db(":memory:", sqlite::Database::Mode::memory);
  schema::make(db);
  auto tables = db.query("SELECT name, sql FROM sqlite_schema WHERE type = 'table'");
  while (tables.step()) {
    auto name = tables.get<std::string>(0);
    EXPECT_TRUE(tables.get<std::string>(1).ends_with("STRICT")) << name;
    if (name == "run_seal") continue;  // the only one whose rows go
    auto guard =
        db.query("SELECT 1 FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ? AND name = ?",
                 name, name + "_no_delete");
    EXPECT_TRUE(guard.step()) << name;
  }
}

TEST(Ledger, IsBornOnceAndPrivate) {
  Station station;
  struct stat info {};
  ASSERT_EQ(::stat(station.path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_EQ(fault_of([&] { Ledger::create(station.path, station.birth); }), "ledger.exists");
  EXPECT_EQ(station.ledger->birth().station, station.birth.station);
  EXPECT_EQ(station.ledger->birth().journal_key, station.birth.journal_key);
  EXPECT_TRUE(station.ledger->birth().demo);
  auto entries = station.entries();
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0]["type"], "ledger.birth");
  EXPECT_EQ(fault_of([&] { Ledger missing(station.directory.path("none.db")); }), "ledger.missing");
}

TEST(Ledger, PragmasAreSetOnBothConnections) {
  Station station;
  auto look = [](Reader& db) {
    EXPECT_EQ(db.value<std::string>("PRAGMA journal_mode"), "wal");
    EXPECT_EQ(db.value<int>("PRAGMA synchronous"), 2);
    EXPECT_EQ(db.value<int>("PRAGMA foreign_keys"), 1);
    EXPECT_EQ(db.value<int>("PRAGMA recursive_triggers"), 1);
    EXPECT_EQ(db.value<int>("PRAGMA trusted_schema"), 0);
    EXPECT_EQ(db.value<int>("PRAGMA secure_delete"), 1);
  };
  station.read(look);
  station.write([&](Transaction& db) { look(db); });
  EXPECT_EQ(
      fault_of([&] { station.read([](Reader& db) { db.query("DELETE FROM run_seal").step(); }); }),
      "disk.failed");
}

TEST(Ledger, ASecondProcessIsRefused) {
  Station station;
  EXPECT_EQ(fault_of([&] { Ledger second(station.path); }), "ledger.locked");
  pid_t child = ::fork();
  if (child == 0) {
    ::_exit(fault_of([&] { Ledger second(station.path); }) == "ledger.locked" ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  station.reopen();  // and free again once the first has gone
}

TEST(Ledger, RefusesWhatItDidNotLeaveSo) {
  auto reopened = [](const std::string& sql) {
    Station station;
    station.audits = false;
    station.ledger->checkpoint_now(station.signer());
    station.ledger.reset();
    EXPECT_EQ(station.intrude(sql), "") << sql;
    try {
      station.reopen();
    } catch (const Fault& fault) {
      auto what = fault.args().find("what");
      return fault.code() + (what == fault.args().end() ? "" : " " + what->second);
    }
    return std::string("opened");
  };
  EXPECT_EQ(reopened("SELECT 1"), "opened");
  EXPECT_EQ(reopened("DROP TRIGGER fingerprint_no_delete"),
            "ledger.tampered trigger fingerprint_no_delete");
  EXPECT_EQ(reopened("CREATE TABLE extra (a)"), "ledger.tampered table extra");
  EXPECT_EQ(reopened("PRAGMA user_version=99"), "ledger.newer");
  EXPECT_EQ(reopened("PRAGMA application_id=1"), "ledger.tampered application id");
  auto without = [](const std::string& trigger, const std::string& definition,
                    const std::string& act) {
    return "DROP TRIGGER " + trigger + "; " + act + "; " + definition;
  };
  EXPECT_EQ(reopened(without("checkpoint_no_update",
                             "CREATE TRIGGER checkpoint_no_update BEFORE UPDATE ON checkpoint\n"
                             "BEGIN SELECT RAISE(ABORT, 'checkpoint: for ever'); END",
                             "UPDATE checkpoint SET frontier = zeroblob(32)")),
            "ledger.tampered checkpoint of size 1");
  EXPECT_EQ(reopened(without("journal_no_delete",
                             "CREATE TRIGGER journal_no_delete BEFORE DELETE ON journal\n"
                             "BEGIN SELECT RAISE(ABORT, 'journal: for ever'); END",
                             "DELETE FROM journal")),
            "ledger.tampered journal: entries are missing at the end");
  EXPECT_EQ(reopened("INSERT INTO journal (seq, type, bytes) VALUES (1, 'x', CAST('{}' AS BLOB))"),
            "ledger.tampered journal entry 1");
}

TEST(Ledger, AFileThatIsNoDatabaseIsTampered) {
  Directory directory;
  std::string path = directory.path("ledger.db");
  std::ofstream(path) << std::string(8192, 'x');
  EXPECT_EQ(fault_of([&] { Ledger ledger(path); }), "ledger.tampered");
}

TEST(Guards, AFingerprintStaysWhereItIs) {
  Station station;
  auto run = station.pass(station.open_lot(2), "aa01");
  ASSERT_EQ(run.ending, Ending::passed);
  station.write([](Transaction& db) {
    Person person;
    person.name = "bob";
    person.roles = {Role::op};
    people::add(db, alice(), person, random_digest());
  });
  for (bool recursive : {true, false}) {
    auto refused = [&](const std::string& sql) {
      EXPECT_NE(station.intrude(sql, recursive), "") << sql << " recursive " << recursive;
    };
    refused("UPDATE fingerprint SET unit = 99");
    refused("UPDATE OR REPLACE fingerprint SET scope = scope");
    refused("DELETE FROM fingerprint");
    refused("INSERT OR REPLACE INTO fingerprint SELECT * FROM fingerprint");
    refused(
        "INSERT OR REPLACE INTO fingerprint (scope, value, class, name, unit, run, at) SELECT "
        "scope, value, class, 'stolen', unit, run, at FROM fingerprint");
    refused(
        "INSERT INTO fingerprint (scope, value, class, name, unit, run, at) SELECT scope, value, "
        "class, 'stolen', unit, run, at FROM fingerprint WHERE true ON CONFLICT (scope, value) DO "
        "UPDATE SET name = 'stolen'");
    refused("INSERT OR REPLACE INTO admission SELECT * FROM admission");
    refused("INSERT OR REPLACE INTO journal SELECT * FROM journal");
    refused("INSERT OR REPLACE INTO unit SELECT * FROM unit");
    refused("INSERT OR REPLACE INTO run SELECT * FROM run");
    refused("INSERT OR REPLACE INTO lot SELECT * FROM lot");
    refused("INSERT OR REPLACE INTO certificate SELECT * FROM certificate");
    refused("INSERT OR REPLACE INTO label_attempt SELECT * FROM label_attempt");
    refused("INSERT OR REPLACE INTO orders SELECT * FROM orders");
    refused("INSERT OR REPLACE INTO birth SELECT * FROM birth");
    refused("UPDATE run SET ending = NULL");
    refused("UPDATE run SET slot = 'x'");
    refused("UPDATE lot SET iv = iv - 1");
    refused("UPDATE lot SET admitted = 0");
    refused("UPDATE lot SET serial_position = 0");
    refused("UPDATE journal SET bytes = zeroblob(9)");
    refused("UPDATE orders SET kind = 'trial'");
    refused("UPDATE label_attempt SET attempt = 9");
    refused("UPDATE certificate SET serial = 'X'");
    refused("UPDATE admission SET serial = 'X'");
    refused("UPDATE birth SET demo = 0");
    refused("DELETE FROM journal");
    refused("DELETE FROM admission");
    refused("DELETE FROM label_event");
    refused("DELETE FROM run");
    refused("DELETE FROM lot");
    refused("DELETE FROM person");
    refused(
        "INSERT INTO fingerprint (scope, value, class, name, unit, run, at) VALUES ('x', "
        "zeroblob(32), 'c', 'n', 1, 'r', 't')");
    refused("INSERT INTO journal (seq, type, bytes) VALUES (9999, 'x', zeroblob(4))");
  }
  auto names = station.read([](Reader& db) {
    return db.value<int>("SELECT count(*) FROM fingerprint WHERE name = 'stolen'");
  });
  EXPECT_EQ(names, 0);
}

static void audit(Transaction& db, const std::string& nonce) { note_nonce(db, self(), nonce); }

// Of every connection of this process that is made from now on.
static std::atomic<int> commits = 0;
static int count_commits(sqlite3* db, char** /*error*/, const sqlite3_api_routines* /*api*/) {
  sqlite3_commit_hook(
      db, [](void*) { return ++commits, 0; }, nullptr);
  return SQLITE_OK;
}

// What waits while the writer is at work shares the next commit, and each is told after it.
TEST(GroupCommit, WhoWaitsTogetherSharesACommit) {
  auto hook = reinterpret_cast<void (*)()>(&count_commits);
  sqlite3_auto_extension(hook);
  Station station;
  sqlite3_cancel_auto_extension(hook);
  asio::io_context loop;
  std::promise<void> all_wait;
  std::future<void> go = all_wait.get_future();
  int told = 0;
  auto hold = [&]() -> Task<void> {
    auto work = [&](Transaction& db) {
      audit(db, "first");
      go.wait();
    };
    co_await station.ledger->transact(work);
  };
  auto one = [&](int number) -> Task<void> {
    auto work = [number](Transaction& db) { audit(db, "n" + std::to_string(number)); };
    co_await station.ledger->transact(work);
    EXPECT_GE(commits, 1);
    ++told;
  };
  commits = 0;
  asio::co_spawn(loop, hold(), asio::detached);
  for (int i = 0; i < 63; ++i) asio::co_spawn(loop, one(i), asio::detached);
  asio::post(loop, [&] { all_wait.set_value(); });
  loop.run();
  EXPECT_EQ(told, 63);
  EXPECT_EQ(station.entries().size(), 65u);
  EXPECT_LE(commits, 2) << "64 changes";
  EXPECT_GE(commits, 1);
}

TEST(GroupCommit, OneFailureUndoesOnlyItself) {
  Station station;
  asio::io_context loop;
  int good = 0, bad = 0;
  auto home = std::this_thread::get_id();
  auto one = [&](int number) -> Task<void> {
    auto work = [number](Transaction& db) {
      audit(db, "n" + std::to_string(number));
      if (number % 7 == 3) throw Fault("test.failed");
      return number;
    };
    try {
      int answer = co_await station.ledger->transact(work);
      EXPECT_EQ(answer, number);
      ++good;
    } catch (const Fault& fault) {
      EXPECT_EQ(fault.code(), "test.failed");
      ++bad;
    }
    EXPECT_EQ(std::this_thread::get_id(), home);
  };
  for (int i = 0; i < 200; ++i) asio::co_spawn(loop, one(i), asio::detached);
  loop.run();
  EXPECT_EQ(good, 171);
  EXPECT_EQ(bad, 29);
  auto entries = station.entries();
  ASSERT_EQ(entries.size(), 172u);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    EXPECT_EQ(entries[i]["seq"], i);
    std::string nonce = entries[i].value("nonce", "n0");
    EXPECT_NE(std::stoi(nonce.substr(1)) % 7, 3) << nonce;
  }
  station.reopen();  // the tree of memory and that of the disk are one
  EXPECT_EQ(station.ledger->checkpoint_now(station.signer()).size, 172u);
}

TEST(GroupCommit, ReadsSeeWhatIsCommittedAndMoveOnlyClosuresWork) {
  Station station;
  asio::io_context loop;
  auto scene = [&]() -> Task<void> {
    auto moved = std::make_unique<std::string>("nonce");
    auto work = [moved = std::move(moved)](Transaction& db) { audit(db, *moved); };
    co_await station.ledger->transact(std::move(work));
    auto size = co_await station.ledger->read(&journal_size);
    EXPECT_EQ(size, 2u);
    Signer signer = station.signer();
    Checkpoint checkpoint = co_await station.ledger->checkpoint(std::move(signer));
    EXPECT_EQ(checkpoint.size, 2u);
  };
  bool failed = false;
  asio::co_spawn(loop, scene(), [&](std::exception_ptr error) { failed = error != nullptr; });
  loop.run();
  EXPECT_FALSE(failed);
}

TEST(Ledger, WhatWasCommittedOutlivesAKill) {
  Station station;
  station.ledger.reset();
  int pipe_ends[2];
  ASSERT_EQ(::pipe(pipe_ends), 0);
  pid_t child = ::fork();
  if (child == 0) {
    Ledger ledger(station.path);
    for (int i = 0; i < 50; ++i) {
      ledger.transact_now([&](Transaction& db) { audit(db, "k" + std::to_string(i)); });
      if (::write(pipe_ends[1], "x", 1) != 1) ::_exit(2);
    }
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  char told[64];
  ASSERT_EQ(::read(pipe_ends[0], told, sizeof told), 50);
  ::close(pipe_ends[0]);
  ::close(pipe_ends[1]);
  station.reopen();
  EXPECT_EQ(station.entries().size(), 51u);
}

TEST(FullDisk, InAStatementNothingIsHalfDone) {
  Station station;
  std::string lot = station.open_lot(5);
  auto pages = station.read([](Reader& db) { return db.value<int>("PRAGMA page_count"); });
  station.write(
      [&](Transaction& db) { db.exec("PRAGMA max_page_count=" + std::to_string(*pages + 2)); });
  auto before = station.entries().size();
  auto fill = [&](Transaction& db) {
    for (int i = 0; i < 500; ++i) audit(db, std::string(100, 'a'));
  };
  EXPECT_EQ(fault_of([&] { station.write(fill); }), "disk.full");
  EXPECT_EQ(station.entries().size(), before);
  station.write([&](Transaction& db) { db.exec("PRAGMA max_page_count=100000"); });
  station.write(fill);
  EXPECT_EQ(station.entries().size(), before + 500);
  station.reopen();
}

TEST(FullDisk, AtTheCommitEveryCallerIsTold) {
  Station station;
  std::string lot = station.open_lot(5);
  auto before = station.entries().size();
  // A limit on the size of files stands in for the disk: the write-ahead log cannot grow.
  std::signal(SIGXFSZ, SIG_IGN);
  struct rlimit old {};
  ::getrlimit(RLIMIT_FSIZE, &old);
  struct stat wal {};
  ASSERT_EQ(::stat((station.path + "-wal").c_str(), &wal), 0);
  struct rlimit tight = old;
  tight.rlim_cur = static_cast<rlim_t>(wal.st_size);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
  std::string code = fault_of([&] {
    station.write([&](Transaction& db) {
      for (int i = 0; i < 50; ++i) audit(db, std::string(100, 'b'));
    });
  });
  ::setrlimit(RLIMIT_FSIZE, &old);
  EXPECT_EQ(code, "disk.full");
  EXPECT_EQ(station.entries().size(), before);
  auto run = station.begin(lot, "aa01");  // and it goes on where there is room again
  EXPECT_EQ(run.next, Step::reserve);
  station.reopen();
  EXPECT_EQ(station.entries().size(), before + 1);
}

}  // namespace mintmark::test
