// What entries about units and runs say of the tables.
#include "station/ledger/audit_rows.hpp"

#include "station/words/crypto.hpp"

namespace mintmark {

void SeenRows::add(std::int64_t rowid) {
  auto at = static_cast<std::size_t>(rowid);
  if (at >= seen_.size()) seen_.resize(std::max(at + 1, seen_.size() * 2));
  if (!seen_[at]) ++count_;
  seen_[at] = true;
}

bool SeenRows::has(std::int64_t rowid) const {
  auto at = static_cast<std::size_t>(rowid);
  return at < seen_.size() && seen_[at];
}

static Bytes bytes_in(const Json& entry, const char* key) {
  return from_hex(said(entry, key)).value_or(Bytes{});
}

Fault AuditRows::differs(const std::string& table, const std::string& key) const {
  return tampered_with(table + " " + key + ": not as journal entry " + std::to_string(seq_) + " (" +
                       type_ + ") has it");
}

std::int64_t AuditRows::unit_of(const Json& entry) {
  const Json& hw = entry.at("hw");
  std::string source = hw.at("source"), id = hw.at("id");
  return row("unit", source + ":" + id, "source = ? AND hw = ?", source, id);
}

AuditRows::OpenRun& AuditRows::open_run(const std::string& id) {
  auto it = open_.find(id);
  if (it == open_.end()) throw differs("run", id);
  return it->second;
}

AuditRows::OpenRun& AuditRows::run_of(const Json& entry) { return open_run(said(entry, "run")); }

AuditRows::LotState& AuditRows::lot_of(const Json& entry) {
  auto it = lots_.find(said(entry, "lot"));
  if (it == lots_.end()) throw differs("lot", said(entry, "lot"));
  return it->second;
}

void AuditRows::run_begin(const Json& e) {
  OpenRun run;
  run.lot = said(e, "lot");
  run.unit = unit_of(e);
  std::string id = e.at("run");
  row("run", id, "id = ? AND lot = ? AND unit = ? AND model = ? AND firmware = ?", id, run.lot,
      run.unit, said(e, "model"), said(e, "firmware"));
  open_[id] = std::move(run);
}

void AuditRows::run_contact(const Json& e) { run_of(e).attempts = e.at("attempt").get<int>(); }

void AuditRows::run_back(const Json& e) { run_of(e).next = e.at("to").get<std::string>(); }

void AuditRows::step_end(std::uint64_t seq, const std::string& id, const std::string& word_of_step,
                         const std::string& result) {
  seq_ = seq;
  type_ = "step.end";
  OpenRun& run = open_run(id);
  auto step = step_from(word_of_step);
  if (!step) throw differs("run", id);
  if (result != "failed") run.next = word(after(*step));
  if (*step != Step::reset_check) return;
  run.reset_check = result;
  run.reset_seq = static_cast<std::int64_t>(seq_);
}

void AuditRows::check_run(const std::string& id, const OpenRun& run, const std::string& ending,
                          const std::string& code) {
  auto is = db_->query(
      "SELECT coalesce(ending, ''), code, next, coalesce(serial, ''), reset_check, "
      "coalesce(reset_seq, 0), attempts, offered, spki FROM run WHERE id = ?",
      id);
  bool good = is.step() && is.get<std::string>(0) == ending && is.get<std::string>(1) == code &&
              is.get<std::string>(2) == run.next && is.get<std::string>(3) == run.serial &&
              is.get<std::string>(4) == run.reset_check &&
              is.get<std::int64_t>(5) == run.reset_seq && is.get<int>(6) == run.attempts &&
              is.get<bool>(7) == run.offered && base64(is.get<Bytes>(8)) == run.spki;
  if (!good) throw differs("run", id);
}

void AuditRows::end_release(std::int64_t unit) { returning_.erase(unit); }

void AuditRows::run_end(const Json& e) {
  std::string id = e.at("run"), ending = e.at("ending");
  OpenRun& run = run_of(e);
  check_run(id, run, ending, said(e, "code"));
  if (ending == "quarantine") quarantined_.insert(run.unit);
  if (ending == "quarantine" || ending == "passed") end_release(run.unit);
  open_.erase(id);
}

void AuditRows::unit_admit(const Json& e) {
  std::string serial = e.at("serial");
  std::optional<std::string> mac;
  if (e.contains("mac")) mac = e.at("mac").get<std::string>();
  row("admission", serial, "serial = ? AND lot = ? AND unit = ? AND mac IS ?", serial,
      said(e, "lot"), unit_of(e), mac);
  run_of(e).serial = serial;
  LotState& lot = lot_of(e);
  if (e.at("admitted").get<std::int64_t>() != ++lot.admitted) throw differs("lot", said(e, "lot"));
}

void AuditRows::unit_return(const Json& e) { run_of(e).serial = e.at("serial"); }

void AuditRows::unit_quarantine(const Json& e) {
  std::int64_t unit = unit_of(e);
  quarantined_.insert(unit);
  end_release(unit);
}

void AuditRows::unit_release(const Json& e) {
  std::int64_t unit = unit_of(e);
  row("release", said(e, "act"), "act = ? AND unit = ?", said(e, "act"), unit);
  quarantined_.erase(unit);
  returning_.insert(unit);
}

void AuditRows::unit_retire(const Json& e) {
  std::int64_t unit = unit_of(e);
  row("retired", std::to_string(unit), "unit = ? AND act = ?", unit, said(e, "act"));
  end_release(unit);
}

void AuditRows::key_commit(const Json& e) {
  std::string spki = e.at("spki");
  run_of(e).spki = spki;
  if (e.at("known").get<bool>()) return;
  std::string print = e.at("fingerprint"), run = e.at("run");
  std::int64_t unit = unit_of(e);
  std::int64_t id = row("fingerprint", print,
                        "scope = 0 AND value = ? AND class = 'identity-key' AND name = 'identity' "
                        "AND unit = ? AND run = ?",
                        bytes_in(e, "fingerprint"), unit, run);
  row("identity_key", print, "fingerprint = ? AND unit = ? AND run = ? AND spki = ?", id, unit, run,
      from_base64(spki).value_or(Bytes{}));
}

void AuditRows::certificate_issue(const Json& e) {
  std::string digest = e.at("sha256");
  std::int64_t id = row("certificate", digest, "sha256 = ? AND serial = ? AND run = ?",
                        bytes_in(e, "sha256"), said(e, "serial"), said(e, "run"));
  Bytes der =
      db_->value<Bytes>("SELECT der FROM certificate WHERE rowid = ?", id).value_or(Bytes{});
  if (hex(sha256(der)) != digest) throw differs("certificate", digest);
}

void AuditRows::certificate_second(const Json& e) {
  row("second_certificate", said(e, "sha256"),
      "seq = ? AND profile = ? AND key = (SELECT id FROM fingerprint WHERE scope = 0 AND value = "
      "?)",
      seq_, said(e, "profile"), bytes_in(e, "spki_sha256"));
}

void AuditRows::certificate_deny(const Json& e) {
  std::string digest = e.at("sha256"), reason = e.at("reason"), code = e.at("code");
  bool second = db_->exists("SELECT 1 FROM denied_second WHERE seq = ?", seq_);
  if (second)
    row("denied_second", digest, "seq = ? AND reason = ? AND code = ?", seq_, reason, code);
  else
    row("denied", digest, "certificate = ? AND seq = ? AND reason = ? AND code = ?",
        bytes_in(e, "sha256"), seq_, reason, code);
}

void AuditRows::credential_mint(const Json& e) {
  std::int64_t unit = unit_of(e);
  auto at = static_cast<std::size_t>(unit);
  if (at >= mints_.size()) mints_.resize(std::max(at + 1, mints_.size() * 2));
  ++mints_[at];
  for (const Json& one : e.at("credentials")) {
    row("fingerprint", said(one, "fingerprint"),
        "scope = ? AND value = ? AND class = ? AND name = ? AND unit = ? AND run = ?",
        one.at("scope").get<std::int64_t>(), bytes_in(one, "fingerprint"), said(one, "class"),
        said(one, "name"), unit, said(e, "run"));
    ++lot_of(e).seals;
  }
  run_of(e).offered = false;
}

// A value may be in two scopes, and burnt in both.
void AuditRows::credential_burn(const Json& e) {
  std::int64_t unit = unit_of(e);
  for (const Json& print : e.at("fingerprints")) {
    auto value = from_hex(print.get<std::string>()).value_or(Bytes{});
    auto burnt = db_->query(
        "SELECT b.rowid FROM fingerprint f JOIN burn b ON b.fingerprint = f.id WHERE f.unit = ? "
        "AND "
        "f.value = ? AND b.reason = ? AND b.actor = ?",
        unit, value, said(e, "reason"), said(e, "actor"));
    if (!burnt.step()) throw differs("burn", print.get<std::string>());
    do seen_["burn"].add(burnt.get<std::int64_t>(0));
    while (burnt.step());
  }
}

void AuditRows::decoy_burn(const Json& e) {
  std::string print = e.at("fingerprint");
  std::int64_t id =
      row("fingerprint", print,
          "scope = ? AND value = ? AND class = ? AND name = 'decoy' AND unit = ? AND run = ?",
          e.at("scope").get<std::int64_t>(), bytes_in(e, "fingerprint"), said(e, "class"),
          unit_of(e), said(e, "run"));
  row("burn", print, "fingerprint = ? AND reason = 'decoy'", id);
}

void AuditRows::secret_offer(const Json& e) { run_of(e).offered = true; }

static std::string label_name(const Json& e) {
  return ControlSymbol(e.at("serial"), e.at("place"), e.at("attempt")).str();
}

void AuditRows::label_attempt(const Json& e) {
  row("label_attempt", label_name(e),
      "serial = ? AND place = ? AND attempt = ? AND run = ? AND template = ?", said(e, "serial"),
      said(e, "place"), e.at("attempt").get<int>(), said(e, "run"), bytes_in(e, "template_sha256"));
}

void AuditRows::label_event(const Json& e) {
  bool applied = type_ == "label.applied";
  row("label_event", label_name(e),
      "serial = ? AND place = ? AND attempt = ? AND event = ? AND detail = ?", said(e, "serial"),
      said(e, "place"), e.at("attempt").get<int>(), applied ? "applied" : "void",
      said(e, applied ? "bound_by" : "reason"));
}

}  // namespace mintmark
