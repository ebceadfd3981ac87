// Acts of two officers through the API.
#include "tests/unit/rest/house.hpp"

namespace mintmark {
namespace {

constexpr const char* kPropose =
    R"({"kind":"test.note","subject":"S1","arguments":{"n":1},"reason":"because"})";

void refuse_s2(Reader&, const Act& act) {
  if (act.subject == "S2") throw Fault("unit.unknown", {{"serial", act.subject}});
}
void note_it(Transaction& db, const Actor& actor, const Act& act) {
  if (act.subject == "S3") throw Fault("unit.unknown", {{"serial", act.subject}});
  db.journal(actor, "test.note", {{"n", act.arguments["n"]}});
}
Task<Json> work(Desk&, Act act) {
  if (act.subject == "S3") throw Fault("token.away");
  Json result = {{"of", act.subject}};
  co_return result;
}

class ActsApi : public ::testing::Test {
 protected:
  House house;
  void SetUp() override {
    house.desk.act_kinds = {{"test.note", &refuse_s2, &note_it, nullptr},
                            {"test.work", nullptr, nullptr, &work},
                            {"test.desk", nullptr, nullptr, nullptr},
                            {"test.key", nullptr, &note_it, nullptr, true}};
    house.appoint({"officer", "second"});
  }
  std::string propose(const std::string& kind, const std::string& subject) {
    Json body = {{"kind", kind}, {"subject", subject}, {"reason", "r"}, {"arguments", {{"n", 1}}}};
    return json_of(house.as("officer", "POST", "/api/v1/acts", body.dump()))["act"];
  }
  Response confirm(const std::string& by, const std::string& id, const std::string& body = {}) {
    return house.as(by, "POST", "/api/v1/acts/" + id + "/confirm", body);
  }
  std::string last_type() {
    return house.ledger.read_now([](Reader& db) {
      return *db.value<std::string>("SELECT type FROM journal ORDER BY seq DESC LIMIT 1");
    });
  }
};

TEST_F(ActsApi, AreProposedListedConfirmed) {
  Response made = house.as("officer", "POST", "/api/v1/acts", kPropose);
  ASSERT_EQ(made.status, 201) << made.body;
  std::string id = json_of(made)["act"];
  EXPECT_EQ(json_of(made)["state"], "proposed");
  EXPECT_EQ(json_of(house.as("lead", "GET", "/api/v1/acts"))["acts"].size(), 1u);
  EXPECT_EQ(code_of(confirm("officer", id)), "act.same_person");
  EXPECT_EQ(confirm("officer", id).status, 403);
  EXPECT_EQ(confirm("lead", id).status, 403);
  Response done = confirm("second", id);
  EXPECT_EQ(done.status, 200) << done.body;
  EXPECT_EQ(json_of(done)["state"], "done");
  EXPECT_EQ(last_type(), "test.note");
  EXPECT_EQ(code_of(confirm("second", id)), "act.ended");
  EXPECT_EQ(json_of(house.as("lead", "GET", "/api/v1/acts"))["acts"].size(), 0u);
  EXPECT_EQ(json_of(house.as("lead", "GET", "/api/v1/acts?all=true"))["acts"].size(), 1u);
  EXPECT_EQ(code_of(house.as("lead", "GET", "/api/v1/acts?all=1")), "http.query");
}

TEST_F(ActsApi, WhatCannotBeDoneIsRefusedAndNothingChanges) {
  auto refused = [&](const std::string& body) {
    return code_of(house.as("officer", "POST", "/api/v1/acts", body));
  };
  EXPECT_EQ(refused(R"({"kind":"test.none","subject":"S","reason":"r"})"), "act.kind");
  EXPECT_EQ(refused(R"({"kind":"test.note","subject":"S2","reason":"r"})"), "unit.unknown");
  EXPECT_EQ(refused(R"({"kind":"test.note","subject":"S"})"), "http.missing_field");
  EXPECT_EQ(refused(R"({"kind":"test.note","subject":"S","reason":"r","arguments":[]})"),
            "http.wrong_type");
  std::string id = propose("test.note", "S3");
  EXPECT_EQ(code_of(confirm("second", id)), "unit.unknown");
  EXPECT_EQ(json_of(house.as("lead", "GET", "/api/v1/acts"))["acts"][0]["state"], "proposed");
  EXPECT_EQ(house.as("second", "POST", "/api/v1/acts/" + id + "/withdraw").status, 204);
  EXPECT_EQ(code_of(confirm("second", id)), "act.ended");
}

TEST_F(ActsApi, WorkAfterTheConfirmationEndsEitherWay) {
  Response done = confirm("second", propose("test.work", "S1"));
  EXPECT_EQ(json_of(done)["state"], "done");
  EXPECT_EQ(json_of(done)["result"]["of"], "S1");
  EXPECT_EQ(last_type(), "act.done");
  EXPECT_EQ(code_of(confirm("second", propose("test.work", "S3"))), "token.away");
  EXPECT_EQ(last_type(), "act.fail");
}

TEST_F(ActsApi, TheSecondOfficerGivesTheValueThatHeHasRead) {
  std::string id = propose("test.key", "0123-4567-89ab-cdef");
  auto refused = [&](const std::string& body) { return code_of(confirm("second", id, body)); };
  for (const char* body : {"", "{}"}) EXPECT_EQ(refused(body), "act.not_compared") << body;
  EXPECT_EQ(refused(R"({"check":""})"), "http.wrong_type");
  EXPECT_NE(last_type(), "act.mismatch");
  EXPECT_EQ(refused(R"({"check":"0123-4567-89ab-cdee"})"), "act.mismatch");
  EXPECT_EQ(last_type(), "act.mismatch");
  EXPECT_EQ(code_of(confirm("officer", id, R"({"check":"1"})")), "act.same_person");
  Json waiting = json_of(house.as("lead", "GET", "/api/v1/acts"))["acts"][0];
  EXPECT_EQ(waiting["state"], "proposed");
  EXPECT_EQ(waiting["compared"], true);
  Response done = confirm("second", id, R"({"check":"0123-4567-89ab-cdef"})");
  EXPECT_EQ(json_of(done)["state"], "done") << done.body;
  std::string other = propose("test.note", "S1");
  EXPECT_EQ(code_of(confirm("second", other, R"({"check":"S1"})")), "http.unknown_field");
  EXPECT_EQ(json_of(confirm("second", other, "{}"))["compared"], false);
}

TEST_F(ActsApi, KeysFromElsewhereAreCompared) {
  for (const ActKind& kind : act_kinds())
    EXPECT_EQ(kind.compared, kind.kind == "hsm.clone" || kind.kind == "escrow.install")
        << kind.kind;
}

TEST_F(ActsApi, WhatACrashCutOffIsFailedAtTheNextStart) {
  std::string cut = propose("test.work", "S1"), desk = propose("test.desk", "S1");
  house.ledger.transact_now(
      [&](Transaction& db) { acts::confirm(db, "second", cut, "confirmed"); });
  EXPECT_EQ(json_of(confirm("second", desk))["state"], "confirmed");
  fail_interrupted_acts(house.desk);
  auto look = [&](const std::string& id) {
    return house.ledger.read_now([&](Reader& db) { return acts::get(db, id); });
  };
  EXPECT_EQ(look(cut).state, "failed");
  EXPECT_EQ(look(cut).code, "act.interrupted");
  EXPECT_EQ(look(desk).state, "confirmed") << "it is done elsewhere";
}

}  // namespace
}  // namespace mintmark
