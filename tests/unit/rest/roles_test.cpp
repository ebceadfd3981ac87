// Who may do what, written out a second time: a route that opens to a role by mistake fails here.
#include "tests/unit/rest/house.hpp"

namespace mintmark {
namespace {

struct Row {
  const char *method, *target, *body,
      *roles;  // o l f i a: operator lead officer integrator auditor
};

constexpr const char* kId = "01890000-0000-7000-8000-000000000000";

const Row kRows[] = {
    {"GET", "/api/v1/doctor", "", "olfia"},
    {"GET", "/api/v1/session", "", "olfia"},
    {"DELETE", "/api/v1/session", "", "olfia"},
    {"GET", "/api/v1/slots", "", "olfa"},
    {"GET", "/api/v1/events", "", "olfa"},
    {"POST", "/api/v1/slots/9/resume", "{}", "l"},
    {"GET", "/api/v1/lots", "", "olfia"},
    {"GET", "/api/v1/lots/ID", "", "olfia"},
    {"POST", "/api/v1/lots", "{}", "lfi"},
    {"POST", "/api/v1/lots/ID/close", "{}", "l"},
    {"POST", "/api/v1/lots/ID/pause", "{}", "l"},
    {"POST", "/api/v1/lots/ID/resume", "{}", "l"},
    {"GET", "/api/v1/units", "", "olfia"},
    {"GET", "/api/v1/units/NONE-1", "", "olfia"},
    {"GET", "/api/v1/runs/ID", "", "olfia"},
    {"POST", "/api/v1/runs/ID/abandon", "{}", "l"},
    {"POST", "/api/v1/scan", "{}", "o"},
    {"POST", "/api/v1/labels/void", "{}", "l"},
    {"POST", "/api/v1/labels/lost", "{}", "ol"},
    {"GET", "/api/v1/export/journal", "", "la"},
    {"GET", "/api/v1/export/checkpoint", "", "la"},
    {"GET", "/api/v1/export/checkpoint.vkey", "", "la"},
    {"GET", "/api/v1/export/units.csv", "", "la"},
    {"GET", "/api/v1/export/certs", "", "la"},
    {"GET", "/api/v1/export/certs/NONE-1", "", "la"},
    {"GET", "/api/v1/export/ca-chain", "", "la"},
    {"GET", "/api/v1/export/denied.crl?until=0", "", "la"},
    {"GET", "/api/v1/acts", "", "lfa"},
    {"POST", "/api/v1/acts", "{}", "f"},
    {"POST", "/api/v1/acts/ID/confirm", "{}", "f"},
    {"POST", "/api/v1/acts/ID/withdraw", "{}", "f"},
    {"POST", "/api/v1/acts/ID/take", "{}", "f"},
    {"GET", "/api/v1/export/handovers", "", "la"},
    {"GET", "/api/v1/ca/request", "", "lf"},
    {"POST", "/api/v1/ca", "{}", "lf"},
    {"GET", "/api/v1/escrow", "", "lfa"},
    {"GET", "/api/v1/persons", "", "lfa"},
    {"POST", "/api/v1/persons", "{}", "lf"},
    {"DELETE", "/api/v1/persons/nobody", "", "lf"},
    {"PUT", "/api/v1/roster", "{}", "lf"},
};

std::string target_of(const Row& row) {
  std::string out = row.target;
  if (std::size_t at = out.find("ID"); at != std::string::npos) out.replace(at, 2, kId);
  return out;
}

TEST(Roles, EachRouteOpensToItsRolesAndNoOther) {
  House house;
  const std::pair<char, const char*> roles[] = {
      {'o', "operator"}, {'l', "lead"}, {'f', "officer"}, {'i', "integrator"}, {'a', "auditor"}};
  for (const Row& row : kRows) {
    std::string what = std::string(row.method) + " " + row.target;
    for (auto [letter, name] : roles) {
      Response response = house.as(name, row.method, target_of(row), row.body);
      bool open = std::string(row.roles).find(letter) != std::string::npos;
      EXPECT_EQ(response.status != 403, open) << what << " as " << name << ": " << response.body;
      EXPECT_NE(response.status, 401) << what << " as " << name;
      EXPECT_NE(response.status, 500) << what << " as " << name << ": " << response.body;
    }
    Request nobody(row.method, target_of(row), row.body);
    nobody.content_type = "application/json";
    Response response = house.ask(nobody);
    EXPECT_EQ(response.status, 401) << what;
    EXPECT_EQ(header_of(response, "WWW-Authenticate").substr(0, 6), "Bearer");
  }
}

TEST(Roles, TheTableHereIsWhole) {
  std::size_t closed = 0;
  for (const Route& route : routes()) closed += route.roles != kPublic ? 1 : 0;
  EXPECT_EQ(closed, std::size(kRows));
}

}  // namespace
}  // namespace mintmark
