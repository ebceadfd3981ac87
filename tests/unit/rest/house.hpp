// A whole house for requests: a real token, a real ledger, a line without slots.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <memory>

#include "station/ledger/lots.hpp"
#include "station/rest/rest.hpp"
#include "station/words/clock.hpp"
#include "station/words/crypto.hpp"
#include "tests/unit/hsm/softhsm.hpp"

namespace mintmark {

inline constexpr const char* kHouseStation = "11111111-2222-4333-8444-555555555555";

inline Birth test_birth(Vault& vault) {
  Birth birth;
  birth.station = kHouseStation;
  birth.ledger = "11111111-2222-4333-8444-666666666666";
  birth.demo = true;
  birth.owner_key = Bytes(32, 7);
  birth.fingerprint_check = vault.check_value();
  birth.journal_key = vault.journal_public_key();
  birth.ca = Bytes(64, 1);
  birth.created_by = "test";
  birth.created_at = utc_now();
  return birth;
}

inline std::string make_ledger(const std::filesystem::path& directory, Vault& vault) {
  std::string path = (directory / "ledger.db").string();
  Ledger::create(path, test_birth(vault));
  return path;
}

class House {
 public:
  House()
      : vault(token.config(2)),
        pool(2),
        ledger(make_ledger(directory.path(), vault)),
        sink((directory.path() / "labels").string(), true),
        line(io.get_executor(), services(), std::vector<SlotConfig>()),
        desk(line, services()),
        rest(desk) {
    desk.station = kHouseStation;
    desk.demo = true;
    desk.owner_key = Bytes(32, 7);
    desk.ca_name = "House CA";
    desk.hosts = {"localhost", "127.0.0.1", "station-1.example"};
    desk.doctor = []() -> Task<std::vector<Check>> {
      std::vector<Check> checks(1, Check("clock", true, "It is now."));
      co_return checks;
    };
    people_for_each_role();
  }

  Services services() { return Services(vault, pool, ledger, sink); }

  template <class T>
  T run(Task<T> task) {
    std::optional<T> out;
    std::exception_ptr error;
    asio::co_spawn(io, std::move(task), [&](std::exception_ptr failed, T value) {
      error = failed;
      out.emplace(std::move(value));
    });
    io.restart();
    while (!out && !error) io.run_one();
    if (error) std::rethrow_exception(error);
    return std::move(*out);
  }

  Response ask(Request request) { return run(rest.handle(std::move(request))); }
  // As somebody, over the Unix socket, by a token.
  Response as(const std::string& name, const std::string& method, const std::string& target,
              const std::string& body = {}) {
    Request request(method, target, body);
    request.authorization = "Bearer " + token_of(name);
    if (!body.empty()) request.content_type = "application/json";
    return ask(std::move(request));
  }
  static std::string token_of(const std::string& name) { return "token-of-" + name; }

  void add(const std::string& name, std::set<Role> roles, std::optional<unsigned> uid = {}) {
    Person person;
    person.name = name;
    person.roles = std::move(roles);
    person.uid = uid;
    Digest digest = sha256(view(token_of(name)));
    ledger.transact_now([&](Transaction& db) { people::add(db, Actor("test"), person, digest); });
  }

  // All officers from now on. A roster must be later than the one before it, which two of one
  // millisecond need not be.
  void appoint(const std::vector<std::string>& officers) {
    Roster roster;
    roster.id = "01900000-0000-7000-8000-00000000000" + std::to_string(++rosters_);
    roster.station = kHouseStation;
    for (const std::string& name : officers)
      roster.officers.emplace_back(name, hex(sha256(view(token_of(name)))));
    roster.bytes = to_bytes(view("{}"));
    roster.signature = Bytes(64, 0);
    ledger.transact_now([&](Transaction& db) { people::apply_roster(db, Actor("test"), roster); });
  }

  // A lot as an order of nobody's key opened it: what it makes does not matter here.
  std::string open_lot(const std::string& by, int number) {
    Order order;
    order.id = uuid_v7(vault.random(16));
    order.station = kHouseStation;
    order.product_name = "Lamp";
    order.product_number = number;
    order.product_sha256 = hex(sha256(view("name = \"Lamp\"")));
    order.quantity = 5;
    order.serials = {
        {"S" + std::to_string(number) + "-0001", "S" + std::to_string(number) + "-0009"}};
    order.not_after = "2099-01-01";
    order.kind = "trial";
    order.bytes = to_bytes(view("{}"));
    order.signature = Bytes(64, 0);
    std::string lot = uuid_v7(vault.random(16));
    ledger.transact_now([&](Transaction& db) {
      lots::open(db, Actor(by), order, lot, "name = \"Lamp\"", {{"device", "^XA^XZ"}}, "seal");
    });
    return lot;
  }

  TemporaryDirectory directory;
  SoftToken token;
  asio::io_context io;
  Vault vault;
  asio::thread_pool pool;
  Ledger ledger;
  SpoolSink sink;
  Line line;
  Desk desk;
  Rest rest;

 private:
  int rosters_ = 0;
  void people_for_each_role() {
    add("operator", {Role::op});
    add("lead", {Role::lead});
    add("integrator", {Role::integrator});
    add("auditor", {Role::auditor});
    appoint({"officer"});
  }
};

inline Json json_of(const Response& response) { return Json::parse(response.body); }
inline std::string code_of(const Response& response) { return json_of(response)["code"]; }
inline std::string header_of(const Response& response, const std::string& name) {
  for (const auto& [key, value] : response.headers)
    if (key == name) return value;
  return {};
}

}  // namespace mintmark
