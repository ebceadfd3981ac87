// What must stand in the tables when every entry has been read, and rows that none of them knows.
#include <array>

#include "station/ledger/audit_rows.hpp"

namespace mintmark {

static Fault at_the_end(const std::string& row) {
  return tampered_with(row + ": not as the journal has it");
}

// Each sealed copy took a counter of its own: what is below would be used again.
static constexpr std::string_view kLotRow =
    "SELECT order_id, seal_key, state, pause_code, product_number, quantity, spares, admitted, iv "
    "FROM lot WHERE id = ?";

void AuditRows::finish_lots() {
  for (const auto& [id, lot] : lots_) {
    auto is = db_->query(kLotRow, id);
    bool good = is.step() && is.get<std::string>(0) == lot.order &&
                is.get<std::string>(1) == lot.seal_key && is.get<std::string>(2) == lot.state &&
                is.get<std::string>(3) == lot.pause_code && is.get<std::int64_t>(4) == lot.number &&
                is.get<std::int64_t>(5) == lot.quantity && is.get<std::int64_t>(6) == lot.spares &&
                is.get<std::int64_t>(7) == lot.admitted && is.get<std::int64_t>(8) >= lot.seals;
    if (!good) throw at_the_end("lot " + id);
  }
  for (const auto& [id, run] : open_) check_run(id, run, "", "");
}

void AuditRows::finish_people() {
  auto is = db_->query("SELECT rowid, name, roles, removed, uid, token FROM person");
  std::set<std::string> found;
  while (is.step()) {
    auto name = is.get<std::string>(1);
    auto known = people_.find(name);
    Json roles = Json::parse(is.get<std::string>(2), nullptr, false);
    bool good = known != people_.end() && roles.is_array() &&
                roles.get<std::set<std::string>>() == known->second.roles &&
                is.get<bool>(3) == known->second.removed &&
                is.get<std::optional<std::int64_t>>(4) == known->second.uid;
    for (const auto& [officer, credential] : officers_)
      if (officer == name && !is.get<bool>(3)) good = good && hex(is.get<Bytes>(5)) == credential;
    if (!good) throw at_the_end("person " + name);
    found.insert(name);
  }
  for (const auto& [name, person] : people_)
    if (!found.contains(name)) throw at_the_end("person " + name);
}

void AuditRows::finish_units() {
  auto is = db_->query("SELECT id, source || ':' || hw, quarantined, mints FROM unit");
  while (is.step()) {
    auto id = is.get<std::int64_t>(0);
    auto at = static_cast<std::size_t>(id);
    std::uint32_t minted = at < mints_.size() ? mints_[at] : 0;
    if (is.get<bool>(2) != quarantined_.contains(id) || is.get<std::uint32_t>(3) != minted)
      throw at_the_end("unit " + is.get<std::string>(1));
  }
  auto back = db_->query("SELECT unit, act FROM release WHERE ended_at = ''");
  std::set<std::int64_t> returning;
  while (back.step()) {
    returning.insert(back.get<std::int64_t>(0));
    if (!returning_.contains(back.get<std::int64_t>(0)))
      throw at_the_end("release " + back.get<std::string>(1));
  }
  if (returning != returning_) throw at_the_end("release: one has ended too early");
}

// An act whose work is a change of the ledger is done when it is confirmed.
void AuditRows::finish_acts() {
  for (const auto& [id, act] : acts_) {
    auto is = db_->query("SELECT state, coalesce(confirmed_by, '') FROM act WHERE id = ?", id);
    bool there = is.step();
    auto state = there ? is.get<std::string>(0) : "";
    bool good = there && is.get<std::string>(1) == act.confirmed_by &&
                (state == act.state || (act.state == "confirmed" && state == "done"));
    if (!good) throw at_the_end("act " + id);
  }
}

void AuditRows::finish_station() {
  auto stop = db_->value<std::string>("SELECT stop_code FROM station_state WHERE id = 1");
  if (stop != stop_code_) throw at_the_end("station_state");
  std::set<std::string> paused;
  auto is = db_->query("SELECT name FROM slot WHERE paused = 1");
  while (is.step()) paused.insert(is.get<std::string>(0));
  if (paused != paused_slots_) throw at_the_end("slot");
}

static constexpr std::array kAudited = {"admission",
                                        "act",
                                        "burn",
                                        "ca_certificate",
                                        "certificate",
                                        "denied",
                                        "denied_second",
                                        "escrow_key",
                                        "fingerprint",
                                        "identity_key",
                                        "label_attempt",
                                        "label_event",
                                        "lot",
                                        "lot_template",
                                        "orders",
                                        "pool",
                                        "release",
                                        "retired",
                                        "roster",
                                        "run",
                                        "second_certificate",
                                        "signer",
                                        "spent",
                                        "unit"};

void AuditRows::finish_rows() {
  for (const std::string table : kAudited) {
    auto is = db_->query("SELECT rowid FROM " + table);
    const SeenRows& seen = seen_[table];
    while (is.step())
      if (!seen.has(is.get<std::int64_t>(0)))
        throw tampered_with(table + " row " + std::to_string(is.get<std::int64_t>(0)) +
                            ": no journal entry knows it");
  }
}

void AuditRows::finish() {
  finish_lots();
  finish_people();
  finish_units();
  finish_acts();
  finish_station();
  finish_rows();
}

}  // namespace mintmark
