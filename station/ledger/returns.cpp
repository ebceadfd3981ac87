#include "station/ledger/returns.hpp"

#include <openssl/x509.h>

#include "station/ledger/rows.hpp"
#include "station/words/clock.hpp"
#include "station/words/crypto.hpp"

namespace mintmark {

// A quarantine that casts doubt on whose key it is, and one that does not.
static std::string_view reason_of(const std::string& code) {
  bool key = code.starts_with("hwid.") || code == "unit.answers_for_another" ||
             code == "reset.identity_lost" || code == "reset.identity_changed";
  return key ? "keyCompromise" : "privilegeWithdrawn";
}

// A denial list names certificates by this alone: serialNumber of RFC 5280, hex of its octets.
static std::string number_of(const Bytes& der) {
  const unsigned char* at = der.data();
  X509* certificate = d2i_X509(nullptr, &at, static_cast<long>(der.size()));
  if (certificate == nullptr) throw Fault("ledger.tampered", {{"what", "certificate"}});
  const ASN1_INTEGER* number = X509_get0_serialNumber(certificate);
  std::string out = hex(
      View(ASN1_STRING_get0_data(number), static_cast<std::size_t>(ASN1_STRING_length(number))));
  X509_free(certificate);
  return out;
}

// A certificate that counts: an IDevID, or one that stands beside it and in the journal.
struct Issued {
  Issued(Bytes certificate, std::string serial_, std::int64_t second_)
      : der(std::move(certificate)), serial(std::move(serial_)), second(second_) {}
  Bytes der;
  std::string serial;
  std::int64_t second;  // its journal entry; 0 for an IDevID
};

static void deny(Transaction& db, const Actor& actor, const Issued& certificate,
                 std::string_view reason, const std::string& code) {
  Digest digest = sha256(certificate.der);
  Json entry = {{"serial", certificate.serial},
                {"sha256", hex(digest)},
                {"number", number_of(certificate.der)},
                {"reason", reason},
                {"code", code}};
  std::uint64_t seq = db.journal(actor, "certificate.deny", entry);
  if (certificate.second == 0)
    db.exec(
        "INSERT INTO denied (certificate, reason, code, actor, at, seq) VALUES (?, ?, ?, ?, ?, ?)",
        digest, reason, code, actor.name, utc_now(), seq);
  else
    db.exec(
        "INSERT INTO denied_second (certificate, reason, code, actor, at, seq) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        certificate.second, reason, code, actor.name, utc_now(), seq);
}

// IDevIDs of the unit that are not denied, but for those of the key `but_of`.
static std::vector<Issued> undenied_idevids(Reader& db, std::int64_t unit, std::int64_t but_of) {
  std::vector<Issued> out;
  auto row = db.query(
      "SELECT c.der, c.serial FROM certificate c JOIN identity_key k ON k.fingerprint = c.key "
      "WHERE k.unit = ? AND c.key <> ? AND NOT EXISTS "
      "(SELECT 1 FROM denied d WHERE d.certificate = c.sha256) ORDER BY c.rowid",
      unit, but_of);
  while (row.step()) out.emplace_back(row.get<Bytes>(0), row.get<std::string>(1), 0);
  return out;
}

static Bytes der_in_journal(const std::string& base64) {
  auto der = from_base64(base64);
  if (!der) throw Fault("ledger.tampered", {{"what", "certificate"}});
  return std::move(*der);
}

// And those that stand beside them.
static std::vector<Issued> undenied(Reader& db, std::int64_t unit, std::int64_t but_of) {
  std::vector<Issued> out = undenied_idevids(db, unit, but_of);
  auto row = db.query(
      "SELECT json_extract(CAST(j.bytes AS TEXT), '$.der'), "
      "json_extract(CAST(j.bytes AS TEXT), '$.serial'), s.seq FROM second_certificate s "
      "JOIN journal j ON j.seq = s.seq JOIN identity_key k ON k.fingerprint = s.key "
      "WHERE k.unit = ? AND s.key <> ? AND NOT EXISTS "
      "(SELECT 1 FROM denied_second d WHERE d.certificate = s.seq) ORDER BY s.seq",
      unit, but_of);
  while (row.step())
    out.emplace_back(der_in_journal(row.get<std::string>(0)), row.get<std::string>(1),
                     row.get<std::int64_t>(2));
  return out;
}

static constexpr std::int64_t kNoKey = -1;

void rows::deny_unit(Transaction& db, const Actor& actor, std::int64_t unit,
                     const std::string& code) {
  for (const Issued& one : undenied(db, unit, kNoKey)) deny(db, actor, one, reason_of(code), code);
}

void rows::deny_predecessors(Transaction& db, const Actor& actor, std::int64_t unit,
                             std::int64_t key) {
  for (const Issued& one : undenied(db, unit, key)) deny(db, actor, one, "superseded", "");
}

bool rows::may_return(Reader& db, std::int64_t unit) {
  return db.exists("SELECT 1 FROM release WHERE unit = ? AND ended_at = ''", unit);
}

bool rows::is_retired(Reader& db, std::int64_t unit) {
  return db.exists("SELECT 1 FROM retired WHERE unit = ?", unit);
}

namespace returns {

static std::int64_t unit_of(Reader& db, const std::string& subject) {
  auto colon = subject.find(':');
  auto unit = colon == std::string::npos
                  ? db.value<std::int64_t>("SELECT unit FROM admission WHERE serial = ?", subject)
                  : db.value<std::int64_t>("SELECT id FROM unit WHERE source = ? AND hw = ?",
                                           subject.substr(0, colon), subject.substr(colon + 1));
  if (!unit) throw Fault("unit.unknown", {{"serial", subject.substr(0, 80)}});
  return *unit;
}

static HardwareId hardware_of(Reader& db, std::int64_t unit) {
  auto row = db.query("SELECT source, hw FROM unit WHERE id = ?", unit);
  row.step();
  return {row.get<std::string>(0), row.get<std::string>(1)};
}

static bool quarantined(Reader& db, std::int64_t unit) {
  return db.value<bool>("SELECT quarantined FROM unit WHERE id = ?", unit).value_or(false);
}

static void must_know_arguments(const Act& act, std::string_view flag) {
  for (const auto& [key, value] : act.arguments.items())
    if (key != flag || !value.is_boolean()) throw Fault("act.arguments", {{"field", key}});
}

// What all three have in common. Answers the unit.
static std::int64_t must_be_at_rest(Reader& db, const Act& act) {
  std::int64_t unit = unit_of(db, act.subject);
  Fault::Args args = {{"serial", act.subject}};
  if (rows::is_retired(db, unit)) throw Fault("unit.retired", args);
  if (db.exists("SELECT 1 FROM run WHERE unit = ? AND ending IS NULL", unit))
    throw Fault("unit.under_way", args);
  return unit;
}

void check_release(Reader& db, const Act& act) {
  must_know_arguments(act, "");
  std::int64_t unit = must_be_at_rest(db, act);
  if (!quarantined(db, unit)) throw Fault("unit.not_quarantined", {{"serial", act.subject}});
}

void check_reopen(Reader& db, const Act& act) {
  must_know_arguments(act, "new_key");
  std::int64_t unit = must_be_at_rest(db, act);
  if (quarantined(db, unit)) throw Fault("unit.release_first", {{"serial", act.subject}});
  if (rows::may_return(db, unit)) throw Fault("unit.may_return", {{"serial", act.subject}});
}

void check_retire(Reader& db, const Act& act) {
  must_know_arguments(act, "");
  must_be_at_rest(db, act);
}

// A label that is out there bears what is burnt now: it counts for nothing, and another is due.
static void void_labels(Transaction& db, const Actor& actor, std::int64_t unit) {
  auto row = db.query(
      "SELECT a.serial, a.place, a.attempt FROM label_attempt a JOIN admission m ON "
      "m.serial = a.serial WHERE m.unit = ? AND NOT EXISTS (SELECT 1 FROM label_event e WHERE "
      "e.serial = a.serial AND e.place = a.place AND e.attempt = a.attempt AND e.event = 'void') "
      "ORDER BY a.rowid",
      unit);
  std::vector<ControlSymbol> symbols;
  while (row.step())
    symbols.emplace_back(row.get<std::string>(0), row.get<std::string>(1), row.get<int>(2));
  for (const ControlSymbol& symbol : symbols) {
    auto run = runs::by_serial(db, symbol.serial);
    if (run) runs::void_label(db, actor, *run, symbol, "the unit comes back");
  }
}

static Entry about_return(Reader& db, const Act& act, std::int64_t unit) {
  Entry entry = rows::about(db, hardware_of(db, unit));
  entry.add("act", act.id);
  entry.add("reason", act.reason);
  entry.add("officers", Json::array({act.proposed_by, act.confirmed_by}));
  entry.add("solo", act.solo);
  return entry;
}

static void burn_all(Transaction& db, const Actor& actor, std::int64_t unit, const Act& act) {
  rows::burn_unit(db, actor, unit, act.kind);
  void_labels(db, actor, unit);
}

static void permit(Transaction& db, const Act& act, std::int64_t unit, bool new_key) {
  auto newest = db.value<std::int64_t>(
      "SELECT coalesce(max(fingerprint), 0) FROM identity_key WHERE unit = ?", unit);
  auto run = db.value<std::int64_t>("SELECT coalesce(max(rowid), 0) FROM run WHERE unit = ?", unit);
  db.exec(
      "INSERT INTO release (act, unit, new_key, known_key, last_run, at) VALUES (?, ?, ?, ?, ?, ?)",
      act.id, unit, new_key, newest.value_or(0), run.value_or(0), utc_now());
}

void release(Transaction& db, const Actor& actor, const Act& act) {
  check_release(db, act);
  std::int64_t unit = unit_of(db, act.subject);
  burn_all(db, actor, unit, act);
  permit(db, act, unit, undenied_idevids(db, unit, kNoKey).empty());
  Entry entry = about_return(db, act, unit);
  entry.add(
      "code",
      db.value<std::string>("SELECT quarantine_code FROM unit WHERE id = ?", unit).value_or(""));
  db.exec("UPDATE unit SET quarantined = 0, quarantine_code = '' WHERE id = ?", unit);
  db.journal(actor, "unit.release", entry);
}

void reopen(Transaction& db, const Actor& actor, const Act& act) {
  check_reopen(db, act);
  std::int64_t unit = unit_of(db, act.subject);
  bool new_key = act.arguments.value("new_key", false);
  burn_all(db, actor, unit, act);
  permit(db, act, unit, new_key);
  Entry entry = about_return(db, act, unit);
  entry.add("new_key", new_key);
  db.journal(actor, "unit.reopen", entry);
}

void retire(Transaction& db, const Actor& actor, const Act& act) {
  check_retire(db, act);
  std::int64_t unit = unit_of(db, act.subject);
  burn_all(db, actor, unit, act);
  for (const Issued& one : undenied(db, unit, kNoKey))
    deny(db, actor, one, "cessationOfOperation", "unit.retired");
  db.exec("UPDATE release SET ended_at = ? WHERE unit = ? AND ended_at = ''", utc_now(), unit);
  db.exec("INSERT INTO retired (unit, act, at) VALUES (?, ?, ?)", unit, act.id, utc_now());
  db.journal(actor, "unit.retire", about_return(db, act, unit));
}

// A certificate names its serial: in the lot of another order the unit has another one.
static bool certificate_is_of_another_serial(Reader& db, std::int64_t unit,
                                             const std::string& serial) {
  auto row = db.query(
      "SELECT 1 FROM certificate c JOIN identity_key k ON k.fingerprint = c.key WHERE k.unit = ?1 "
      "AND c.serial <> ?2 AND c.key = (SELECT max(fingerprint) FROM identity_key WHERE unit = ?1) "
      "AND NOT EXISTS (SELECT 1 FROM certificate n WHERE n.key = c.key AND n.serial = ?2)",
      unit, serial);
  return row.step();
}

std::optional<Permission> permission(Reader& db, const Run& run) {
  std::int64_t unit = run.unit;
  auto row = db.query(
      "SELECT act, new_key, known_key FROM release WHERE unit = ? AND ended_at = ''", unit);
  if (!row.step()) return std::nullopt;
  Permission out;
  out.act = row.get<std::string>(0);
  auto known = row.get<std::int64_t>(2);
  auto keys =
      db.query("SELECT spki FROM identity_key WHERE unit = ? AND fingerprint > ?", unit, known);
  while (keys.step()) out.renewed.push_back(keys.get<Bytes>(0));
  out.new_key = row.get<bool>(1) || !out.renewed.empty() ||
                certificate_is_of_another_serial(db, unit, run.serial);
  return out;
}

bool may_return(Reader& db, const HardwareId& hardware_id) {
  auto unit = rows::find_unit(db, hardware_id);
  return unit && rows::may_return(db, *unit);
}

bool is_retired(Reader& db, const HardwareId& hardware_id) {
  auto unit = rows::find_unit(db, hardware_id);
  return unit && rows::is_retired(db, *unit);
}

void note_reopened(Transaction& db, const Actor& actor, const Run& run, const Json& facts) {
  db.exec("UPDATE unit SET tries = 0 WHERE id = ?", run.unit);
  Entry entry = rows::about(run);
  for (const auto& [key, value] : facts.items()) entry.add(key, value);
  db.journal(actor, "unit.reopened", entry);
}

Run lose_label(Transaction& db, const Actor& actor, const std::string& serial,
               const std::string& reason) {
  auto run = runs::by_serial(db, serial);
  if (!run) throw Fault("unit.unknown", {{"serial", serial.substr(0, 80)}});
  if (quarantined(db, run->unit)) throw Fault("unit.quarantined", {{"serial", serial}});
  bool labelled = !runs::labels(db, serial).empty();
  if (!labelled || (run->ending && run->ending != Ending::passed))
    throw Fault("unit.no_label", {{"serial", serial}});
  if (!run->ending)
    return runs::end(db, actor, *run, Ending::quarantine, "label.lost", {{"reason", reason}});
  runs::quarantine_unit(db, actor, run->hardware_id, run->slot, "label.lost");
  db.journal(actor, "label.lost", {{"serial", serial}, {"reason", reason}});
  return *run;
}

void deny_left_beside(Transaction& db) {
  struct Left {
    Issued certificate;
    std::string reason, code;
  };
  std::vector<Left> left;
  auto row = db.query(
      "SELECT json_extract(CAST(j.bytes AS TEXT), '$.der'), "
      "json_extract(CAST(j.bytes AS TEXT), '$.serial'), s.seq, d.reason, d.code "
      "FROM second_certificate s JOIN journal j ON j.seq = s.seq JOIN certificate c ON c.key = "
      "s.key "
      "JOIN denied d ON d.certificate = c.sha256 WHERE NOT EXISTS "
      "(SELECT 1 FROM denied_second e WHERE e.certificate = s.seq) GROUP BY s.seq ORDER BY s.seq");
  while (row.step())
    left.push_back({Issued(der_in_journal(row.get<std::string>(0)), row.get<std::string>(1),
                           row.get<std::int64_t>(2)),
                    row.get<std::string>(3), row.get<std::string>(4)});
  for (const Left& one : left) deny(db, Actor("station"), one.certificate, one.reason, one.code);
}

std::vector<Denied> denied(Reader& db, std::uint64_t until) {
  std::vector<Denied> out;
  auto row = db.query(
      "SELECT c.der, '', d.reason, d.at, d.seq FROM denied d JOIN certificate c "
      "ON c.sha256 = d.certificate WHERE d.seq < ?1 UNION ALL "
      "SELECT NULL, json_extract(CAST(j.bytes AS TEXT), '$.der'), e.reason, e.at, e.seq "
      "FROM denied_second e JOIN journal j ON j.seq = e.certificate WHERE e.seq < ?1 ORDER BY 5",
      until);
  while (row.step()) {
    Denied one;
    auto idevid = row.get<std::optional<Bytes>>(0);
    one.certificate = idevid ? std::move(*idevid) : der_in_journal(row.get<std::string>(1));
    one.reason = row.get<std::string>(2);
    one.at = row.get<std::string>(3);
    out.push_back(std::move(one));
  }
  return out;
}

std::vector<Bytes> denial_lists(Reader& db, std::uint64_t until) {
  auto kept = db.value<Bytes>("SELECT der FROM denial_list WHERE number = ?", until);
  return split_der(kept.value_or(Bytes{}));
}

std::vector<Bytes> keep_denial_lists(Transaction& db, std::uint64_t until,
                                     const std::vector<Bytes>& lists) {
  std::vector<Bytes> kept = denial_lists(db, until);
  if (!kept.empty()) return kept;
  Bytes joined;
  for (const Bytes& one : lists) joined.insert(joined.end(), one.begin(), one.end());
  db.exec("INSERT INTO denial_list (number, der, at) VALUES (?, ?, ?)", until, joined, utc_now());
  return lists;
}

}  // namespace returns
}  // namespace mintmark
