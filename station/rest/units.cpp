#include "station/rest/units.hpp"

#include "station/words/crypto.hpp"
#include "station/words/fault.hpp"

namespace mintmark::units {

namespace {

Json or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

// What is known of a unit by its newest run; what came over it later shows in its state.
constexpr std::string_view kUnit =
    "SELECT a.serial, a.lot, u.source, u.hw, "
    "CASE WHEN EXISTS (SELECT 1 FROM retired d WHERE d.unit = u.id) THEN 'retired' "
    "WHEN u.quarantined THEN 'quarantine' WHEN EXISTS (SELECT 1 FROM release e WHERE "
    "e.unit = u.id AND e.last_run >= coalesce(r.rowid, 0)) THEN 'released' "
    "ELSE coalesce(r.ending, 'open') END, "
    "r.ending, r.code, r.next, r.id, a.at, r.ended_at, a.mac, l.opened_by "
    "FROM admission a JOIN unit u ON u.id = a.unit JOIN lot l ON l.id = a.lot "
    "LEFT JOIN run r ON r.id = (SELECT max(id) FROM run WHERE serial = a.serial) ";

Json unit_json(const sqlite::Statement& row) {
  auto ending = row.get<std::string>(5);
  return {{"serial", row.get<std::string>(0)},
          {"lot", row.get<std::string>(1)},
          {"hardware", row.get<std::string>(2) + ":" + row.get<std::string>(3)},
          {"state", row.get<std::string>(4)},
          {"ending", or_null(ending)},
          {"code", or_null(row.get<std::string>(6))},
          {"step", ending.empty() ? or_null(row.get<std::string>(7)) : Json()},
          {"run", or_null(row.get<std::string>(8))},
          {"admitted_at", row.get<std::string>(9)},
          {"ended_at", or_null(row.get<std::string>(10))}};
}

Json run_json(const sqlite::Statement& row) {
  auto ending = row.get<std::string>(7);
  Json args = Json::parse(row.get<std::string>(9), nullptr, false);
  return {{"run", row.get<std::string>(0)},
          {"lot", row.get<std::string>(1)},
          {"slot", row.get<std::string>(2)},
          {"serial", or_null(row.get<std::string>(3))},
          {"hardware", row.get<std::string>(12) + ":" + row.get<std::string>(13)},
          {"model", row.get<std::string>(4)},
          {"firmware", row.get<std::string>(5)},
          {"step", row.get<std::string>(6)},
          {"ending", or_null(ending)},
          {"code", or_null(row.get<std::string>(8))},
          {"args", args.is_object() ? args : Json::object()},
          {"begun_at", row.get<std::string>(10)},
          {"ended_at", or_null(row.get<std::string>(11))},
          {"opened_by", row.get<std::string>(14)}};
}

Json labels_of(Reader& db, const std::string& serial) {
  Json out = Json::array();
  auto rows = db.query(
      "SELECT a.place, a.attempt, a.at, a.run, a.actor, coalesce((SELECT max(event) FROM "
      "label_event e WHERE e.serial = a.serial AND e.place = a.place AND e.attempt = a.attempt), "
      "'sent') FROM label_attempt a WHERE a.serial = ? ORDER BY a.place, a.attempt",
      serial);
  while (rows.step())
    out.push_back({{"place", rows.get<std::string>(0)},
                   {"attempt", rows.get<int>(1)},
                   {"state", rows.get<std::string>(5)},
                   {"at", rows.get<std::string>(2)},
                   {"run", rows.get<std::string>(3)},
                   {"actor", rows.get<std::string>(4)}});
  return out;
}

Json runs_of(Reader& db, const std::string& serial) {
  Json out = Json::array();
  auto rows = db.query("SELECT id FROM run WHERE serial = ? ORDER BY id", serial);
  while (rows.step()) out.push_back(run(db, rows.get<std::string>(0)));
  return out;
}

// How its newest password was made, as the entry of its mint says; empty before.
std::string derivation_of(Reader& db, const std::string& serial) {
  auto entry = db.value<std::string>(
      "SELECT CAST(j.bytes AS TEXT) FROM journal j JOIN run r ON r.id = j.run WHERE r.serial = ? "
      "AND j.type = 'credential.mint' ORDER BY j.seq DESC LIMIT 1",
      serial);
  if (!entry) return {};
  Json minted = Json::parse(*entry, nullptr, false);
  for (const Json& one : minted["credentials"])
    if (one.value("derivation", "") == "keyed") return "keyed";
  return "random";
}

Fault unknown(const std::string& serial) {
  return Fault("unit.unknown", {{"serial", serial.substr(0, 32)}});
}

}  // namespace

Json page(Reader& db, const std::string& lot, const std::string& opened_by,
          const std::string& after, int limit) {
  auto rows = db.query(
      std::string(kUnit) +
          "WHERE (?1 = '' OR a.lot = ?1) AND (?2 = '' OR l.opened_by = ?2) AND a.serial > ?3 "
          "ORDER BY a.serial LIMIT ?4",
      lot, opened_by, after, limit + 1);
  Json list = Json::array();
  Json next;
  while (rows.step()) {
    if (list.size() == static_cast<std::size_t>(limit)) {
      next = list.back()["serial"];
      break;
    }
    list.push_back(unit_json(rows));
  }
  return {{"units", list}, {"next", next}};
}

Json one(Reader& db, const std::string& serial) {
  auto rows = db.query(std::string(kUnit) + "WHERE a.serial = ?", serial);
  if (!rows.step()) throw unknown(serial);
  Json out = unit_json(rows);
  out["mac"] = or_null(rows.get<std::string>(11));
  out["opened_by"] = rows.get<std::string>(12);
  out["runs"] = runs_of(db, serial);
  out["labels"] = labels_of(db, serial);
  auto digest = db.value<Bytes>(
      "SELECT sha256 FROM certificate WHERE serial = ? ORDER BY rowid DESC LIMIT 1", serial);
  out["derivation"] = or_null(derivation_of(db, serial));
  out["certificate_sha256"] = digest ? Json(hex(*digest)) : Json();
  return out;
}

Json run(Reader& db, const std::string& id) {
  auto rows = db.query(
      "SELECT r.id, r.lot, r.slot, r.serial, r.model, r.firmware, r.next, r.ending, r.code, "
      "r.args, "
      "r.begun_at, r.ended_at, u.source, u.hw, l.opened_by FROM run r JOIN unit u ON u.id = r.unit "
      "JOIN lot l ON l.id = r.lot WHERE r.id = ?",
      id);
  if (!rows.step()) throw Fault("run.unknown", {{"run", id.substr(0, 36)}});
  return run_json(rows);
}

Bytes certificate(Reader& db, const std::string& serial) {
  auto der = db.value<Bytes>(
      "SELECT der FROM certificate WHERE serial = ? ORDER BY rowid DESC LIMIT 1", serial);
  if (!der) throw unknown(serial);
  return *der;
}

std::vector<std::string> certified(Reader& db) {
  std::vector<std::string> out;
  auto rows = db.query("SELECT DISTINCT serial FROM certificate ORDER BY serial");
  while (rows.step()) out.push_back(rows.get<std::string>(0));
  return out;
}

}  // namespace mintmark::units
