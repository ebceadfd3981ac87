#include "station/ledger/signers.hpp"

#include "station/ledger/escrow.hpp"
#include "station/words/crypto.hpp"
#include "tests/unit/ledger/station.hpp"

namespace mintmark {
namespace {

using test::alice;
using test::Station;

TEST(Signers, AreThoseOfBirthUntilTheyAreRotated) {
  Station station;
  station.write([&](Transaction& db) {
    EXPECT_EQ(signers::generation(db, "journal"), 1);
    EXPECT_EQ(signers::public_key(db, "journal", 1), station.birth.journal_key);
    EXPECT_FALSE(signers::public_key(db, "label", 1));
    EXPECT_EQ(signers::ca(db)->der, station.birth.ca);
    EXPECT_EQ(signers::add(db, alice(), "label", Bytes(32, 1)), 2);
    EXPECT_EQ(signers::add(db, alice(), "label", Bytes(32, 2)), 3);
    EXPECT_EQ(signers::public_key(db, "label", 2), Bytes(32, 1));
    EXPECT_EQ(signers::generation(db, "ca"), 1);
  });
  EXPECT_EQ(station.types().back(), "signer.new");
  EXPECT_NE(station.intrude("UPDATE signer SET public = x'00'"), "");
  EXPECT_NE(station.intrude("DELETE FROM signer"), "");
  EXPECT_NE(station.intrude("INSERT INTO signer VALUES ('label', 9, x'00', 0)"), "") << "a gap";
  station.reopen();
}

TEST(Signers, ARotatedCaWaitsForItsCertificateAndOldOnesStayInTheChain) {
  Station station;
  station.audits = false;  // one transaction goes on after what failed in it
  test::Ca second("Second"), root("Root");
  station.write([&](Transaction& db) {
    signers::add(db, alice(), "ca", Bytes(65, 4));
    EXPECT_FALSE(signers::ca(db)) << "the old certificate is not that of the new key";
    CaCertificate fresh;
    fresh.generation = 2;
    fresh.der = second.der();
    fresh.issuers = {root.der()};
    signers::install(db, alice(), fresh);
    auto now = signers::ca(db);
    ASSERT_TRUE(now);
    EXPECT_EQ(now->der, second.der());
    EXPECT_EQ(now->issuers, (std::vector<Bytes>{root.der()}));
    EXPECT_EQ(signers::ca_chain(db),
              (std::vector<Bytes>{second.der(), root.der(), station.birth.ca}));
    EXPECT_EQ(fault_of([&] { signers::install(db, alice(), fresh); }), "ledger.duplicate");
  });
}

TEST(Signers, ACheckpointOfAnOldKeyIsStillTheStations) {
  Station station;
  Checkpoint old = station.ledger->checkpoint_now(station.signer());
  test::Ed25519 fresh, stranger;
  station.write([&](Transaction& db) { signers::add(db, alice(), "journal", fresh.public_key()); });
  Checkpoint handed = station.ledger->checkpoint_now(station.signer());
  EXPECT_GT(handed.size, old.size) << "the old key signs what names the new one";
  station.write([&](Transaction& db) { note_request(db, alice()); });
  auto by = [](const test::Ed25519& key) {
    return mintmark::Signer([&key](View message) { return key.sign(message); });
  };
  EXPECT_EQ(fault_of([&] { station.ledger->checkpoint_now(by(stranger)); }),
            "checkpoint.bad_signature");
  Checkpoint now = station.ledger->checkpoint_now(by(fresh));
  auto key = parse_verifier_key(verifier_key(station.birth.station, fresh.public_key()));
  EXPECT_TRUE(open_checkpoint(now.note, *key));
  station.reopen();
  station.read([&](Reader& db) {
    EXPECT_TRUE(signers::opened(db, old.note));
    EXPECT_TRUE(signers::opened(db, now.note));
    EXPECT_TRUE(signers::knows(db, old.note));
    EXPECT_TRUE(signers::knows(db, now.note));
    // What no key of this ledger signed is not known, even where it has that very head: a key that
    // was made after the copy looks like this.
    std::string text = checkpoint_text(station.birth.station, now.size, now.root);
    std::string other = sign_note(station.birth.station, stranger.public_key(), text, by(stranger));
    EXPECT_FALSE(signers::knows(db, other));
    return 0;
  });
}

TEST(EscrowKeys, TheNewestIsSealedToAndNothingIsEverTakenBack) {
  Station station;
  station.write([&](Transaction& db) {
    EXPECT_FALSE(escrow::key(db));
    escrow::install(db, alice(), Bytes(91, 1));
    escrow::install(db, alice(), Bytes(91, 2));
    EXPECT_EQ(escrow::key(db)->spki, Bytes(91, 2));
    EXPECT_TRUE(escrow::of_serial(db, "SN-1").empty());
  });
  EXPECT_NE(station.intrude("DELETE FROM escrow_key"), "");
  EXPECT_NE(station.intrude(
                "INSERT OR REPLACE INTO escrow_key SELECT id, zeroblob(91), since FROM escrow_key",
                false),
            "");
}

}  // namespace
}  // namespace mintmark
