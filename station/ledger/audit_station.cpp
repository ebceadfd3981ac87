// What entries about lots, people, acts and keys say of the tables, and what must stand at the end.
#include <algorithm>
#include <array>

#include "station/ledger/audit_rows.hpp"
#include "station/ledger/checkpoint.hpp"
#include "station/ledger/pools.hpp"
#include "station/words/crypto.hpp"

namespace mintmark {

void AuditRows::birth(const Json& e) {
  bool good = seq_ == 0 && said(e, "ledger") == birth_->ledger &&
              e.at("demo").get<bool>() == birth_->demo &&
              said(e, "owner_key") == hex(birth_->owner_key) &&
              said(e, "fingerprint_check") == hex(birth_->fingerprint_check) &&
              said(e, "journal_key") == verifier_key(birth_->station, birth_->journal_key) &&
              said(e, "ca_sha256") == (birth_->ca.empty() ? "" : hex(sha256(birth_->ca))) &&
              said(e, "token") == birth_->token;
  if (!good) throw differs("birth", birth_->station);
}

void AuditRows::anchor(const Json& e) { anchor_ = e.at("kind"); }

void AuditRows::spent(const Json& e) {
  for (const Json& value : e.at("values"))
    row("spent", value.get<std::string>(), "kind = ? AND value = ? AND seq = ?", said(e, "kind"),
        value.get<std::string>(), seq_);
}

// Signed by the owner, in the very bytes that the journal names.
static bool is_signed(Reader& db, std::string_view sql, std::int64_t rowid, const Json& e,
                      View owner_key) {
  auto is = db.query(sql, rowid);
  if (!is.step()) return false;
  Bytes bytes = is.get<Bytes>(0), signature = is.get<Bytes>(1);
  return hex(sha256(bytes)) == said(e, "sha256") && base64(signature) == said(e, "signature") &&
         ed25519_verify(owner_key, bytes, signature);
}

void AuditRows::order_accept(const Json& e) {
  std::string id = e.at("order");
  std::int64_t rowid = row("orders", id, "id = ? AND kind = ? AND accepted_by = ?", id,
                           said(e, "kind"), said(e, "actor"));
  if (!is_signed(*db_, "SELECT bytes, signature FROM orders WHERE rowid = ?", rowid, e,
                 birth_->owner_key))
    throw differs("orders", id);
}

static std::string in_lot(const std::string& lot, const std::string& what) {
  return lot + " " + what;
}

// The rows that the order's ranges make.
void AuditRows::check_pool(const std::string& lot, const Json& order, const std::string& kind) {
  auto it = order.find(kind + "s");
  if (it == order.end() || !it->is_array()) return;
  std::uint64_t start = 0;
  for (const Json& item : *it) {
    std::string first = item.is_string() ? item.get<std::string>() : said(item, "first");
    std::string last = item.is_string() ? first : said(item, "last");
    pools::Range range(first, last);
    auto count = kind == "serial" ? pools::count_serials(range) : pools::count_macs(range);
    row("pool", in_lot(lot, first),
        "lot = ? AND kind = ? AND start = ? AND first = ? AND count = ?", lot, kind, start, first,
        count.value_or(0));
    start += count.value_or(0);
  }
}

void AuditRows::lot_open(const Json& e) {
  std::string id = e.at("lot");
  LotState& lot = lots_[id];
  lot.order = e.at("order");
  lot.seal_key = e.at("seal_key");
  lot.number = e.at("product").at("number").get<std::int64_t>();
  lot.quantity = e.at("quantity").get<std::int64_t>();
  lot.spares = e.at("spares").get<std::int64_t>();
  std::int64_t rowid = row("lot", id, "id = ? AND order_id = ? AND product_name = ?", id, lot.order,
                           said(e.at("product"), "name"));
  auto is = db_->query(
      "SELECT l.product_toml, o.bytes, l.serials_from_mes FROM lot l JOIN orders o ON o.id = "
      "l.order_id WHERE l.rowid = ?",
      rowid);
  Json order = is.step() ? Json::parse(is.get<Bytes>(1), nullptr, false) : Json();
  bool good = order.is_object() && order.at("quantity") == lot.quantity &&
              order.at("spares") == lot.spares &&
              (order.at("serials") == "mes") == is.get<bool>(2) &&
              hex(sha256(view(is.get<std::string>(0)))) == said(e.at("product"), "sha256");
  if (!good) throw differs("lot", id);
  check_pool(id, order, "serial");
  check_pool(id, order, "mac");
  for (const Json& one : e.at("templates")) {
    std::string place = one.at("place");
    std::int64_t at = row("lot_template", in_lot(id, place), "lot = ? AND place = ?", id, place);
    auto zpl = db_->value<std::string>("SELECT zpl FROM lot_template WHERE rowid = ?", at);
    if (hex(sha256(view(zpl.value_or("")))) != said(one, "sha256"))
      throw differs("lot_template", in_lot(id, place));
  }
}

void AuditRows::lot_state(const Json& e) {
  LotState& lot = lot_of(e);
  lot.state = type_ == "lot.pause" ? "paused" : type_ == "lot.resume" ? "open" : "closed";
  if (type_ != "lot.close") lot.pause_code = type_ == "lot.pause" ? said(e, "code") : "";
}

void AuditRows::slot_pause(const Json& e) {
  if (type_ == "slot.pause")
    paused_slots_.insert(said(e, "slot"));
  else
    paused_slots_.erase(said(e, "slot"));
}

void AuditRows::station_stop(const Json& e) {
  if (type_ == "station.resume")
    stop_code_.clear();
  else if (stop_code_.empty())
    stop_code_ = said(e, "code");
}

void AuditRows::person(const Json& e) {
  PersonState& person = people_[said(e, "name")];
  if (type_ == "person.remove") {
    person.removed = true;
    return;
  }
  person.roles = e.at("roles").get<std::set<std::string>>();
  if (e.contains("uid")) person.uid = e.at("uid").get<std::int64_t>();
}

// As people::apply_roster does it.
void AuditRows::roster_apply(const Json& e) {
  std::string id = e.at("roster");
  bool solo = e.at("solo").get<bool>();
  std::int64_t rowid = row("roster", id, "id = ? AND solo = ?", id, solo);
  if (!is_signed(*db_, "SELECT bytes, signature FROM roster WHERE rowid = ?", rowid, e,
                 birth_->owner_key))
    throw differs("roster", id);
  auto bytes = db_->value<Bytes>("SELECT bytes FROM roster WHERE rowid = ?", rowid);
  Json roster = Json::parse(bytes.value_or(Bytes{}), nullptr, false);
  officers_.clear();
  for (const Json& one : roster.at("officers"))
    officers_.emplace_back(said(one, "name"), said(one, "credential"));
  auto named = [&](const std::string& name) {
    return std::any_of(officers_.begin(), officers_.end(),
                       [&](const auto& officer) { return officer.first == name; });
  };
  for (auto& [name, person] : people_)
    if (!named(name) && person.roles.erase("officer") > 0 && person.roles.empty())
      person.removed = true;
  for (const auto& [name, credential] : officers_) {
    PersonState& person = people_[name];
    if (person.removed) person = PersonState();
    person.roles.insert("officer");
  }
}

void AuditRows::act(const Json& e) {
  std::string id = e.at("act");
  ActState& act = acts_[id];
  if (type_ == "act.propose") {
    std::int64_t rowid =
        row("act", id,
            "id = ? AND kind = ? AND subject = ? AND reason = ? AND proposed_by = ? "
            "AND expires_at = ?",
            id, said(e, "kind"), said(e, "subject"), said(e, "reason"), said(e, "proposed_by"),
            said(e, "expires_at"));
    auto arguments = db_->value<std::string>("SELECT arguments FROM act WHERE rowid = ?", rowid);
    if (Json::parse(arguments.value_or(""), nullptr, false) != e.at("arguments"))
      throw differs("act", id);
    return;
  }
  act.state = type_ == "act.confirm" ? "confirmed"
              : type_ == "act.done"  ? "done"
              : type_ == "act.fail"  ? "failed"
                                     : "withdrawn";
  if (type_ == "act.confirm") act.confirmed_by = said(e, "confirmed_by");
}

void AuditRows::signer_new(const Json& e) {
  std::string role = e.at("role");
  std::int64_t rowid = row("signer", role, "role = ? AND generation = ? AND since = ?", role,
                           e.at("generation").get<int>(), seq_);
  Bytes key =
      db_->value<Bytes>("SELECT public FROM signer WHERE rowid = ?", rowid).value_or(Bytes{});
  std::string is = role == "journal" ? verifier_key(birth_->station, key) : base64(key);
  if (is != said(e, "public")) throw differs("signer", role);
}

void AuditRows::ca_install(const Json& e) {
  std::string digest = e.at("sha256");
  std::int64_t rowid = row("ca_certificate", digest, "sha256 = ? AND generation = ? AND since = ?",
                           from_hex(digest).value_or(Bytes{}), e.at("generation").get<int>(), seq_);
  auto is = db_->query("SELECT der, issuers FROM ca_certificate WHERE rowid = ?", rowid);
  Json issuers = Json::array();
  bool good = is.step() && hex(sha256(is.get<Bytes>(0))) == digest;
  Bytes joined = is.get<Bytes>(1);
  if (!joined.empty())
    for (const Bytes& one : split_der(joined)) issuers.push_back(hex(sha256(one)));
  if (!good || issuers != e.at("issuers")) throw differs("ca_certificate", digest);
}

void AuditRows::escrow_install(const Json& e) {
  row("escrow_key", said(e, "spki"), "spki = ? AND since = ?",
      from_base64(said(e, "spki")).value_or(Bytes{}), seq_);
}

const std::map<std::string_view, AuditRows::Check>& AuditRows::checks() {
  using A = AuditRows;
  static const std::map<std::string_view, Check> all = {
      {"ledger.birth", &A::birth},
      {"ledger.anchor", &A::anchor},
      {"ledger.spent", &A::spent},
      {"order.accept", &A::order_accept},
      {"lot.open", &A::lot_open},
      {"lot.pause", &A::lot_state},
      {"lot.resume", &A::lot_state},
      {"lot.close", &A::lot_state},
      {"run.begin", &A::run_begin},
      {"run.contact", &A::run_contact},
      {"run.back", &A::run_back},
      {"run.end", &A::run_end},
      {"unit.admit", &A::unit_admit},
      {"unit.return", &A::unit_return},
      {"unit.quarantine", &A::unit_quarantine},
      {"unit.hold", &A::unit_quarantine},
      {"unit.release", &A::unit_release},
      {"unit.reopen", &A::unit_release},
      {"unit.retire", &A::unit_retire},
      {"key.commit", &A::key_commit},
      {"certificate.issue", &A::certificate_issue},
      {"certificate.second", &A::certificate_second},
      {"certificate.deny", &A::certificate_deny},
      {"credential.mint", &A::credential_mint},
      {"credential.burn", &A::credential_burn},
      {"decoy.burn", &A::decoy_burn},
      {"secret.offer", &A::secret_offer},
      {"label.attempt", &A::label_attempt},
      {"label.applied", &A::label_event},
      {"label.void", &A::label_event},
      {"slot.pause", &A::slot_pause},
      {"slot.resume", &A::slot_pause},
      {"station.stop", &A::station_stop},
      {"station.resume", &A::station_stop},
      {"person.add", &A::person},
      {"person.remove", &A::person},
      {"roster.apply", &A::roster_apply},
      {"act.propose", &A::act},
      {"act.confirm", &A::act},
      {"act.done", &A::act},
      {"act.fail", &A::act},
      {"act.withdraw", &A::act},
      {"signer.new", &A::signer_new},
      {"ca.install", &A::ca_install},
      {"escrow.install", &A::escrow_install}};
  return all;
}

bool AuditRows::knows(std::string_view type) { return checks().contains(type); }

void AuditRows::entry(std::uint64_t seq, const std::string& type, const Json& fields) {
  seq_ = seq;
  type_ = type;
  try {
    (this->*checks().at(type))(fields);
  } catch (const Json::exception&) {
    throw tampered_with("journal entry " + std::to_string(seq));
  }
}

std::uint64_t AuditRows::rows() const {
  std::uint64_t out = 0;
  for (const auto& [table, rows] : seen_) out += rows.count();
  return out;
}

}  // namespace mintmark
