#include "station/rest/rest.hpp"

#include "station/rest/bounds.hpp"
#include "station/rest/problem.hpp"
#include "tests/unit/rest/house.hpp"

namespace mintmark {
namespace {

class RestTest : public ::testing::Test {
 protected:
  House house;

  Request page(const std::string& method, const std::string& target) {
    Request request(method, target);
    request.tls = true;
    request.host = "localhost:8443";
    return request;
  }
  std::string log_in(const std::string& name) {
    Request request = page("POST", "/api/v1/session");
    request.body = R"({"token":")" + House::token_of(name) + "\"}";
    request.content_type = "application/json";
    std::string header = header_of(house.ask(request), "Set-Cookie");
    return header.substr(0, header.find(';'));
  }
};

TEST_F(RestTest, HealthNeedsNobody) {
  Response response = house.ask(Request("GET", "/api/v1/health"));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(json_of(response)["status"], "ok");
  EXPECT_EQ(json_of(response)["station"], kHouseStation);
  EXPECT_EQ(header_of(response, "Cache-Control"), "no-store");
}

TEST_F(RestTest, EveryAnswerBearsThePolicy) {
  for (const char* target : {"/", "/api/v1/health", "/api/v1/nothing", "/x", "/api/v1/slots"}) {
    Response response = house.ask(Request("GET", target));
    std::string policy = header_of(response, "Content-Security-Policy");
    EXPECT_NE(policy.find("default-src 'none'"), std::string::npos) << target;
    EXPECT_NE(policy.find("require-trusted-types-for 'script'"), std::string::npos);
    EXPECT_EQ(policy.find("unsafe"), std::string::npos);
    EXPECT_EQ(header_of(response, "X-Content-Type-Options"), "nosniff");
    EXPECT_EQ(header_of(response, "Referrer-Policy"), "no-referrer");
  }
  EXPECT_EQ(house.ask(Request("GET", "/")).type, "text/html; charset=utf-8");
  EXPECT_EQ(house.ask(Request("GET", "/lang/de.json")).status, 200);
  for (const char* target :
       {"/lang/xx.json", "/lang/..%2findex.html", "/index.html", "/../page.js"})
    EXPECT_EQ(house.ask(Request("GET", target)).status, 404) << target;
}

TEST_F(RestTest, ProblemsHaveTheSentenceAndNoHtml) {
  Response response = house.as("lead", "POST", "/api/v1/labels/void", R"({"<b>":1})");
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(response.type, "application/problem+json");
  response =
      house.as("lead", "POST", "/api/v1/labels/void", R"({"symbol":"a","reason":"b","<b>":1})");
  Json body = json_of(response);
  EXPECT_EQ(body["type"], "urn:mintmark:fault:http.unknown_field");
  EXPECT_EQ(body["code"], "http.unknown_field");
  EXPECT_EQ(body["status"], 400);
  EXPECT_EQ(body["args"]["field"], "<b>");
  EXPECT_NE(body["title"], "http.unknown_field") << "a sentence, not the code";
}

TEST_F(RestTest, AddressesAreExact) {
  EXPECT_EQ(house.as("lead", "GET", "/api/v1/nothing").status, 404);
  EXPECT_EQ(house.as("lead", "GET", "/api/v1/slots/").status, 404);
  EXPECT_EQ(house.as("lead", "GET", "//api/v1/slots").status, 404);
  Response response = house.as("lead", "PATCH", "/api/v1/lots");
  EXPECT_EQ(response.status, 405);
  EXPECT_EQ(header_of(response, "Allow"), "GET, POST");
  EXPECT_EQ(code_of(house.as("lead", "GET", "/api/v1/units?limti=3")), "http.query");
  EXPECT_EQ(code_of(house.as("lead", "GET", "/api/v1/units?limit=1&limit=2")), "http.query");
  for (const char* limit : {"0", "1001", "x", "1x", "-1", "99999999999", ""})
    EXPECT_EQ(code_of(house.as("lead", "GET", std::string("/api/v1/units?limit=") + limit)),
              "http.query")
        << limit;
  EXPECT_EQ(house.ask(Request("GET", "no slash")).status, 400);
  EXPECT_EQ(house.ask(Request("GET", "/%zz")).status, 400);
  EXPECT_EQ(house.ask(Request("GET", "")).status, 400);
}

TEST_F(RestTest, BodiesAreJsonAndSmall) {
  Request request("POST", "/api/v1/scan", "unit=x");
  request.authorization = "Bearer token-of-operator";
  request.content_type = "application/x-www-form-urlencoded";
  EXPECT_EQ(house.ask(request).status, 415);
  std::string large = R"({"unit":")" + std::string(20000, 'x') + R"(","symbol":"y"})";
  EXPECT_EQ(house.as("operator", "POST", "/api/v1/scan", large).status, 413);
  EXPECT_EQ(Rest::body_limit("POST", "/api/v1/lots"), 1U << 20);
  EXPECT_EQ(Rest::body_limit("POST", "/api/v1/lots/x/close"), 16U << 10);
  EXPECT_EQ(house.as("lead", "POST", "/api/v1/lots/x/close", R"({"a":1})").status, 400);
}

TEST_F(RestTest, TokensCookiesAndPeers) {
  house.add("anna", {Role::op}, 4711);
  Request peer("GET", "/api/v1/session");
  peer.uid = 4711;
  EXPECT_EQ(json_of(house.ask(peer))["name"], "anna");
  peer.uid = 4712;
  EXPECT_EQ(house.ask(peer).status, 401);
  peer.uid = 4711;
  peer.authorization = "Bearer nonsense";
  EXPECT_EQ(house.ask(peer).status, 401) << "a bad token is not made good by the peer";
  Request basic("GET", "/api/v1/session");
  basic.authorization = "Basic YTpi";
  EXPECT_EQ(house.ask(basic).status, 401);
  EXPECT_EQ(json_of(house.as("auditor", "GET", "/api/v1/session"))["roles"][0], "auditor");
}

TEST_F(RestTest, ACookieSessionBeginsAndEnds) {
  Request login = page("POST", "/api/v1/session");
  login.body = R"({"token":"token-of-operator"})";
  login.content_type = "application/json";
  Response response = house.ask(login);
  EXPECT_EQ(response.status, 204);
  std::string header = header_of(response, "Set-Cookie");
  for (const char* word : {"HttpOnly", "SameSite=Strict", "Secure", "Path=/", "Max-Age=43200"})
    EXPECT_NE(header.find(word), std::string::npos) << word;
  EXPECT_EQ(header.find("token-of"), std::string::npos);
  Request request = page("GET", "/api/v1/session");
  request.cookie = header.substr(0, header.find(';'));
  EXPECT_EQ(json_of(house.ask(request))["name"], "operator");
  Request leave = page("DELETE", "/api/v1/session");
  leave.cookie = request.cookie;
  EXPECT_EQ(house.ask(leave).status, 403) << "nothing shows that our page asks";
  leave.origin = "https://localhost:8443";
  EXPECT_EQ(house.ask(leave).status, 204);
  EXPECT_EQ(house.ask(request).status, 401);
}

TEST_F(RestTest, AnotherSitesPageChangesNothing) {
  Request scan = page("POST", "/api/v1/scan");
  scan.cookie = log_in("operator");
  scan.body = "{}";
  scan.content_type = "application/json";
  EXPECT_EQ(code_of(house.ask(scan)), "http.cross_site");
  scan.sec_fetch_site = "cross-site";
  EXPECT_EQ(code_of(house.ask(scan)), "http.cross_site");
  scan.sec_fetch_site = "same-origin";
  EXPECT_EQ(code_of(house.ask(scan)), "http.missing_field") << "let through to the handler";
  scan.origin = "https://evil.example";
  EXPECT_EQ(code_of(house.ask(scan)), "http.cross_site");
}

TEST_F(RestTest, ARemovedPersonIsOutAtOnce) {
  Request request = page("GET", "/api/v1/session");
  request.cookie = log_in("auditor");
  EXPECT_EQ(house.ask(request).status, 200);
  EXPECT_EQ(house.as("lead", "DELETE", "/api/v1/persons/auditor").status, 204);
  EXPECT_EQ(house.ask(request).status, 401);
  EXPECT_EQ(house.as("auditor", "GET", "/api/v1/session").status, 401);
}

TEST_F(RestTest, StrangeHostsAreMisdirected) {
  for (const char* host : {"", "evil.example", "localhost.evil.example", "10.0.0.1:8443"}) {
    Request request = page("GET", "/api/v1/health");
    request.host = host;
    EXPECT_EQ(house.ask(request).status, 421) << host;
  }
  for (const char* host : {"localhost", "LOCALHOST:1", "127.0.0.1:8443", "station-1.example"}) {
    Request request = page("GET", "/api/v1/health");
    request.host = host;
    EXPECT_EQ(house.ask(request).status, 200) << host;
  }
}

TEST_F(RestTest, GuessingIsSlowedAndTheLineGoesOn) {
  EXPECT_EQ(house.as("operator", "GET", "/api/v1/session").status, 200);
  int refused = 0, slowed = 0;
  for (int i = 0; i < 30; ++i) {
    Request request("GET", "/api/v1/session");
    request.authorization = "Bearer guess" + std::to_string(i);
    int status = house.ask(request).status;
    refused += status == 401 ? 1 : 0;
    slowed += status == 429 ? 1 : 0;
  }
  EXPECT_GE(refused, 10);
  EXPECT_GE(slowed, 1);
  EXPECT_EQ(refused + slowed, 30);
  EXPECT_EQ(house.as("operator", "GET", "/api/v1/session").status, 200);
}

TEST_F(RestTest, IntegratorsSeeTheirOwnLots) {
  std::string mine = house.open_lot("integrator", 1), other = house.open_lot("lead", 2);
  Json lots = json_of(house.as("integrator", "GET", "/api/v1/lots"))["lots"];
  ASSERT_EQ(lots.size(), 1U);
  EXPECT_EQ(lots[0]["lot"], mine);
  EXPECT_EQ(lots[0]["opened_by"], "integrator");
  EXPECT_EQ(house.as("integrator", "GET", "/api/v1/lots/" + mine).status, 200);
  EXPECT_EQ(code_of(house.as("integrator", "GET", "/api/v1/lots/" + other)), "http.not_yours");
  EXPECT_EQ(json_of(house.as("lead", "GET", "/api/v1/lots"))["lots"].size(), 2U);
}

TEST_F(RestTest, ALeadHiresAndAnOfficerToo) {
  Response made =
      house.as("lead", "POST", "/api/v1/persons", R"({"name":"bea","roles":["operator"]})");
  ASSERT_EQ(made.status, 201) << made.body;
  std::string token = json_of(made)["token"];
  EXPECT_EQ(token.size(), 64U);
  Request request("GET", "/api/v1/session");
  request.authorization = "Bearer " + token;
  EXPECT_EQ(json_of(house.ask(request))["name"], "bea");
  EXPECT_EQ(house.as("lead", "GET", "/api/v1/persons").body.find(token), std::string::npos);
  const char* lead = R"({"name":"cleo","roles":["lead"]})";
  EXPECT_EQ(house.as("lead", "POST", "/api/v1/persons", lead).status, 403);
  EXPECT_EQ(house.as("officer", "POST", "/api/v1/persons", lead).status, 201);
  EXPECT_EQ(house.as("lead", "DELETE", "/api/v1/persons/cleo").status, 403);
  EXPECT_EQ(house.as("lead", "DELETE", "/api/v1/persons/officer").status, 403);
  for (const char* body : {R"({"name":"dora","roles":["officer"]})",
                           R"({"name":"dora","roles":[]})", R"({"name":"dora","roles":["root"]})"})
    EXPECT_EQ(code_of(house.as("officer", "POST", "/api/v1/persons", body)), "person.role") << body;
  EXPECT_EQ(
      house.as("lead", "POST", "/api/v1/persons", R"({"name":"bea","roles":["operator"]})").status,
      409);
}

TEST_F(RestTest, AForgedRosterIsRefused) {
  Json body = {{"roster", base64(view("{}"))}, {"signature", base64(Bytes(64, 0))}};
  EXPECT_EQ(code_of(house.as("lead", "PUT", "/api/v1/roster", body.dump())), "roster.signature");
}

TEST_F(RestTest, AForgedOrderIsRefused) {
  Json body = {{"order", base64(view("{}"))},
               {"signature", base64(Bytes(64, 0))},
               {"product", ""},
               {"templates", Json::object()}};
  Response response = house.as("lead", "POST", "/api/v1/lots", body.dump());
  EXPECT_EQ(response.status, 422) << response.body;
}

TEST_F(RestTest, ExportsAreTheStoredBytes) {
  Response response = house.as("auditor", "GET", "/api/v1/export/journal");
  ASSERT_TRUE(response.stream);
  std::string all;
  while (auto piece = house.run(response.stream->next())) all += *piece;
  std::uint64_t size = house.ledger.read_now([](Reader& db) { return journal_size(db); });
  EXPECT_EQ(std::count(all.begin(), all.end(), '\n'), static_cast<long>(size));
  EXPECT_EQ(all.find(House::token_of("lead")), std::string::npos);
  EXPECT_EQ(code_of(house.as("auditor", "GET", "/api/v1/export/journal?until=999999")),
            "http.query");
  Response note = house.as("auditor", "GET",
                           "/api/v1/export/checkpoint?nonce=00112233445566778899aabbccddeeff");
  EXPECT_EQ(note.status, 200) << note.body;
  EXPECT_EQ(note.body.substr(0, 46), std::string("mintmark/") + kHouseStation + "\n");
  EXPECT_EQ(house.as("auditor", "GET", "/api/v1/export/checkpoint?nonce=zz").status, 400);
  Response csv = house.as("auditor", "GET", "/api/v1/export/units.csv");
  ASSERT_TRUE(csv.stream);
  EXPECT_TRUE(house.run(csv.stream->next()).has_value());
}

// Every byte but letters and digits as it must be sent.
std::string encoded(std::string_view text) {
  std::string out;
  for (unsigned char c : text) out += std::isalnum(c) != 0 ? std::string(1, c) : "%" + hex({&c, 1});
  return out;
}

class Earlier : public RestTest {
 protected:
  std::string earlier(std::string_view note) { return path + "?earlier=" + encoded(note); }
  Response ask(std::string_view note) { return house.as("auditor", "GET", earlier(note)); }
  std::string sign(const std::string& station, std::uint64_t size, const Digest& root) {
    return sign_note(station, house.vault.journal_public_key(),
                     checkpoint_text(station, size, root),
                     [this](View message) { return house.vault.journal_sign(message); });
  }
  std::uint64_t entries() {
    return house.ledger.read_now([](Reader& db) { return journal_size(db); });
  }
  const std::string path = "/api/v1/export/checkpoint";
};

TEST_F(Earlier, ACheckpointThatThisLedgerHasIsContinued) {
  std::string seen = house.as("auditor", "GET", path).body;
  Response next = ask(seen);
  EXPECT_EQ(next.status, 200) << next.body;
  next = house.as("auditor", "GET", earlier(seen) + "&nonce=00112233445566778899aabbccddeeff");
  EXPECT_EQ(next.status, 200) << next.body;
  EXPECT_NE(next.body, seen);
  EXPECT_EQ(ask(seen).status, 200) << "one of long ago is as good";
  EXPECT_EQ(ask(next.body).status, 200);
  EXPECT_EQ(house.as("operator", "GET", earlier(seen)).status, 403);
  EXPECT_EQ(house.ask(Request("GET", earlier(seen))).status, 401);
  EXPECT_EQ(code_of(house.as("auditor", "GET", "/api/v1/export/journal?earlier=x")), "http.query");
}

TEST_F(Earlier, NothingIsSignedForWhoHoldsWhatThisLedgerDoesNotHave) {
  std::string seen = house.as("auditor", "GET", path).body;
  auto body = read_checkpoint(seen);
  ASSERT_TRUE(body);
  std::uint64_t before = entries();
  const std::string other = "99999999-2222-4333-8444-555555555555";
  std::string unsigned_note = seen.substr(0, seen.find("\n\n") + 2);
  std::string forged = seen;
  forged.insert(forged.find('\n') + 1, "9");
  for (const std::string& note :
       {sign(kHouseStation, body->size + 1, body->root),  // this key signed it: it was put back
        sign(kHouseStation, body->size, Digest{}),        // or it was forked
        sign(kHouseStation, 0, body->root), sign(kHouseStation, UINT64_MAX, body->root),
        sign(other, body->size, body->root),  // of another station, whatever signed it
        forged, unsigned_note, unsigned_note + "\xe2\x80\x94 mintmark/x AAAA\n"}) {
    Response refused = house.as("auditor", "GET", earlier(note) + "&nonce=00112233445566778899aa");
    EXPECT_EQ(refused.status, 409) << note;
    EXPECT_EQ(code_of(refused), "order.checkpoint_unknown") << note;
  }
  EXPECT_EQ(entries(), before) << "no nonce either";
}

TEST_F(Earlier, WhatIsNoCheckpointIsNotUsable) {
  std::string origin = std::string("mintmark/") + kHouseStation + "\n";
  std::string root = base64(Digest{}) + "\n\n";
  std::string seen = house.as("auditor", "GET", path).body;
  std::uint64_t before = entries();
  for (const std::string& note :
       {std::string(), std::string("x"), std::string(1, '\0'), std::string("\xff\xfe"),
        origin + "1\n" + root.substr(1), origin + "1\n" + std::string(44, '*') + "\n\n",
        origin + "-1\n" + root, origin + "01\n" + root, origin + "1e3\n" + root,
        origin + "18446744073709551616\n" + root, origin + "99999999999999999999999999\n" + root,
        origin + root, "\n1\n" + root, "\xef\xbb\xbf" + origin + "1\n", hex(view(seen)),
        base64(view(seen)), seen + std::string(4096, '\n')}) {
    Response refused = ask(note);
    EXPECT_EQ(refused.status, 400) << note;
    EXPECT_EQ(code_of(refused), "http.query") << note;
  }
  EXPECT_EQ(house.as("auditor", "GET", earlier(seen) + "&earlier=x").status, 400);
  EXPECT_EQ(house.as("auditor", "GET", earlier(seen) + "&nonce=zz").status, 400);
  EXPECT_EQ(house.as("auditor", "GET", path + "?earlier=%zz").status, 400);
  EXPECT_EQ(entries(), before);
}

TEST_F(RestTest, EventsBeginWithASnapshotAndEndWithTheStation) {
  Response response = house.as("operator", "GET", "/api/v1/events");
  ASSERT_TRUE(response.stream);
  EXPECT_EQ(response.type, "text/event-stream");
  auto first = house.run(response.stream->next());
  ASSERT_TRUE(first);
  EXPECT_NE(first->find("event: snapshot\ndata: {\"event\":"), std::string::npos) << *first;
  house.desk.close_streams();
  EXPECT_FALSE(house.run(response.stream->next())) << "closed with the station";
}

TEST_F(RestTest, AReaderOfEventsThatFallsBehindIsDropped) {
  std::string lot = "/api/v1/lots/" + house.open_lot("lead", 9);
  Response reads = house.as("operator", "GET", "/api/v1/events");
  Response sleeps = house.as("operator", "GET", "/api/v1/events");
  ASSERT_TRUE(reads.stream && sleeps.stream);
  // Each of the two tells everybody how the station is.
  for (std::size_t i = 0; i <= kBounds.events; i += 2) {
    EXPECT_EQ(house.as("lead", "POST", lot + "/pause").status, 200);
    EXPECT_EQ(house.as("lead", "POST", lot + "/resume").status, 200);
    auto seen = house.run(reads.stream->next());
    ASSERT_TRUE(seen) << "after " << i;
  }
  EXPECT_FALSE(house.run(sleeps.stream->next())) << "and who reads is not";
}

TEST_F(RestTest, DoctorSpeaks) {
  Json body = json_of(house.as("operator", "GET", "/api/v1/doctor"));
  EXPECT_EQ(body["ok"], true);
  EXPECT_EQ(body["checks"][0]["name"], "clock");
}

}  // namespace
}  // namespace mintmark
