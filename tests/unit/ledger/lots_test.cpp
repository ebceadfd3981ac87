// Orders, lots, people: what the owner signed, and nothing else.
#include <ctime>

#include "station.hpp"
#include "station/ledger/pools.hpp"
#include "station/words/clock.hpp"
#include "station/words/crypto.hpp"

namespace mintmark::test {

static std::string field_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Fault& fault) {
    auto field = fault.args().find("field");
    return fault.code() + (field == fault.args().end() ? "" : " " + field->second);
  }
  return "";
}

TEST(Order, IsReadWhole) {
  Station station;
  Json json = station.order_json(10, 2);
  json["serials"].push_back("LAST-1");
  json["macs"] = Json::array({"02:00:00:00:00:01"});
  Order order = station.order(json);
  EXPECT_EQ(order.product_number, 7);
  EXPECT_EQ(order.quantity, 10);
  EXPECT_EQ(order.spares, 2);
  ASSERT_EQ(order.serials.size(), 2u);
  EXPECT_EQ(order.serials[0].second, "SN-000200");
  EXPECT_EQ(order.serials[1].first, "LAST-1");
  EXPECT_EQ(order.macs.size(), 1u);
  EXPECT_EQ(order.signature.size(), 64u);
  EXPECT_FALSE(order.serials_from_mes);
}

TEST(Order, EveryBadFieldIsNamed) {
  Station station;
  auto with = [&](const std::string& pointer, const Json& value) {
    Json json = station.order_json(10, 2);
    json[Json::json_pointer(pointer)] = value;
    return field_of([&] { station.order(json); });
  };
  auto without = [&](const std::string& key) {
    Json json = station.order_json(10, 2);
    json.erase(key);
    return field_of([&] { station.order(json); });
  };
  EXPECT_EQ(with("/surprise", 1), "order.malformed surprise");
  EXPECT_EQ(with("/product/surprise", 1), "order.malformed product.surprise");
  EXPECT_EQ(with("/order", "x"), "order.malformed order");
  EXPECT_EQ(with("/order", station.birth.station), "order.malformed order");  // a version 4
  EXPECT_EQ(with("/quantity", 0), "order.malformed quantity");
  EXPECT_EQ(with("/quantity", 1.5), "order.malformed quantity");
  EXPECT_EQ(with("/quantity", "10"), "order.malformed quantity");
  EXPECT_EQ(with("/quantity", 18446744073709551615u), "order.malformed quantity");
  EXPECT_EQ(with("/spares", -1), "order.malformed spares");
  EXPECT_EQ(with("/product/sha256", "AB"), "order.malformed product.sha256");
  EXPECT_EQ(with("/product", 1), "order.malformed product");
  EXPECT_EQ(with("/serials", Json::array()), "order.malformed serials");
  EXPECT_EQ(with("/serials", "all"), "order.malformed serials");
  EXPECT_EQ(with("/serials/0/last", "SN-000000"), "order.malformed serials[0]");
  EXPECT_EQ(with("/serials/0/last", "SX-000009"), "order.malformed serials[0]");
  EXPECT_EQ(with("/serials/0/last", "SN-0000009"), "order.malformed serials[0]");
  EXPECT_EQ(with("/serials/0/step", 2), "order.malformed serials[0].step");
  EXPECT_EQ(with("/serials/0", "lower"), "order.malformed serials[0]");
  EXPECT_EQ(with("/serials/0", Json{{"first", "S000000001"}, {"last", "S999999999"}}),
            "order.malformed serials[0]");
  EXPECT_EQ(with("/macs", Json::array({"01:00:00:00:00:01"})), "order.malformed macs[0]");
  EXPECT_EQ(with("/macs", Json::array({"02:00:00:00:00"})), "order.malformed macs[0]");
  EXPECT_EQ(with("/not_after", "2999-02-30"), "order.malformed not_after");
  EXPECT_EQ(with("/not_after", "2999-01-01T25:00:00Z"), "order.malformed not_after");
  EXPECT_EQ(with("/kind", "gift"), "order.malformed kind");
  for (const char* key :
       {"order", "station", "product", "quantity", "spares", "serials", "not_after", "kind"})
    EXPECT_EQ(without(key), std::string("order.malformed ") + key);
}

TEST(Order, ForgedForeignExpiredOrStrange) {
  Station station;
  auto read = [&](const std::string& bytes, const std::string& signature) {
    return field_of([&] {
      read_order(view(bytes), signature, station.birth.owner_key, station.birth.station);
    });
  };
  auto sign = [&](const std::string& bytes) { return base64(station.owner.sign(view(bytes))); };
  std::string good = station.order_json(10, 2).dump();
  EXPECT_EQ(read(good, sign(good)), "");
  EXPECT_EQ(read(good, sign(good) + "\n"), "");
  EXPECT_EQ(read(good + " ", sign(good)), "order.signature");
  EXPECT_EQ(read(good, ""), "order.signature");
  EXPECT_EQ(read(good, base64(Bytes(64))), "order.signature");
  Ed25519 stranger;
  EXPECT_EQ(read(good, base64(stranger.sign(view(good)))), "order.signature");
  Json json = station.order_json(10, 2);
  json["station"] = "5f0c2f0e-8f4e-4c0e-9a3f-000000000000";
  EXPECT_EQ(read(json.dump(), sign(json.dump())), "order.station");
  json = station.order_json(10, 2);
  json["not_after"] = "2020-01-01";
  EXPECT_EQ(read(json.dump(), sign(json.dump())), "order.expired");
  json["not_after"] = "2020-01-01T00:00:00Z";
  EXPECT_EQ(read(json.dump(), sign(json.dump())), "order.expired");
  json["not_after"] = "2999-01-01T00:00:00Z";
  EXPECT_EQ(read(json.dump(), sign(json.dump())), "");
  std::string twice = good.substr(0, good.size() - 1) + ",\"quantity\":99}";
  EXPECT_EQ(read(twice, sign(twice)), "order.malformed ");
  std::string deep = std::string(100000, '[');
  EXPECT_EQ(read(deep, sign(deep)), "order.malformed ");
  EXPECT_EQ(read("[]", sign("[]")), "order.malformed ");
  EXPECT_EQ(read("", sign("")), "order.malformed ");
}

TEST(Lot, OneOrderOneLotOnce) {
  Station station;
  Order order = station.order(5, 1);
  std::string lot = station.open_lot(order);
  EXPECT_EQ(fault_of([&] { station.open_lot(order); }), "order.used");
  EXPECT_EQ(fault_of([&] { station.open_lot(3); }), "lot.product_open");
  auto orders =
      station.read([](Reader& db) { return db.value<int>("SELECT count(*) FROM orders"); });
  EXPECT_EQ(orders, 1);
  station.write([&](Transaction& db) { lots::close(db, alice(), lot); });
  EXPECT_EQ(fault_of([&] { station.open_lot(order); }), "order.used");
  station.open_lot(3);
  auto all = station.read([](Reader& db) { return lots::list(db); });
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].state, "closed");
  EXPECT_EQ(all[1].product_toml, kProduct);
  ASSERT_EQ(all[1].templates.size(), 1u);
  EXPECT_EQ(all[1].templates[0].second, "^XA^XZ");
  EXPECT_EQ(fault_of([&] { station.read([](Reader& db) { lots::get(db, "x"); }); }), "lot.unknown");
}

TEST(Lot, TheProductIsTheOneOrdered) {
  Station station;
  Order order = station.order(5);
  auto open = [&] {
    station.write([&](Transaction& db) {
      lots::open(db, alice(), order, uuid7(), kProduct + "#", {}, "key");
    });
  };
  EXPECT_EQ(fault_of(open), "order.product_differs");
  EXPECT_EQ(station.types(), std::vector<std::string>{"ledger.birth"});
}

TEST(Lot, ClosesOnlyWithoutOpenRunsAndForEver) {
  Station station;
  std::string lot = station.open_lot(5);
  auto run = station.begin(lot, "aa01");
  auto close = [&] { station.write([&](Transaction& db) { lots::close(db, alice(), lot); }); };
  EXPECT_EQ(fault_of(close), "lot.open_runs");
  station.write([&](Transaction& db) {
    runs::end(db, alice(), run, Ending::abandoned, "run.abandoned", {});
  });
  close();
  EXPECT_EQ(fault_of(close), "lot.closed");
  EXPECT_EQ(fault_of([&] { station.begin(lot, "aa02"); }), "lot.closed");
  EXPECT_NE(station.intrude("UPDATE lot SET state = 'open'"), "");
}

TEST(Lot, PauseAndStop) {
  Station station;
  std::string lot = station.open_lot(5);
  auto run = station.begin(lot, "aa01");
  station.write([&](Transaction& db) { lots::pause(db, self(), lot, "reset.marker_kept"); });
  EXPECT_EQ(fault_of([&] { station.begin(lot, "aa02"); }), "lot.paused");
  station.write([&](Transaction& db) { lots::resume(db, alice(), lot); });
  station.begin(lot, "aa02");
  station.write([&](Transaction& db) {
    lots::stop_issuing(db, self(), "rng.duplicate", "seen before");
    lots::stop_issuing(db, self(), "rng.broken", "later");
  });
  station.reopen();
  EXPECT_EQ(station.read([](Reader& db) { return lots::stopped(db); }), "rng.duplicate");
  EXPECT_EQ(fault_of([&] { station.begin(lot, "aa03"); }), "station.stopped");
  auto admit = [&] { station.write([&](Transaction& db) { runs::admit(db, run); }); };
  EXPECT_EQ(fault_of(admit), "station.stopped");
  auto mint = [&] {
    station.write([&](Transaction& db) { runs::mint(db, run, Bytes(16), {password()}, 3); });
  };
  EXPECT_EQ(fault_of(mint), "station.stopped");
  Act act;
  act.kind = "station.resume";
  act.subject = "rng.broken";
  auto resume = [&] {
    station.write([&](Transaction& db) { lots::resume_issuing(db, alice(), act); });
  };
  EXPECT_EQ(fault_of(resume), "station.not_stopped") << "the first reason is the one that counts";
  act.subject = "rng.duplicate";
  resume();
  admit();
}

TEST(Lot, TheOwnersCheckpointMustBeOurs) {
  Station station, other;
  auto with = [&](const std::string& note) {
    Json json = station.order_json(5, 0);
    json["owner_checkpoint"] = note;
    return fault_of([&] { station.open_lot(station.order(json)); });
  };
  EXPECT_EQ(with(other.ledger->checkpoint_now(other.signer()).note), "order.checkpoint_unknown");
  EXPECT_EQ(with("nonsense"), "order.checkpoint_unknown");
  // Rightly signed, of a journal that this ledger does not have: it was rolled back.
  Digest root = random_digest();
  std::string text = checkpoint_text(station.birth.station, 99, root);
  std::string lost =
      sign_note(station.birth.station, station.birth.journal_key, text, station.signer());
  EXPECT_EQ(with(lost), "order.checkpoint_unknown");
  EXPECT_EQ(with(station.ledger->checkpoint_now(station.signer()).note), "");
}

TEST(Pools, RangesCount) {
  EXPECT_EQ(pools::count_serials({"SN-0001", "SN-0200"}), 200u);
  EXPECT_EQ(pools::count_serials({"A", "A"}), 1u);
  EXPECT_FALSE(pools::count_serials({"A", "B"}));
  EXPECT_EQ(pools::count_serials({"0009", "0010"}), 2u);
  EXPECT_EQ(pools::serial_at("SN-0099", 1), "SN-0100");
  EXPECT_EQ(pools::serial_at("99999999999999999999", 0), "99999999999999999999");
  EXPECT_EQ(pools::count_macs({"02:00:00:00:00:00", "02:00:00:FF:FF:FF"}), 1u << 24);
  EXPECT_FALSE(pools::count_macs({"02:00:00:00:00:00", "02:00:01:00:00:00"}));
  EXPECT_FALSE(pools::is_mac("02:00:00:00:00:0g"));
  EXPECT_FALSE(pools::is_mac("02:00:00:00:00:aa"));
}

struct PeopleTest : testing::Test {
  Station station;
  std::string add(const std::string& name, std::set<Role> roles, const std::string& token,
                  std::optional<unsigned> uid = {}) {
    Person person;
    person.name = name;
    person.roles = std::move(roles);
    person.uid = uid;
    return fault_of([&] {
      station.write(
          [&](Transaction& db) { people::add(db, alice(), person, sha256(view(token))); });
    });
  }
  std::optional<Person> by_token(const std::string& token) {
    return station.read([&](Reader& db) { return people::by_token(db, token); });
  }
  Roster roster(const std::vector<std::pair<std::string, std::string>>& officers,
                const std::string& id = uuid7()) {
    Json list = Json::array();
    for (const auto& [name, token] : officers)
      list.push_back(Json{{"name", name}, {"credential", hex(sha256(view(token)))}});
    Json json = {{"roster", id},
                 {"station", station.birth.station},
                 {"solo", officers.size() == 1},
                 {"not_after", "2999-01-01"},
                 {"officers", list}};
    std::string bytes = json.dump();
    return read_roster(view(bytes), base64(station.owner.sign(view(bytes))),
                       station.birth.owner_key, station.birth.station);
  }
  std::string apply(const Roster& roster) {
    return fault_of([&] {
      station.write([&](Transaction& db) { people::apply_roster(db, alice(), roster); });
    });
  }
};

TEST_F(PeopleTest, AreFoundByTheirCredential) {
  EXPECT_EQ(add("bob", {Role::op, Role::lead}, "t1", 1000), "");
  auto bob = by_token("t1");
  ASSERT_TRUE(bob);
  EXPECT_TRUE(bob->may(Role::lead));
  EXPECT_FALSE(bob->may(Role::auditor));
  EXPECT_EQ(bob->created_by, "alice");
  EXPECT_FALSE(by_token("t2"));
  EXPECT_EQ(station.read([](Reader& db) { return people::by_uid(db, 1000)->name; }), "bob");
  station.write([](Transaction& db) { people::set_token(db, alice(), "bob", sha256(view("t2"))); });
  EXPECT_FALSE(by_token("t1"));
  EXPECT_TRUE(by_token("t2"));
  station.write([](Transaction& db) { people::remove(db, alice(), "bob"); });
  EXPECT_FALSE(by_token("t2"));
  EXPECT_FALSE(station.read([](Reader& db) { return people::by_uid(db, 1000).has_value(); }));
  EXPECT_EQ(add("bob", {Role::op}, "t3"), "person.exists");
  Bytes file = station.read([](Reader& db) {
    return *db.value<Bytes>("SELECT CAST(group_concat(bytes, '') AS BLOB) FROM journal");
  });
  EXPECT_EQ(text(file).find("t1\""), std::string_view::npos);
}

TEST_F(PeopleTest, WhoMayNotBeAdded) {
  EXPECT_EQ(add("Bob", {Role::op}, "t"), "person.malformed");
  EXPECT_EQ(add("", {Role::op}, "t"), "person.malformed");
  EXPECT_EQ(add("station", {Role::op}, "t"), "person.malformed");
  EXPECT_EQ(add("bob", {}, "t"), "person.malformed");
  EXPECT_EQ(add("bob", {Role::officer}, "t"), "person.role");
  EXPECT_EQ(add("bob", {Role::op}, "t", 5), "");
  EXPECT_EQ(add("eve", {Role::op}, "t"), "person.exists");
  EXPECT_EQ(add("eve", {Role::op}, "u", 5), "person.exists");
  EXPECT_EQ(fault_of([&] {
              station.write([](Transaction& db) { people::remove(db, alice(), "nobody"); });
            }),
            "person.unknown");
}

TEST_F(PeopleTest, OfficersComeAndGoByRoster) {
  add("bob", {Role::op}, "b");
  std::string older = uuid7();
  Roster first = roster({{"olga", "o"}, {"bob", "b2"}});
  EXPECT_EQ(apply(first), "");
  EXPECT_EQ(apply(first), "roster.used");
  EXPECT_EQ(apply(roster({{"eve", "e"}}, older)), "roster.used");
  EXPECT_TRUE(by_token("o")->may(Role::officer));
  EXPECT_EQ(by_token("o")->created_by, "owner");
  EXPECT_TRUE(by_token("b2")->may(Role::officer));
  EXPECT_TRUE(by_token("b2")->may(Role::op));
  EXPECT_FALSE(station.read([](Reader& db) { return people::solo(db); }));
  EXPECT_EQ(fault_of([&] {
              station.write([](Transaction& db) {
                people::set_token(db, alice(), "olga", sha256(view("mine")));
              });
            }),
            "person.role");
  EXPECT_EQ(apply(roster({{"pia", "p"}})), "");
  EXPECT_TRUE(station.read([](Reader& db) { return people::solo(db); }));
  EXPECT_FALSE(by_token("o"));
  EXPECT_FALSE(by_token("b2"));
  auto bob = station.read([](Reader& db) { return people::by_name(db, "bob"); });
  ASSERT_TRUE(bob);
  EXPECT_EQ(bob->roles, std::set<Role>{Role::op});
}

TEST_F(PeopleTest, RostersAreReadStrictly) {
  EXPECT_EQ(fault_of([&] { roster({{"olga", "o"}, {"olga", "p"}}); }), "roster.malformed");
  EXPECT_EQ(fault_of([&] { roster({{"olga", "o"}, {"pia", "o"}}); }), "roster.malformed");
  EXPECT_EQ(fault_of([&] { roster({}); }), "roster.malformed");
  EXPECT_EQ(fault_of([&] { roster({{"Olga", "o"}}); }), "roster.malformed");
  EXPECT_EQ(fault_of([&] { roster({{"olga", "o"}}, "x"); }), "roster.malformed");
  EXPECT_EQ(fault_of([&] {
              read_roster(view("{}"), base64(Bytes(64)), station.birth.owner_key,
                          station.birth.station);
            }),
            "roster.signature");
}

TEST(ClockDoubt, IsSaidBeforeALotIsOpened) {
  auto now = static_cast<std::int64_t>(std::time(nullptr));
  constexpr std::int64_t kYear = 366 * 86400LL;
  EXPECT_EQ(clock_doubt(now, utc(now), now), "");
  EXPECT_EQ(clock_doubt(now, utc(now + 60), now + 60), "") << "a little is nobody's fault";
  EXPECT_NE(clock_doubt(7, "", 0), "") << "no battery";
  EXPECT_NE(clock_doubt(now + 30 * kYear, "", 0), "");
  EXPECT_NE(clock_doubt(now, utc(now + 7200), 0), "");
  EXPECT_NE(clock_doubt(now, "", now + 2 * 86400), "");
  Station station;
  Json order = station.order_json(3, 0);
  order["order"] = "7fffffff-ffff-7000-8000-000000000000";  // of the year 6429
  EXPECT_EQ(fault_of([&] { station.open_lot(station.order(order)); }), "clock.wrong");
}

}  // namespace mintmark::test
