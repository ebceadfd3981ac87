// Exports, and the verifier against everything that may be done to one.
#include <fstream>
#include <iterator>

#include "station.hpp"
#include "station/export/export.hpp"
#include "station/export/verify.hpp"
#include "station/ledger/returns.hpp"
#include "station/ledger/signers.hpp"
#include "station/words/crypto.hpp"

namespace mintmark::test {

using exports::VerifyReport;
namespace fs = std::filesystem;

struct ExportTest : testing::Test {
  Station station;
  std::string lot = station.open_lot(5, 1);
  std::string out = station.directory.path("export");
  std::string vkey = verifier_key(station.birth.station, station.birth.journal_key);
  std::vector<const Ca*> later;  // that the CA was rotated to

  ExportTest() {
    station.pass(lot, "aa01");
    station.pass(lot, "aa02", StepResult::not_proven);
    auto run = station.begin(lot, "aa03");
    run = station.write([&](Transaction& db) { return runs::admit(db, run); });
    station.write([&](Transaction& db) {
      runs::end(db, self(), run, Ending::rework, "unit.wrong_model", {{"model", "=cmd|' /C'!A0"}});
    });
    run = station.begin(lot, "aa03");
    station.write([&](Transaction& db) { return runs::admit(db, run); });
    station.write([&](Transaction& db) {
      runs::quarantine_unit(db, self(), HardwareId("emmc-cid", "aa02"), "s1", "hwid.cannot_sign");
    });
  }
  std::string denial_list(Reader& db, std::uint64_t size) const {
    std::vector<Bytes> denied;
    for (const auto& one : returns::denied(db, size)) denied.push_back(one.certificate);
    std::string lists = station.ca.denial_list(denied, size);
    for (const Ca* one : later) lists += one->denial_list({}, size);
    return lists;
  }
  Checkpoint write() {
    return station.ledger->checkpoint_now(
        station.signer(), [&](Reader& db, const Checkpoint& checkpoint) {
          exports::write(db, station.birth, checkpoint, denial_list(db, checkpoint.size), out);
        });
  }
  std::string slurp(const std::string& name) const {
    std::ifstream in(fs::path(out) / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void spit(const std::string& name, const std::string& bytes) const {
    std::ofstream(fs::path(out) / name, std::ios::binary) << bytes;
  }
  void edit(const std::string& name, const std::string& from, const std::string& to) const {
    std::string bytes = slurp(name);
    auto at = bytes.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    spit(name, bytes.replace(at, from.size(), to));
  }
  std::vector<std::string> lines() const {
    std::vector<std::string> all;
    std::ifstream in(fs::path(out) / "journal.jsonl");
    for (std::string line; std::getline(in, line);) all.push_back(line);
    return all;
  }
  void put(const std::vector<std::string>& all) const {
    std::string bytes;
    for (const std::string& line : all) bytes += line + "\n";
    spit("journal.jsonl", bytes);
  }
  // Signs whatever the journal file says now: what the factory itself could do.
  void sign_again() const {
    Tree tree;
    for (const std::string& line : lines()) tree.append(view(line));
    std::string text = checkpoint_text(station.birth.station, tree.size(), tree.root());
    spit("checkpoint",
         sign_note(station.birth.station, station.birth.journal_key, text, station.signer()));
  }
  VerifyReport verify(const exports::VerifyOptions& options = {}) const {
    return exports::verify_export(out, vkey, options);
  }
  // True if a finding has all of these words.
  static bool found(const VerifyReport& report, const std::string& words) {
    for (const std::string& finding : report.findings)
      if (finding.find(words) != std::string::npos) return true;
    for (const std::string& finding : report.findings) ADD_FAILURE() << finding;
    return false;
  }
};

// Rotation, and the export of a station that has rotated.
struct Rotated : ExportTest {
  Ed25519 second;
  std::string first_note;

  void rotate(bool by_the_old_key) {
    first_note = station.ledger->checkpoint_now(station.signer()).note;
    station.write(
        [&](Transaction& db) { signers::add(db, alice(), "journal", second.public_key()); });
    if (by_the_old_key) station.ledger->checkpoint_now(station.signer());
    station.write([&](Transaction& db) { note_request(db, alice()); });
    station.ledger->checkpoint_now([&](View message) { return second.sign(message); },
                                   [&](Reader& db, const Checkpoint& checkpoint) {
                                     exports::write(db, station.birth, checkpoint,
                                                    denial_list(db, checkpoint.size), out);
                                   });
  }
  std::string second_vkey() const {
    return verifier_key(station.birth.station, second.public_key());
  }
};

TEST_F(Rotated, WhoTrustsEitherKeyVerifies) {
  rotate(true);
  EXPECT_EQ(slurp("checkpoint.vkey"), second_vkey() + "\n");
  for (const std::string& key : {vkey, second_vkey()})
    for (const auto& earlier : {std::optional<std::string>(), std::optional(first_note)}) {
      exports::VerifyOptions options;
      options.earlier_checkpoint = earlier;
      VerifyReport report = exports::verify_export(out, key, options);
      for (const std::string& finding : report.findings) ADD_FAILURE() << finding;
    }
  Ed25519 stranger;
  std::string other = verifier_key(station.birth.station, stranger.public_key());
  EXPECT_TRUE(found(exports::verify_export(out, other), "born with another journal key"));
}

TEST_F(Rotated, ANewKeyThatTheOldOneDidNotHandOverIsNotTrusted) {
  rotate(false);
  EXPECT_TRUE(found(verify(), "was not handed over"));
  EXPECT_TRUE(exports::verify_export(out, second_vkey()).ok()) << "its own holder needs no more";
}

TEST_F(Rotated, AHandoverIsOfThisJournalAndByTheOldKey) {
  rotate(true);
  std::string notes = slurp("handovers.json");
  fs::remove(fs::path(out) / "handovers.json");
  EXPECT_TRUE(found(verify(), "was not handed over"));
  spit("handovers.json", Json::array({slurp("checkpoint")}).dump());
  EXPECT_TRUE(found(verify(), "was not handed over")) << "signed by the new key itself";
  spit("handovers.json", Json::array({first_note}).dump());
  EXPECT_TRUE(found(verify(), "was not handed over")) << "covers nothing of the new key";
  for (const char* junk : {"", "[", "[7]", "{}", "[[[]]]"}) {
    spit("handovers.json", junk);
    EXPECT_TRUE(found(verify(), "was not handed over")) << junk;
  }
  spit("handovers.json", notes);
  EXPECT_TRUE(verify().ok());
}

static void rotate_ca(Station& station, const Ca& second) {
  station.write([&](Transaction& db) {
    signers::add(db, alice(), "ca", Bytes(65, 4));
    CaCertificate fresh;
    fresh.generation = 2;
    fresh.der = second.der();
    signers::install(db, alice(), fresh);
  });
}

TEST_F(Rotated, HandoversOfAnyDepthAreNone) {
  rotate(true);
  spit("handovers.json", std::string(1'000'000, '[') + std::string(1'000'000, ']'));
  EXPECT_TRUE(found(exports::verify_export(out, vkey), "was not handed over"));
}

TEST_F(ExportTest, EachCaSpeaksForWhatItIssued) {
  Ca second("Second");
  rotate_ca(station, second);
  later = {&second};
  write();
  EXPECT_TRUE(verify().ok());
  std::uint64_t size = station.read([](Reader& db) { return journal_size(db); });
  std::vector<Bytes> denied;
  for (const auto& one : station.read([&](Reader& db) { return returns::denied(db, size); }))
    denied.push_back(one.certificate);
  spit("denied.crl", station.ca.denial_list(denied, size));
  EXPECT_TRUE(found(verify(), "no list of the CA certificate " + hex(sha256(second.der()))));
  spit("denied.crl", station.ca.denial_list({}, size) + second.denial_list(denied, size));
  EXPECT_TRUE(found(verify(), "certs/SN-000002.pem is not in the list of the CA that issued it"));
  spit("denied.crl", second.denial_list({}, size) + station.ca.denial_list(denied, size));
  EXPECT_TRUE(verify().ok()) << "in any order";
}

TEST_F(ExportTest, TheChainHoldsWhatTheJournalKnowsAndNothingElse) {
  Ca second("Second"), stranger("Stranger");
  rotate_ca(station, second);
  later = {&second};
  write();
  EXPECT_TRUE(verify().ok()) << "certificates of the old CA still chain";
  std::string good = slurp("ca-chain.pem");
  spit("ca-chain.pem", good + exports::pem(stranger.der()));
  EXPECT_TRUE(found(verify(), "does not know the CA certificate"));
  spit("ca-chain.pem", exports::pem(second.der()));
  EXPECT_TRUE(found(verify(), "is missing"));
  spit("ca-chain.pem", exports::pem(station.birth.ca) + exports::pem(second.der()));
  EXPECT_TRUE(found(verify(), "not the CA certificate in force"));
  spit("ca-chain.pem", "");
  EXPECT_TRUE(found(verify(), "is missing"));
}

TEST_F(ExportTest, AGoodExportVerifies) {
  Checkpoint checkpoint = write();
  VerifyReport report = verify();
  for (const std::string& finding : report.findings) ADD_FAILURE() << finding;
  EXPECT_EQ(report.entries, checkpoint.size);
  EXPECT_EQ(report.checkpoint_size, checkpoint.size);
  EXPECT_EQ(report.units, 3u);
  EXPECT_EQ(report.passed, 1u);
  EXPECT_EQ(report.certificates, 2u);
  EXPECT_EQ(report.fingerprints, 4u);
  EXPECT_TRUE(report.demo);
  auto rows = exports::parse_csv(slurp("units.csv"));
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows[0].size(), 24u);
  EXPECT_EQ(rows[1][23], "random");
  EXPECT_EQ(rows[1][9], "passed");
  EXPECT_EQ(rows[2][9], "quarantine");
  EXPECT_EQ(rows[2][10], "hwid.cannot_sign");
  EXPECT_EQ(rows[3][9], "open");
  EXPECT_EQ(rows[1][11], "proven");
  EXPECT_EQ(rows[2][12], "reset_check:sampled");
  EXPECT_EQ(rows[1][13].size(), 64u);
  EXPECT_EQ(rows[1][14].size(), 64u);
  EXPECT_EQ(rows[1][15], "password:0:" + rows[1][14]);
  EXPECT_EQ(rows[2][14], "");  // burnt
  EXPECT_EQ(rows[2][15], "");
  write();  // and over itself
  EXPECT_TRUE(verify().ok());
}

TEST_F(ExportTest, DerivedPasswordsAreSaidToBe) {
  auto run = station.begin(lot, "aa04");
  run = station.write([&](Transaction& db) { return runs::admit(db, run); });
  Credential derived = password();
  derived.derived_at = 0;
  station.write([&](Transaction& db) {
    runs::next_iv(db, run.lot);
    runs::mint(db, run, Bytes(16), {derived}, 3);
  });
  write();
  auto rows = exports::parse_csv(slurp("units.csv"));
  EXPECT_EQ(rows.back()[23], "keyed");
  EXPECT_TRUE(verify().ok());
  EXPECT_EQ(verify().keyed, 1u);
  edit("units.csv", ",keyed", ",random");
  EXPECT_TRUE(found(verify(), "is said to be \"random\", the journal says \"keyed\""));
  edit("units.csv", ",random", ",");
  EXPECT_TRUE(found(verify(), "is said to be \"\", the journal says \"random\""));
  write();
  edit("units.csv", ",derivation", ",dervation");
  EXPECT_TRUE(found(verify(), "is said to be \"\", the journal says \"keyed\""));
}

TEST_F(ExportTest, ActsAreByTwoWhoCompared) {
  station.audits = false;  // nobody did what is journalled here
  auto confirmed = [&](const Json& entry) {
    station.write([&](Transaction& db) { db.journal(Actor("oscar"), "act.confirm", entry); });
    write();
    return verify();
  };
  Json act = {{"kind", "hsm.clone"},   {"subject", "0123-4567-89ab-cdef"},
              {"proposed_by", "olga"}, {"confirmed_by", "oscar"},
              {"solo", false},         {"check", "0123-4567-89ab-cdef"}};
  EXPECT_TRUE(confirmed(act).ok());
  act["confirmed_by"] = "olga";
  act["solo"] = true;
  EXPECT_TRUE(confirmed(act).ok());
  act["solo"] = false;
  EXPECT_TRUE(found(confirmed(act), "hsm.clone was not done by two officers"));
  act["confirmed_by"] = "oscar";
  for (const char* kind : {"hsm.clone", "escrow.install"}) {
    act["kind"] = kind;
    act["check"] = "0000-4567-89ab-cdef";
    std::string said = std::string(kind) + ": the second officer did not give";
    std::size_t before = verify().findings.size();
    EXPECT_TRUE(found(confirmed(act), said));
    EXPECT_EQ(verify().findings.size(), before + 1);
  }
}

TEST_F(ExportTest, AnyByteOfTheJournalCounts) {
  write();
  std::string bytes = slurp("journal.jsonl");
  for (std::size_t i = 7; i < bytes.size(); i += bytes.size() / 23) {
    std::string bad = bytes;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    spit("journal.jsonl", bad);
    EXPECT_FALSE(verify().ok()) << i;
  }
}

TEST_F(ExportTest, RemovalReorderingTruncationAddition) {
  write();
  auto good = lines();
  auto changed = [&](const std::function<void(std::vector<std::string>&)>& act) {
    auto all = good;
    act(all);
    put(all);
    return verify();
  };
  EXPECT_TRUE(found(changed([](auto& all) { all.erase(all.begin() + 4); }), "some were removed"));
  EXPECT_TRUE(found(changed([](auto& all) { std::swap(all[4], all[5]); }), "entry 4 (line 5)"));
  EXPECT_TRUE(found(changed([](auto& all) { all.pop_back(); }), "some were removed"));
  EXPECT_TRUE(found(changed([](auto& all) { all.push_back(all.back()); }), "not covered"));
  spit("journal.jsonl", slurp("journal.jsonl").substr(0, 900));
  EXPECT_TRUE(found(verify(), "last line has no end"));
}

// Whoever wrote the files: a value of any depth would be copied and printed by recursion.
TEST_F(ExportTest, NoDepthOfNestingIsTooMuch) {
  write();
  std::vector<std::string> good = lines();
  std::string deep = std::string(1'000'000, '[') + std::string(1'000'000, ']');
  for (const char* field : {"journal_key", "seq", "station", "type", "hw"}) {
    for (std::size_t at : {std::size_t{0}, good.size() - 1}) {
      std::vector<std::string> all = good;
      std::string begins = "{\"" + std::string(field) + "\":";
      all[at] = begins + deep + "}";
      put(all);
      EXPECT_TRUE(found(verify(), "entry " + std::to_string(at) + " "));
      all[at] = begins + std::string(30'000, '[') + std::string(30'000, ']') + "}";
      put(all);
      EXPECT_TRUE(found(verify(), "not a journal entry"));
    }
  }
}

TEST_F(ExportTest, AnotherStationAnotherKey) {
  write();
  Ed25519 stranger;
  std::string foreign = verifier_key(station.birth.station, stranger.public_key());
  EXPECT_TRUE(found(exports::verify_export(out, foreign), "signature"));
  EXPECT_TRUE(found(exports::verify_export(out, "x"), "verifier key"));
  Station other;
  Checkpoint theirs = other.ledger->checkpoint_now(other.signer());
  spit("checkpoint", theirs.note);
  EXPECT_TRUE(found(verify(), "signature"));
  std::string their_key = verifier_key(other.birth.station, other.birth.journal_key);
  EXPECT_TRUE(found(exports::verify_export(out, their_key), "another station"));
}

TEST_F(ExportTest, AForkOrARollbackShowsToWhoHoldsAnEarlierCheckpoint) {
  exports::VerifyOptions options;
  options.earlier_checkpoint = write().note;
  auto full = lines();
  station.write([](Transaction& db) { note_nonce(db, alice(), "auditor-1"); });
  write();
  EXPECT_TRUE(verify(options).ok());
  options.nonce = "auditor-1";
  EXPECT_TRUE(verify(options).ok());
  options.nonce = "auditor-2";
  EXPECT_TRUE(found(verify(options), "nonce"));
  options.nonce = "";
  EXPECT_TRUE(found(verify(options), "nonce"));
  options.nonce.reset();
  full.pop_back();
  put(full);
  sign_again();
  EXPECT_TRUE(found(verify(options), "rolled back"));
  full.push_back(full[3]);
  put(full);
  sign_again();
  EXPECT_TRUE(found(verify(options), "forked"));
  options.earlier_checkpoint = "";
  EXPECT_TRUE(found(verify(options), "earlier checkpoint: ")) << "an empty file proves nothing";
}

TEST_F(ExportTest, WhatTheFactorySignedItselfIsStillChecked) {
  write();
  auto good = lines();
  auto append = [&](Json entry) {
    auto all = good;
    entry["seq"] = all.size();
    all.push_back(entry.dump());
    put(all);
    sign_again();
    return verify();
  };
  auto last = [&](const std::string& type) {
    Json out_entry;
    for (const std::string& line : good) {
      Json entry = Json::parse(line);
      if (entry["type"] == type) out_entry = entry;
    }
    return out_entry;
  };
  EXPECT_TRUE(found(append(last("credential.mint")), "given out before"));
  EXPECT_TRUE(found(append(last("key.commit")), "given out before"));
  EXPECT_TRUE(found(append(last("unit.admit")), "was given to emmc-cid:aa03 before"));
  EXPECT_TRUE(found(append(last("order.accept")), "a second time"));
  EXPECT_TRUE(found(append(last("ledger.birth")), "born once"));
  Json order = last("order.accept");
  std::string quantity = "\"quantity\":" + order["quantity"].dump();
  for (std::string& line : good) {
    if (line.find("order.accept") == std::string::npos) continue;
    line.replace(line.find(quantity), quantity.size(), "\"quantity\":1");
    line.replace(line.find("\"spares\":1"), 10, "\"spares\":0");
  }
  put(good);
  sign_again();
  EXPECT_TRUE(found(verify(), "3 units were admitted, 1 were ordered"));
}

TEST_F(ExportTest, UnitsMustAgreeWithTheJournal) {
  write();
  std::string good = slurp("units.csv");
  auto changed = [&](const std::string& from, const std::string& to) {
    spit("units.csv", good);
    edit("units.csv", from, to);
    return verify();
  };
  EXPECT_TRUE(found(changed("quarantine", "passed"), "the journal says quarantine"));
  EXPECT_TRUE(found(changed("SN-000002", "SN-000009"), "was never admitted"));
  EXPECT_TRUE(found(changed("SN-000002", "SN-000001"), "listed twice"));
  EXPECT_TRUE(found(changed("aa01", "aa09"), "belongs to emmc-cid:aa01"));
  EXPECT_TRUE(found(changed("hw_id", "hw_xx"), "no column hw_id"));
  spit("units.csv", good.substr(0, good.rfind("SN-000003")));
  EXPECT_TRUE(found(verify(), "SN-000003, admitted in entry"));
  spit("units.csv", good.substr(0, good.size() - 5));
  EXPECT_TRUE(found(verify(), "not a CSV file"));
  fs::remove(fs::path(out) / "units.csv");
  EXPECT_TRUE(found(verify(), "units.csv: the file is missing"));
}

TEST_F(ExportTest, CertificatesMustBeTheOnesIssued) {
  write();
  std::string first = slurp("certs/SN-000001.pem"), second = slurp("certs/SN-000002.pem");
  spit("certs/SN-000001.pem", second);
  EXPECT_TRUE(found(verify(), "certs/SN-000001.pem: the journal has it for SN-000002"));
  EXPECT_TRUE(found(verify(), "certs/SN-000001.pem: made out to another serial"));
  spit("certs/SN-000001.pem", exports::pem(station.ca.issue("SN-000001")));
  EXPECT_TRUE(found(verify(), "does not know this certificate"));
  spit("certs/SN-000001.pem", "rubbish");
  EXPECT_TRUE(found(verify(), "not one certificate"));
  fs::remove(fs::path(out) / "certs/SN-000001.pem");
  EXPECT_TRUE(found(verify(), "certificate of SN-000001 is missing"));
  spit("certs/SN-000001.pem", first);
  EXPECT_TRUE(verify().ok());
  Ca other("Test CA");
  spit("ca-chain.pem", exports::pem(other.der()));
  EXPECT_TRUE(found(verify(), "does not know the CA certificate"));
  EXPECT_TRUE(found(verify(), "does not chain to ca-chain.pem"));
}

TEST_F(ExportTest, AnEmptyDirectoryIsFindingsAndNoException) {
  fs::create_directories(out);
  VerifyReport report = verify();
  EXPECT_GE(report.findings.size(), 4u);
  EXPECT_FALSE(exports::verify_export("/nonexistent", vkey).ok());
}

TEST_F(ExportTest, AnUnwritablePlaceIsAFault) {
  std::ofstream(station.directory.path("file")) << "x";
  out = station.directory.path("file") + "/below";
  EXPECT_EQ(fault_of([&] { write(); }), "export.failed");
}

TEST(Csv, GuardsFormulasAndQuotes) {
  EXPECT_EQ(exports::csv_cell("plain"), "plain");
  EXPECT_EQ(exports::csv_cell("=1+1"), "'=1+1");
  EXPECT_EQ(exports::csv_cell("+1"), "'+1");
  EXPECT_EQ(exports::csv_cell("-1"), "'-1");
  EXPECT_EQ(exports::csv_cell("@A1"), "'@A1");
  EXPECT_EQ(exports::csv_cell("\tx"), "'\tx");
  EXPECT_EQ(exports::csv_cell("\rx"), "\"'\rx\"");
  EXPECT_EQ(exports::csv_cell("a,\"b\""), "\"a,\"\"b\"\"\"");
  auto rows = exports::parse_csv("a,\"b\r\n,\"\"c\"\"\"\r\n,\r\n");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0][1], "b\r\n,\"c\"");
  EXPECT_EQ(rows[1].size(), 2u);
  EXPECT_TRUE(exports::parse_csv("a,b").empty());
  EXPECT_TRUE(exports::parse_csv("\"a\r\n").empty());
}

// The list beside the journal is that of the journal, no longer and no shorter, by its CA.
TEST_F(ExportTest, TheDenialListIsTheJournals) {
  write();
  EXPECT_TRUE(verify().ok());
  std::string whole = slurp("denied.crl");
  std::uint64_t size = station.read([](Reader& db) { return journal_size(db); });
  spit("denied.crl", station.ca.denial_list({}, size));
  EXPECT_TRUE(found(verify(), "is denied in the journal, not in the list"));
  Bytes another = station.ca.issue("SN-000009");
  std::vector<Bytes> both;
  for (const auto& one : station.read([&](Reader& db) { return returns::denied(db, size); }))
    both.push_back(one.certificate);
  ASSERT_EQ(both.size(), 1u);
  spit("denied.crl", station.ca.denial_list({both[0], another}, size));
  EXPECT_TRUE(found(verify(), "the journal does not deny the certificate"));
  spit("denied.crl", station.ca.denial_list(both, size - 1));
  EXPECT_TRUE(found(verify(), "its number is"));
  spit("denied.crl", Ca("Another CA").denial_list(both, size));
  EXPECT_TRUE(found(verify(), "not signed by the CA"));
  fs::remove(fs::path(out) / "denied.crl");
  EXPECT_FALSE(verify().ok());
  spit("denied.crl", whole);
  EXPECT_TRUE(verify().ok());
}

}  // namespace mintmark::test
