// Invariant 12: two authenticated principals, neither of whom created the other, never one twice.
#include "station/ledger/acts.hpp"

#include "station.hpp"
#include "station/words/crypto.hpp"

namespace mintmark::test {

class ActsTest : public ::testing::Test {
 protected:
  Station station;
  void SetUp() override { appoint({"olga", "oscar"}); }

  void appoint(const std::vector<std::string>& names) { station.appoint(names); }
  void add(const std::string& by, const std::string& name) {
    Person person;
    person.name = name;
    person.roles = {Role::lead};
    station.write([&](Transaction& db) {
      people::add(db, Actor(by), person, sha256(view("first token of " + name)));
    });
  }
  std::string propose(const std::string& by = "olga",
                      std::chrono::seconds lifetime = acts::kLifetime) {
    Act asked;
    asked.id = uuid7();
    asked.kind = "unit.release";
    asked.subject = "SN-000001";
    asked.arguments = {{"new_key", true}};
    asked.reason = "the cable was broken";
    station.write([&](Transaction& db) { acts::propose(db, by, asked, lifetime); });
    return asked.id;
  }
  std::string confirm(const std::string& by, const std::string& id) {
    return fault_of(
        [&] { station.write([&](Transaction& db) { acts::confirm(db, by, id, "done"); }); });
  }
  Act get(const std::string& id) {
    return station.read([&](Reader& db) { return acts::get(db, id); });
  }
};

TEST_F(ActsTest, TwoOfficersDoItOnce) {
  std::string id = propose();
  EXPECT_EQ(get(id).state, "proposed");
  EXPECT_EQ(confirm("oscar", id), "");
  Act act = get(id);
  EXPECT_EQ(act.state, "done");
  EXPECT_EQ(act.proposed_by, "olga");
  EXPECT_EQ(act.confirmed_by, "oscar");
  EXPECT_FALSE(act.solo);
  EXPECT_EQ(confirm("oscar", id), "act.ended");
  EXPECT_EQ(confirm("oscar", uuid7()), "act.unknown");
  Json last = station.entries().back();
  EXPECT_EQ(last["type"], "act.confirm");
  EXPECT_EQ(last["actor"], "oscar");
  EXPECT_EQ(last["proposed_by"], "olga");
  EXPECT_EQ(last["confirmed_by"], "oscar");
  EXPECT_EQ(last["arguments"]["new_key"], true);
  EXPECT_EQ(last["reason"], "the cable was broken");
}

TEST_F(ActsTest, WhatIsComparedIsInTheEntryEitherWay) {
  std::string id = propose();
  auto compared = [&](const std::string& given) {
    std::optional<Act> act;
    station.write(
        [&](Transaction& db) { act = acts::confirm_compared(db, "oscar", id, "done", given); });
    return act.has_value();
  };
  EXPECT_FALSE(compared("SN-000002"));
  Json last = station.entries().back();
  EXPECT_EQ(last["type"], "act.mismatch");
  EXPECT_EQ(last["actor"], "oscar");
  EXPECT_EQ(last["check"], "SN-000002");
  EXPECT_EQ(last["subject"], "SN-000001");
  EXPECT_EQ(get(id).state, "proposed");
  EXPECT_TRUE(compared("SN-000001"));
  last = station.entries().back();
  EXPECT_EQ(last["type"], "act.confirm");
  EXPECT_EQ(last["check"], "SN-000001");
  EXPECT_EQ(get(id).state, "done");
  EXPECT_EQ(fault_of([&] { compared("SN-000001"); }), "act.ended");
}

TEST_F(ActsTest, OnePersonIsNotTwo) {
  std::string id = propose();
  EXPECT_EQ(confirm("olga", id), "act.same_person");
  EXPECT_EQ(get(id).state, "proposed");
  std::string forged =
      "UPDATE act SET confirmed_by = 'olga', state = 'done' WHERE id = '" + id + "'";
  EXPECT_NE(station.intrude(forged), "") << "the database refuses it, too";
}

TEST_F(ActsTest, SoloIsSaid) {
  appoint({"olga"});
  std::string id = propose();
  EXPECT_EQ(confirm("olga", id), "");
  EXPECT_TRUE(get(id).solo);
  EXPECT_EQ(station.entries().back()["solo"], true);
}

TEST_F(ActsTest, WhoCreatedTheOtherIsNoSecondPerson) {
  add("olga", "paul");
  appoint({"olga", "oscar", "paul"});
  EXPECT_EQ(confirm("paul", propose("olga")), "act.related");
  EXPECT_EQ(confirm("olga", propose("paul")), "act.related");
  EXPECT_EQ(confirm("paul", propose("oscar")), "");
}

TEST_F(ActsTest, OnlyOfficersAndOnlyNow) {
  add("alice", "lena");
  EXPECT_EQ(fault_of([&] { propose("lena"); }), "act.officer");
  EXPECT_EQ(fault_of([&] { propose("nobody"); }), "act.officer");
  std::string id = propose();
  EXPECT_EQ(confirm("lena", id), "act.officer");
  appoint({"oscar", "otto"});  // olga is an officer no more
  EXPECT_EQ(confirm("oscar", id), "act.officer");
}

TEST_F(ActsTest, AProposalExpiresAndCanBeWithdrawn) {
  std::string late = propose("olga", std::chrono::seconds(-1));
  EXPECT_EQ(get(late).state, "expired");
  EXPECT_EQ(confirm("oscar", late), "act.expired");
  std::string id = propose();
  auto waiting = [](Reader& db) { return acts::list(db, false).size(); };
  auto all = [](Reader& db) { return acts::list(db, true).size(); };
  EXPECT_EQ(station.read(waiting), 1u);
  EXPECT_EQ(station.read(all), 2u);
  station.write([&](Transaction& db) { acts::withdraw(db, "oscar", id); });
  EXPECT_EQ(confirm("oscar", id), "act.ended");
  EXPECT_EQ(station.read(waiting), 0u);
}

TEST_F(ActsTest, WhatIsDoneElsewhereEndsOnce) {
  std::string id = propose();
  auto finish = [&](Transaction& db) { acts::finish(db, self(), id, {{"kcv", "00"}}); };
  EXPECT_EQ(fault_of([&] { station.write(finish); }), "act.ended");
  station.write([&](Transaction& db) { acts::confirm(db, "oscar", id, "confirmed"); });
  station.write(finish);
  EXPECT_EQ(get(id).result["kcv"], "00");
  EXPECT_EQ(fault_of([&] { station.write(finish); }), "act.ended");
  std::string other = propose();
  station.write([&](Transaction& db) { acts::confirm(db, "oscar", other, "confirmed"); });
  station.write([&](Transaction& db) { acts::fail(db, self(), other, Fault("token.away")); });
  EXPECT_EQ(get(other).state, "failed");
  EXPECT_EQ(station.entries().back()["code"], "token.away");
}

TEST_F(ActsTest, TheDatabaseKeepsThem) {
  std::string id = propose();
  EXPECT_NE(station.intrude("DELETE FROM act"), "");
  EXPECT_NE(station.intrude("UPDATE act SET subject = 'SN-000002'"), "");
  EXPECT_NE(station.intrude("UPDATE act SET state = 'done'"), "") << "nobody confirmed";
  EXPECT_EQ(confirm("oscar", id), "");
  EXPECT_NE(station.intrude("UPDATE act SET state = 'proposed', confirmed_by = NULL"), "");
}

class ResumeTest : public ActsTest {
 protected:
  static constexpr const char* kWhy = "rng.duplicate";
  void stop() {
    station.write([&](Transaction& db) { lots::stop_issuing(db, self(), kWhy, "seen before"); });
  }
  std::string propose(const std::string& subject = kWhy, const Json& arguments = Json::object()) {
    Act asked;
    asked.id = uuid7();
    asked.kind = "station.resume";
    asked.subject = subject;
    asked.arguments = arguments;
    asked.reason = "the token was replaced";
    station.write([&](Transaction& db) {
      lots::check_resume_issuing(db, asked);
      acts::propose(db, "olga", asked);
    });
    return asked.id;
  }
  std::string confirm(const std::string& by, const std::string& id) {
    return fault_of([&] {
      station.write([&](Transaction& db) {
        lots::resume_issuing(db, Actor(by), acts::confirm(db, by, id, "done"));
      });
    });
  }
  bool stopped() {
    return station.read([](Reader& db) { return lots::stopped(db).has_value(); });
  }
};

TEST_F(ResumeTest, AStoppedStationGoesOnByTwoOfficers) {
  stop();
  std::string id = propose();
  EXPECT_TRUE(stopped());
  EXPECT_EQ(confirm("olga", id), "act.same_person");
  EXPECT_TRUE(stopped());
  EXPECT_EQ(confirm("oscar", id), "");
  EXPECT_FALSE(stopped());
  Json entry = station.entries().back();
  EXPECT_EQ(entry["type"], "station.resume");
  EXPECT_EQ(entry["code"], kWhy);
  EXPECT_EQ(entry["act"], id);
  EXPECT_EQ(entry["officers"], Json({"olga", "oscar"}));
  EXPECT_EQ(entry["solo"], false);
}

TEST_F(ResumeTest, OnlyForWhatItStoppedFor) {
  EXPECT_EQ(fault_of([&] { propose(); }), "station.not_stopped");
  stop();
  EXPECT_EQ(fault_of([&] { propose("rng.broken"); }), "station.not_stopped");
  EXPECT_EQ(fault_of([&] { propose(kWhy, {{"lot", "1"}}); }), "act.arguments");
}

TEST_F(ResumeTest, AProposalDoesNotOutliveItsStop) {
  stop();
  std::string first = propose(), second = propose();
  EXPECT_EQ(confirm("oscar", first), "");
  EXPECT_EQ(get(second).state, "withdrawn");
  stop();
  EXPECT_EQ(confirm("oscar", second), "act.ended");
  EXPECT_TRUE(stopped()) << "what two saw of one stop says nothing of the next";
}

}  // namespace mintmark::test
