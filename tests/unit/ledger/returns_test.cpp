// Units that come back: what two officers may, and what never comes back.
#include "station/ledger/returns.hpp"

#include <set>

#include "station.hpp"
#include "station/words/crypto.hpp"

namespace mintmark::test {

class ReturnsTest : public ::testing::Test {
 protected:
  Station station;
  std::string lot;

  void SetUp() override {
    station.appoint({"olga", "oscar"});
    lot = station.open_lot(station.order(station.order_json(2, 0)));
  }
  std::string act(const std::string& kind, const std::string& subject, const Json& arguments) {
    Act asked;
    asked.id = uuid7();
    asked.kind = kind;
    asked.subject = subject;
    asked.arguments = arguments;
    asked.reason = "looked at";
    return fault_of([&] {
      station.write([&](Transaction& db) {
        acts::propose(db, "olga", asked);
        Act act = acts::confirm(db, "oscar", asked.id, "done");
        if (kind == "unit.release") returns::release(db, Actor("oscar"), act);
        if (kind == "unit.reopen") returns::reopen(db, Actor("oscar"), act);
        if (kind == "unit.retire") returns::retire(db, Actor("oscar"), act);
      });
    });
  }
  std::string release(const std::string& subject) {
    return act("unit.release", subject, Json::object());
  }
  std::string reopen(const std::string& subject, const Json& arguments = Json::object()) {
    return act("unit.reopen", subject, arguments);
  }
  std::string retire(const std::string& subject) {
    return act("unit.retire", subject, Json::object());
  }
  void quarantine(const std::string& hw, const std::string& code = "prove.failed") {
    station.write([&](Transaction& db) {
      runs::quarantine_unit(db, self(), HardwareId("emmc-cid", hw), "1", code);
    });
  }
  Standing standing(const std::string& hw) {
    return station.read([&](Reader& db) { return runs::standing(db, HardwareId("emmc-cid", hw)); });
  }
  int unburnt() {
    return station.read([](Reader& db) {
      return *db.value<int>(
          "SELECT count(*) FROM fingerprint f WHERE class = 'password' AND NOT EXISTS "
          "(SELECT 1 FROM burn b WHERE b.fingerprint = f.id)");
    });
  }
  std::vector<std::string> reasons() {
    std::vector<std::string> out;
    for (const auto& one :
         station.read([](Reader& db) { return returns::denied(db, journal_size(db)); }))
      out.push_back(one.reason);
    return out;
  }
  std::string commit(mintmark::Run& run, const Bytes& spki) {
    return fault_of([&] {
      run = station.write(
          [&](Transaction& db) { return runs::commit_key(db, run, spki, sha256(spki)); });
    });
  }
  int passed() {
    return station.read([&](Reader& db) { return lots::get(db, lot).passed; });
  }
};

using Reasons = std::vector<std::string>;

TEST_F(ReturnsTest, AReleasedUnitGoesTheWholeWayWithANewKey) {
  mintmark::Run first = station.pass(lot, "aa01");
  quarantine("aa01");
  EXPECT_EQ(reasons(), Reasons{"privilegeWithdrawn"});
  EXPECT_EQ(fault_of([&] { station.begin(lot, "aa01"); }), "unit.quarantined");
  ASSERT_EQ(release(first.serial), "");
  EXPECT_FALSE(standing("aa01").quarantined);
  EXPECT_TRUE(standing("aa01").may_return);
  EXPECT_EQ(unburnt(), 0);
  EXPECT_EQ(passed(), 0);

  mintmark::Run run = station.begin(lot, "aa01");
  run = station.write([&](Transaction& db) { return runs::admit(db, run); });
  EXPECT_EQ(run.serial, first.serial) << "it keeps its place and serial";
  auto permission = station.read([&](Reader& db) { return returns::permission(db, run); });
  ASSERT_TRUE(permission);
  EXPECT_TRUE(permission->new_key);
  EXPECT_TRUE(permission->renewed.empty());
  EXPECT_EQ(commit(run, standing("aa01").spki), "hwid.second_key") << "its certificate is denied";
  Bytes fresh = random_bytes(91);
  EXPECT_EQ(commit(run, fresh), "");
  EXPECT_EQ(commit(run, random_bytes(91)), "hwid.second_key") << "one successor, not two";
  EXPECT_EQ(commit(run, fresh), "") << "the same again after a crash";
  permission = station.read([&](Reader& db) { return returns::permission(db, run); });
  EXPECT_EQ(permission->renewed, std::vector<Bytes>{fresh});
}

TEST_F(ReturnsTest, ThePermissionEndsWithAPass) {
  quarantine("aa01");
  ASSERT_EQ(release("emmc-cid:aa01"), "") << "a unit without a serial has its own code";
  EXPECT_EQ(release("emmc-cid:aa01"), "unit.not_quarantined");
  EXPECT_EQ(reopen("emmc-cid:aa01"), "unit.may_return");
  station.pass(lot, "aa01");
  EXPECT_FALSE(standing("aa01").may_return);
  EXPECT_EQ(passed(), 1);
}

TEST_F(ReturnsTest, ThePermissionEndsWithTheNextQuarantine) {
  quarantine("aa01");
  ASSERT_EQ(release("emmc-cid:aa01"), "");
  quarantine("aa01");
  EXPECT_FALSE(standing("aa01").may_return);
  EXPECT_EQ(station.intrude("UPDATE unit SET quarantined = 0"), "unit: never back");
  EXPECT_EQ(release("emmc-cid:aa01"), "");
}

TEST_F(ReturnsTest, NothingButTwoOfficersLiftsAQuarantine) {
  quarantine("aa01");
  EXPECT_EQ(station.intrude("UPDATE unit SET quarantined = 0"), "unit: never back");
  EXPECT_NE(station.intrude("INSERT INTO release (act, unit, new_key, known_key, last_run, at) "
                            "VALUES ('none', 1, 0, 0, 0, '')"),
            "");
}

TEST_F(ReturnsTest, AReopenedUnitKeepsItsKeyUnlessAskedOtherwise) {
  mintmark::Run first = station.pass(lot, "aa01");
  Bytes key = first.spki;
  EXPECT_EQ(passed(), 1);
  ASSERT_EQ(reopen(first.serial), "");
  EXPECT_EQ(passed(), 0);
  EXPECT_EQ(unburnt(), 0);
  EXPECT_TRUE(reasons().empty());
  mintmark::Run run = station.begin(lot, "aa01");
  EXPECT_EQ(reopen(first.serial), "unit.under_way");
  EXPECT_EQ(retire(first.serial), "unit.under_way");
  run = station.write([&](Transaction& db) { return runs::admit(db, run); });
  EXPECT_FALSE(station.read([&](Reader& db) { return returns::permission(db, run); })->new_key);
  EXPECT_EQ(commit(run, key), "");
  auto labels = station.read([&](Reader& db) { return runs::labels(db, run.serial); });
  ASSERT_EQ(labels.size(), 1u);
  EXPECT_EQ(labels[0].state, "void") << "the old label shows what is burnt";
}

TEST_F(ReturnsTest, ASuccessorSupersedesTheOldCertificate) {
  mintmark::Run first = station.pass(lot, "aa01");
  ASSERT_EQ(reopen(first.serial, {{"new_key", true}}), "");
  EXPECT_TRUE(reasons().empty()) << "not before there is a successor";
  mintmark::Run run = station.begin(lot, "aa01");
  run = station.write([&](Transaction& db) { return runs::admit(db, run); });
  EXPECT_EQ(commit(run, random_bytes(91)), "");
  Bytes der = station.ca.issue(run.serial);
  station.write([&](Transaction& db) { runs::record_certificate(db, run, der); });
  EXPECT_EQ(reasons(), Reasons{"superseded"});
  EXPECT_EQ(station.read([&](Reader& db) { return runs::certificate(db, run); }), der);
}

TEST_F(ReturnsTest, ARetiredUnitIsRefusedForEver) {
  mintmark::Run first = station.pass(lot, "aa01");
  ASSERT_EQ(retire(first.serial), "");
  EXPECT_EQ(reasons(), Reasons{"cessationOfOperation"});
  EXPECT_EQ(unburnt(), 0);
  EXPECT_EQ(fault_of([&] { station.begin(lot, "aa01"); }), "unit.retired");
  EXPECT_TRUE(standing("aa01").retired);
  EXPECT_EQ(release(first.serial), "unit.retired");
  EXPECT_EQ(reopen(first.serial), "unit.retired");
  EXPECT_NE(station.intrude("DELETE FROM retired"), "");
  EXPECT_EQ(passed(), 0);
}

TEST_F(ReturnsTest, WhatCannotBeIsRefused) {
  EXPECT_EQ(release("SN-000009"), "unit.unknown");
  EXPECT_EQ(release("emmc-cid:ffff"), "unit.unknown");
  mintmark::Run first = station.pass(lot, "aa01");
  EXPECT_EQ(release(first.serial), "unit.not_quarantined");
  EXPECT_EQ(reopen(first.serial, {{"dance", true}}), "act.arguments");
  EXPECT_EQ(reopen(first.serial, {{"new_key", 1}}), "act.arguments");
  quarantine("aa01");
  EXPECT_EQ(reopen(first.serial), "unit.release_first");
}

TEST_F(ReturnsTest, WhoseKeyItIsDecidesTheReason) {
  station.pass(lot, "aa01");
  quarantine("aa01", "hwid.cannot_sign");
  EXPECT_EQ(reasons(), Reasons{"keyCompromise"});
  quarantine("aa01", "prove.failed");
  EXPECT_EQ(reasons().size(), 1u);
  Json entry;
  for (const Json& one : station.entries())
    if (one["type"] == "certificate.deny") entry = one;
  EXPECT_EQ(entry["code"], "hwid.cannot_sign");
  EXPECT_TRUE(from_hex(entry["number"].get<std::string>()));
}

TEST_F(ReturnsTest, CertificatesBesideTheFirstAreDeniedWithIt) {
  mintmark::Run run = station.enrolled(lot, "aa01");
  Bytes second = station.ca.issue(run.serial), third = station.ca.issue(run.serial);
  station.write([&](Transaction& db) {
    runs::record_second_certificate(db, run, "cloud", second);
    runs::record_second_certificate(db, run, "mesh", third);
  });
  EXPECT_EQ(station.read([&](Reader& db) { return runs::second_certificate(db, run, "mesh"); }),
            third);
  quarantine("aa01", "hwid.cannot_sign");
  EXPECT_EQ(reasons(), (Reasons{"keyCompromise", "keyCompromise", "keyCompromise"}));
  auto denied = station.read([](Reader& db) { return returns::denied(db, journal_size(db)); });
  EXPECT_EQ(denied[1].certificate, second);
  EXPECT_EQ(denied[2].certificate, third);
  std::set<std::string> numbers;
  for (const Json& one : station.entries())
    if (one["type"] == "certificate.deny") numbers.insert(one["number"].get<std::string>());
  EXPECT_EQ(numbers.size(), 3u);
  quarantine("aa01");
  EXPECT_EQ(reasons().size(), 3u) << "denied once, for ever";
}

TEST_F(ReturnsTest, WhatAnOlderStationLeftBesideADeniedOneIsDeniedAtTheStart) {
  mintmark::Run run = station.enrolled(lot, "aa01");
  mintmark::Run good = station.enrolled(lot, "aa02");
  quarantine("aa01", "hwid.cannot_sign");
  Bytes beside = station.ca.issue(run.serial);
  station.write([&](Transaction& db) {
    runs::record_second_certificate(db, run, "cloud", beside);
    runs::record_second_certificate(db, good, "cloud", station.ca.issue(good.serial));
  });
  EXPECT_EQ(reasons(), Reasons{"keyCompromise"});
  for (int start = 0; start < 2; ++start) {
    station.write([](Transaction& db) { returns::deny_left_beside(db); });
    EXPECT_EQ(reasons(), (Reasons{"keyCompromise", "keyCompromise"})) << "the good unit's is not";
  }
  auto denied = station.read([](Reader& db) { return returns::denied(db, journal_size(db)); });
  EXPECT_EQ(denied[1].certificate, beside);
  Json last = station.entries().back();
  EXPECT_EQ(last["type"], "certificate.deny");
  EXPECT_EQ(last["actor"], "station");
  EXPECT_EQ(last["code"], "hwid.cannot_sign");
}

TEST_F(ReturnsTest, ALostLabelPutsTheUnitAway) {
  auto lose = [&](const std::string& serial) {
    return fault_of([&] {
      station.write([&](Transaction& db) { returns::lose_label(db, alice(), serial, "gone"); });
    });
  };
  EXPECT_EQ(lose("SN-000001"), "unit.unknown");
  mintmark::Run first = station.pass(lot, "aa01");
  EXPECT_EQ(lose(first.serial), "");
  EXPECT_TRUE(standing("aa01").quarantined);
  EXPECT_EQ(unburnt(), 0);
  EXPECT_EQ(lose(first.serial), "unit.quarantined");
  mintmark::Run second = station.begin(lot, "aa02");
  second = station.write([&](Transaction& db) { return runs::admit(db, second); });
  EXPECT_EQ(lose(second.serial), "unit.no_label");
}

TEST_F(ReturnsTest, EachReleaseAllowsAsManyMintsAgain) {
  auto mint = [&](mintmark::Run& run) {
    Credential secret = password();
    return fault_of([&] {
      run = station.write([&](Transaction& db) {
        secret.iv = runs::next_iv(db, lot);
        return runs::mint(db, run, random_bytes(16), {secret}, 1);
      });
    });
  };
  mintmark::Run run = station.begin(lot, "aa01");
  EXPECT_EQ(mint(run), "");
  EXPECT_EQ(mint(run), "unit.mints_spent");
  station.write(
      [&](Transaction& db) { runs::end(db, self(), run, Ending::quarantine, "prove.failed", {}); });
  ASSERT_EQ(release("emmc-cid:aa01"), "");
  mintmark::Run again = station.begin(lot, "aa01");
  EXPECT_EQ(mint(again), "");
  EXPECT_EQ(mint(again), "unit.mints_spent");
}

TEST_F(ReturnsTest, WhatWasOnlyHeldKeepsItsKey) {
  mintmark::Run held = station.pass(lot, "aa01", StepResult::not_proven);
  mintmark::Run bad = station.begin(lot, "aa02");
  station.write([&](Transaction& db) { runs::hold_since_last_good(db, self(), bad); });
  EXPECT_TRUE(standing("aa01").quarantined);
  EXPECT_TRUE(reasons().empty());
  ASSERT_EQ(release(held.serial), "");
  mintmark::Run run = station.begin(lot, "aa01");
  run = station.write([&](Transaction& db) { return runs::admit(db, run); });
  EXPECT_FALSE(station.read([&](Reader& db) { return returns::permission(db, run); })->new_key);
  EXPECT_EQ(unburnt(), 0);
}

}  // namespace mintmark::test
