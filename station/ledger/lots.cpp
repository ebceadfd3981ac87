#include "station/ledger/lots.hpp"

#include <ctime>

#include "station/ledger/pools.hpp"
#include "station/ledger/signers.hpp"
#include "station/ledger/symbols.hpp"
#include "station/words/clock.hpp"
#include "station/words/crypto.hpp"
#include "station/words/fault.hpp"

namespace mintmark::lots {

static Json product_of(const Order& order) {
  return {{"name", order.product_name},
          {"number", order.product_number},
          {"sha256", order.product_sha256}};
}

// The owner has seen a checkpoint: this ledger must be the one that signed it, and still know it.
static void must_know_checkpoint(Reader& db, const Order& order) {
  if (order.owner_checkpoint.empty() || signers::knows(db, order.owner_checkpoint)) return;
  throw Fault("order.checkpoint_unknown", {{"order", order.id}});
}

// Records keep their order whatever the clock says; but dates on what is made now must be right.
static void must_have_clock(Reader& db, const Order& order) {
  auto newest = db.value<Bytes>("SELECT bytes FROM journal ORDER BY seq DESC LIMIT 1");
  Json entry = Json::parse(newest.value_or(Bytes{}), nullptr, false);
  std::string at = entry.is_object() ? entry.value("at", "") : "";
  std::string doubt = clock_doubt(std::time(nullptr), at, uuid_v7_time(order.id));
  if (!doubt.empty()) throw Fault("clock.wrong", {{"now", utc_now()}, {"reason", doubt}});
}

static void accept(Transaction& db, const Actor& actor, const Order& order) {
  if (db.exists("SELECT 1 FROM orders WHERE id = ?", order.id) ||
      pools::is_spent(db, "order", order.id))
    throw Fault("order.used", {{"order", order.id}});
  must_know_checkpoint(db, order);
  pools::must_be_unspent(db, order.serials, order.macs);
  db.exec(
      "INSERT INTO orders (id, kind, bytes, signature, accepted_by, accepted_at) "
      "VALUES (?, ?, ?, ?, ?, ?)",
      order.id, order.kind, order.bytes, order.signature, actor.name, utc_now());
  db.journal(actor, "order.accept",
             {{"order", order.id},
              {"kind", order.kind},
              {"product", product_of(order)},
              {"quantity", order.quantity},
              {"spares", order.spares},
              {"not_after", order.not_after},
              {"sha256", hex(sha256(order.bytes))},
              {"signature", base64(order.signature)}});
}

static void must_be_free(Reader& db, const Order& order, const std::string& product_toml) {
  if (hex(sha256(view(product_toml))) != order.product_sha256)
    throw Fault("order.product_differs", {{"product", order.product_name}});
  auto other = db.value<std::string>(
      "SELECT id FROM lot WHERE product_number = ? AND state <> "
      "'closed'",
      order.product_number);
  if (other)
    throw Fault("lot.product_open",
                {{"lot", *other}, {"number", std::to_string(order.product_number)}});
}

static Json freeze_templates(Transaction& db, const std::string& lot,
                             const std::vector<std::pair<std::string, std::string>>& templates) {
  Json out = Json::array();
  for (const auto& [place, zpl] : templates) {
    db.exec("INSERT INTO lot_template (lot, place, zpl) VALUES (?, ?, ?)", lot, place, zpl);
    out.push_back({{"place", place}, {"sha256", hex(sha256(view(zpl)))}});
  }
  return out;
}

static void insert(Transaction& db, const Actor& actor, const Order& order, const std::string& lot,
                   const std::string& product_toml, const std::string& seal_key) {
  db.exec(
      "INSERT INTO lot (id, order_id, product_name, product_number, quantity, spares, "
      "product_toml, seal_key, serials_from_mes, opened_by, opened_at, state) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'open')",
      lot, order.id, order.product_name, order.product_number, order.quantity, order.spares,
      product_toml, seal_key, order.serials_from_mes, actor.name, utc_now());
  pools::fill(db, lot, order.serials, order.macs);
}

Lot open(Transaction& db, const Actor& actor, const Order& order, const std::string& lot,
         const std::string& product_toml,
         const std::vector<std::pair<std::string, std::string>>& templates,
         const std::string& seal_key) {
  must_have_clock(db, order);
  accept(db, actor, order);
  must_be_free(db, order, product_toml);
  insert(db, actor, order, lot, product_toml, seal_key);
  Json frozen = freeze_templates(db, lot, templates);
  db.journal(actor, "lot.open",
             {{"lot", lot},
              {"order", order.id},
              {"kind", order.kind},
              {"product", product_of(order)},
              {"templates", std::move(frozen)},
              {"quantity", order.quantity},
              {"spares", order.spares},
              {"seal_key", seal_key}});
  return get(db, lot);
}

static constexpr std::string_view kLot =
    "SELECT l.id, l.order_id, o.kind, l.product_name, l.product_number, l.state, l.pause_code, "
    "l.quantity, l.spares, l.admitted, l.product_toml, l.seal_key, l.opened_by, l.opened_at, "
    "l.closed_at FROM lot l JOIN orders o ON o.id = l.order_id ";

static int count(Reader& db, std::string_view sql, const std::string& lot) {
  return db.value<int>(sql, lot).value_or(0);
}

// A unit that passed and was quarantined, retired or let come back later no longer counts as
// passed; one that passes again counts once.
void count_units(Reader& db, Lot& lot) {
  lot.open_runs = count(db, "SELECT count(*) FROM run WHERE lot = ? AND ending IS NULL", lot.id);
  lot.passed =
      count(db, "SELECT count(DISTINCT unit) FROM run WHERE lot = ? AND ending = 'passed'",
            lot.id) -
      count(db,
            "SELECT count(DISTINCT u.id) FROM (SELECT id FROM unit WHERE quarantined = 1 UNION "
            "SELECT unit FROM retired UNION SELECT unit FROM release WHERE ended_at = '') u "
            "JOIN run r ON r.unit = u.id WHERE r.lot = ? AND r.ending = 'passed'",
            lot.id);
  int open_admitted =
      count(db, "SELECT count(*) FROM run WHERE lot = ? AND ending IS NULL AND serial IS NOT NULL",
            lot.id);
  lot.other = lot.admitted - lot.passed - open_admitted;
}

static Lot uncounted(Reader& db, const sqlite::Statement& row) {
  Lot out;
  out.id = row.get<std::string>(0);
  out.order = row.get<std::string>(1);
  out.kind = row.get<std::string>(2);
  out.product_name = row.get<std::string>(3);
  out.product_number = row.get<std::int64_t>(4);
  out.state = row.get<std::string>(5);
  out.pause_code = row.get<std::string>(6);
  out.quantity = row.get<int>(7);
  out.spares = row.get<int>(8);
  out.admitted = row.get<int>(9);
  out.product_toml = row.get<std::string>(10);
  out.seal_key = row.get<std::string>(11);
  out.opened_by = row.get<std::string>(12);
  out.opened_at = row.get<std::string>(13);
  out.closed_at = row.get<std::string>(14);
  auto places =
      db.query("SELECT place, zpl FROM lot_template WHERE lot = ? ORDER BY rowid", out.id);
  while (places.step())
    out.templates.emplace_back(places.get<std::string>(0), places.get<std::string>(1));
  return out;
}

static Lot from(Reader& db, const sqlite::Statement& row) {
  Lot out = uncounted(db, row);
  count_units(db, out);
  return out;
}

Lot get_uncounted(Reader& db, const std::string& lot) {
  auto row = db.query(std::string(kLot) + "WHERE l.id = ?", lot);
  if (!row.step()) throw Fault("lot.unknown", {{"lot", lot}});
  return uncounted(db, row);
}

Lot get(Reader& db, const std::string& lot) {
  Lot out = get_uncounted(db, lot);
  count_units(db, out);
  return out;
}

std::vector<Lot> unfinished(Reader& db) {
  std::vector<Lot> out;
  auto row =
      db.query(std::string(kLot) + "WHERE l.state <> 'closed' ORDER BY l.opened_at, l.rowid");
  while (row.step()) out.push_back(uncounted(db, row));
  return out;
}

std::vector<Lot> list(Reader& db) {
  std::vector<Lot> out;
  auto row = db.query(std::string(kLot) + "ORDER BY l.opened_at, l.rowid");
  while (row.step()) out.push_back(from(db, row));
  return out;
}

static Lot must_not_be_closed(Reader& db, const std::string& lot) {
  Lot found = get(db, lot);
  if (found.state == "closed") throw Fault("lot.closed", {{"lot", lot}});
  return found;
}

Lot close(Transaction& db, const Actor& actor, const std::string& lot) {
  Lot found = must_not_be_closed(db, lot);
  if (found.open_runs > 0)
    throw Fault("lot.open_runs", {{"lot", lot}, {"count", std::to_string(found.open_runs)}});
  db.exec("UPDATE lot SET state = 'closed', closed_at = ? WHERE id = ?", utc_now(), lot);
  symbols::publish(db, actor, lot);
  db.journal(actor, "lot.close",
             {{"lot", lot},
              {"order", found.order},
              {"admitted", found.admitted},
              {"passed", found.passed},
              {"other", found.other}});
  return get(db, lot);
}

Lot pause(Transaction& db, const Actor& actor, const std::string& lot, const std::string& code) {
  must_not_be_closed(db, lot);
  db.exec("UPDATE lot SET state = 'paused', pause_code = ? WHERE id = ?", code, lot);
  db.journal(actor, "lot.pause", {{"lot", lot}, {"code", code}});
  return get(db, lot);
}

Lot resume(Transaction& db, const Actor& actor, const std::string& lot) {
  Lot found = must_not_be_closed(db, lot);
  if (found.state != "paused") return found;
  db.exec("UPDATE lot SET state = 'open', pause_code = '' WHERE id = ?", lot);
  db.journal(actor, "lot.resume", {{"lot", lot}, {"code", found.pause_code}});
  return get(db, lot);
}

void stop_issuing(Transaction& db, const Actor& actor, const std::string& code,
                  const std::string& detail) {
  db.exec("UPDATE station_state SET stop_code = ?, stop_detail = ? WHERE stop_code = ''", code,
          detail);
  db.journal(actor, "station.stop", {{"code", code}, {"detail", detail}});
}

std::optional<std::string> stopped(Reader& db) {
  return db.value<std::string>("SELECT stop_code FROM station_state WHERE stop_code <> ''");
}

void check_resume_issuing(Reader& db, const Act& act) {
  if (!act.arguments.empty())
    throw Fault("act.arguments", {{"field", act.arguments.begin().key()}});
  if (stopped(db) != act.subject)
    throw Fault("station.not_stopped", {{"code", act.subject.substr(0, 64)}});
}

void resume_issuing(Transaction& db, const Actor& actor, const Act& act) {
  check_resume_issuing(db, act);
  db.exec("UPDATE station_state SET stop_code = '', stop_detail = ''");
  db.journal(actor, "station.resume",
             {{"code", act.subject},
              {"act", act.id},
              {"reason", act.reason},
              {"officers", {act.proposed_by, act.confirmed_by}},
              {"solo", act.solo}});
  for (const Act& other : acts::list(db, false))
    if (other.kind == act.kind && other.state == "proposed")
      acts::withdraw(db, actor.name, other.id);
}

}  // namespace mintmark::lots
