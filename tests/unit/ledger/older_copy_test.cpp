// A ledger that was put back, or taken away: what is kept apart from it tells.
#include <fstream>

#include "rich.hpp"
#include "station/ledger/backup.hpp"
#include "station/ledger/signers.hpp"

namespace mintmark::test {
namespace {

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

TEST_F(OlderCopy, AHeadThatTheDiskDoesNotGiveIsTheDisksFault) {
  station.ledger.reset();
  std::filesystem::remove(station.path + ".head");
  std::filesystem::create_directory(station.path + ".head");  // opens, and cannot be read
  EXPECT_EQ(opening(station.path), "disk.failed");
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

}  // namespace
}  // namespace mintmark::test
