// The unit's serial, keys and secrets: what is given once and stays for ever.

#include "station/ledger/escrow.hpp"
#include "station/ledger/lots.hpp"
#include "station/ledger/pools.hpp"
#include "station/ledger/rows.hpp"
#include "station/words/clock.hpp"
#include "station/words/crypto.hpp"

namespace mintmark {

static constexpr std::string_view kIdentity = "identity-key";  // class of a public key's row

static const Actor& station() {
  static const Actor self("station");
  return self;
}

// The ids of fingerprints that still count: secrets of `who` (a column and its value) not burnt.
template <class T>
static std::vector<std::pair<std::int64_t, Digest>> unburnt(Reader& db, std::string_view column,
                                                            const T& who) {
  std::vector<std::pair<std::int64_t, Digest>> out;
  sqlite::Statement row =
      db.query("SELECT id, value FROM fingerprint f WHERE " + std::string(column) +
                   " = ? AND class <> ? AND NOT EXISTS (SELECT 1 FROM burn b WHERE "
                   "b.fingerprint = f.id) ORDER BY id",
               who, kIdentity);
  while (row.step()) out.emplace_back(row.get<std::int64_t>(0), row.get<Digest>(1));
  return out;
}

static Json burn_rows(Transaction& db, const Actor& actor, const std::string& reason,
                      const std::vector<std::pair<std::int64_t, Digest>>& secrets) {
  Json prints = Json::array();
  for (const auto& [id, value] : secrets) {
    db.exec("DELETE FROM run_seal WHERE fingerprint = ?", id);
    db.exec("INSERT INTO burn (fingerprint, reason, actor, at) VALUES (?, ?, ?, ?)", id, reason,
            actor.name, utc_now());
    prints.push_back(hex(value));
  }
  return prints;
}

void rows::burn_unit(Transaction& db, const Actor& actor, std::int64_t unit,
                     const std::string& reason) {
  auto secrets = unburnt(db, "unit", unit);
  if (secrets.empty()) return;
  auto run =
      db.value<std::string>("SELECT run FROM fingerprint WHERE id = ?", secrets.back().first);
  Entry entry = rows::about(runs::get(db, run.value_or("")));
  entry.add("reason", reason);
  entry.add("fingerprints", burn_rows(db, actor, reason, secrets));
  db.journal(actor, "credential.burn", entry);
}

// A row that is UNIQUE over scope and value. Its id.
static std::int64_t insert_fingerprint(Transaction& db, const Run& run, std::int64_t unit,
                                       std::int64_t scope, const Digest& value,
                                       std::string_view klass, std::string_view name) {
  db.exec(
      "INSERT INTO fingerprint (scope, value, class, name, unit, run, at) VALUES (?, ?, ?, ?, ?, "
      "?, ?)",
      scope, value, klass, name, unit, run.id, utc_now());
  return db.last_id();
}

// At 64 bits or more a duplicate is a broken generator; shorter codes do meet, and are drawn again.
static std::int64_t insert_secret(Transaction& db, const Run& run, std::int64_t unit,
                                  std::int64_t scope, const Digest& value, std::string_view klass,
                                  std::string_view name) {
  try {
    return insert_fingerprint(db, run, unit, scope, value, klass, name);
  } catch (const Fault& fault) {
    if (!sqlite::is_duplicate(fault)) throw;
    Fault::Args args{{"class", std::string(klass)}, {"scope", std::to_string(scope)}};
    throw Fault(scope == 0 ? "rng.duplicate" : "mint.code_taken", args, fault.what());
  }
}

namespace runs {

static void journal_admission(Transaction& db, const Run& run, const std::string& order,
                              const std::optional<std::string>& mac, int number) {
  Entry entry = rows::about(run);
  entry.add("order", order);
  if (mac) entry.add("mac", *mac);
  entry.add("admitted", number);
  db.journal(station(), "unit.admit", entry);
}

static Run adopt_serial(Transaction& db, Run run, const std::string& serial) {
  db.exec("UPDATE run SET serial = ? WHERE id = ? AND ending IS NULL", serial, run.id);
  rows::must_change(db, run);
  run.serial = serial;
  return run;
}

// Quota counts hardware ids: one row here is one of quantity + spares.
static Run admit_new(Transaction& db, const Run& run, std::int64_t unit, const Lot& lot,
                     const std::string& serial, const std::optional<std::string>& mac) {
  db.exec("INSERT INTO admission (lot, unit, serial, mac, at) VALUES (?, ?, ?, ?, ?)", lot.id, unit,
          serial, mac, utc_now());
  db.exec("UPDATE lot SET admitted = admitted + 1 WHERE id = ?", lot.id);
  Run out = adopt_serial(db, run, serial);
  journal_admission(db, out, lot.order, mac, lot.admitted + 1);
  return out;
}

// The lot, if one more hardware id fits in; nullopt where this one is in it already.
static std::optional<Lot> room_for(Transaction& db, const Run& run, std::int64_t unit) {
  if (auto code = lots::stopped(db)) throw Fault("station.stopped", {{"code", *code}});
  Lot lot = lots::get_uncounted(db, run.lot);
  if (lot.state == "closed") throw Fault("lot.closed", {{"lot", lot.id}});
  if (db.exists("SELECT 1 FROM admission WHERE lot = ? AND unit = ?", run.lot, unit))
    return std::nullopt;
  if (lot.admitted >= lot.quantity + lot.spares) {
    Fault::Args args{{"lot", lot.id}, {"admitted", std::to_string(lot.admitted)}};
    throw Fault("lot.full", args);
  }
  return lot;
}

// It was admitted to this lot in an earlier run, and keeps its place and serial.
static Run readmit(Transaction& db, const Run& run, std::int64_t unit) {
  auto serial = db.value<std::string>("SELECT serial FROM admission WHERE lot = ? AND unit = ?",
                                      run.lot, unit);
  if (run.serial == serial) return run;
  Run out = adopt_serial(db, run, serial.value_or(""));
  db.journal(station(), "unit.return", rows::about(out));
  return out;
}

Run admit(Transaction& db, Run run) {
  std::int64_t unit = run.unit;
  auto lot = room_for(db, run, unit);
  if (!lot) return readmit(db, run, unit);
  if (db.exists("SELECT 1 FROM lot WHERE id = ? AND serials_from_mes = 1", run.lot))
    throw Fault("serials.from_mes", {{"lot", run.lot}});
  std::string serial = pools::take_serial(db, run.lot);
  return admit_new(db, run, unit, *lot, serial, pools::take_mac(db, run.lot));
}

Run admit_with(Transaction& db, Run run, const std::string& serial) {
  std::int64_t unit = run.unit;
  auto lot = room_for(db, run, unit);
  if (!lot) return readmit(db, run, unit);
  if (!db.exists("SELECT 1 FROM lot WHERE id = ? AND serials_from_mes = 1", run.lot))
    throw Fault("serials.from_order", {{"lot", run.lot}});
  if (!is_serial(serial)) throw Fault("serials.malformed", {{"serial", serial}});
  if (db.exists("SELECT 1 FROM admission WHERE serial = ?", serial) ||
      pools::is_spent(db, "serial", serial))
    throw Fault("serials.taken", {{"serial", serial}});
  return admit_new(db, run, unit, *lot, serial, pools::take_mac(db, run.lot));
}

std::optional<std::string> mac(Reader& db, const Run& run) {
  auto found = db.value<std::optional<std::string>>("SELECT mac FROM admission WHERE serial = ?",
                                                    run.serial);
  return found.value_or(std::nullopt);
}

// Its first, or one successor for each time that two officers let it come back.
static bool may_have_new_key(Reader& db, std::int64_t unit) {
  return !db.exists("SELECT 1 FROM identity_key WHERE unit = ?", unit) ||
         db.exists(
             "SELECT 1 FROM release e WHERE e.unit = ? AND e.ended_at = '' AND NOT EXISTS "
             "(SELECT 1 FROM identity_key k WHERE k.unit = e.unit AND k.fingerprint > e.known_key)",
             unit);
}

// A key whose certificate nobody may trust is not certified again.
static bool is_denied(Reader& db, const Bytes& spki) {
  return db.exists(
      "SELECT 1 FROM identity_key k JOIN certificate c ON c.key = k.fingerprint JOIN denied d ON "
      "d.certificate = c.sha256 WHERE k.spki = ?",
      spki);
}

Run commit_key(Transaction& db, Run run, Bytes spki, const Digest& fingerprint,
               std::string_view peer) {
  std::int64_t unit = run.unit;
  auto owner = db.value<std::int64_t>("SELECT unit FROM identity_key WHERE spki = ?", spki);
  if (owner && *owner != unit) throw Fault("hwid.clone", {{"hwid", run.hardware_id.id}});
  bool spent = pools::is_spent(db, "fingerprint", "0:" + hex(fingerprint));
  if (owner ? is_denied(db, spki) : spent || !may_have_new_key(db, unit))
    throw Fault("hwid.second_key", {{"hwid", run.hardware_id.id}});
  if (!owner) {
    std::int64_t id = insert_secret(db, run, unit, 0, fingerprint, kIdentity, "identity");
    db.exec("INSERT INTO identity_key (fingerprint, unit, run, spki, at) VALUES (?, ?, ?, ?, ?)",
            id, unit, run.id, spki, utc_now());
  }
  db.exec("UPDATE run SET spki = ? WHERE id = ? AND ending IS NULL", spki, run.id);
  rows::must_change(db, run);
  Entry entry = rows::about(run);
  entry.add("fingerprint", hex(fingerprint));
  entry.add("spki", base64(spki));
  entry.add("known", owner.has_value());
  if (!peer.empty()) entry.add("peer", peer);
  db.journal(station(), "key.commit", entry);
  run.spki = std::move(spki);
  return run;
}

Run commit_wrapped_key(Transaction& db, Run run, const Bytes& spki, const SealedKey& key,
                       std::string_view peer) {
  if (db.exists("SELECT 1 FROM identity_key WHERE spki = ?", spki))
    throw Fault("rng.duplicate", {{"class", std::string(kIdentity)}, {"scope", "0"}});
  Run out = commit_key(db, std::move(run), spki, key.fingerprint, peer);
  db.exec(
      "INSERT INTO run_seal (fingerprint, run, iv, sealed) SELECT fingerprint, run, ?, ? FROM "
      "identity_key WHERE spki = ?",
      key.iv, key.sealed, spki);
  return out;
}

std::optional<SealedKey> wrapped_key(Reader& db, const Bytes& spki) {
  auto row = db.query(
      "SELECT s.run, f.value, s.iv, s.sealed FROM identity_key k JOIN run_seal s ON "
      "s.fingerprint = k.fingerprint JOIN fingerprint f ON f.id = k.fingerprint WHERE k.spki = ?",
      spki);
  if (!row.step()) return std::nullopt;
  SealedKey out;
  out.run = row.get<std::string>(0);
  out.fingerprint = row.get<Digest>(1);
  out.iv = row.get<std::array<std::uint8_t, 12>>(2);
  out.sealed = row.get<Bytes>(3);
  return out;
}

void forget_wrapped_key(Transaction& db, const Run& run) {
  db.exec(
      "DELETE FROM run_seal WHERE fingerprint IN (SELECT fingerprint FROM identity_key WHERE "
      "spki = ?)",
      run.spki);
  db.journal(station(), "key.deliver", rows::about(run));
}

std::optional<Bytes> certificate(Reader& db, const Run& run) {
  return db.value<Bytes>(
      "SELECT c.der FROM certificate c JOIN identity_key k ON k.fingerprint = c.key "
      "WHERE k.spki = ? AND c.serial = ?",
      run.spki, run.serial);
}

void record_certificate(Transaction& db, const Run& run, const Bytes& der) {
  rows::must_be_open(db, run);
  auto kept = certificate(db, run);
  if (kept && *kept == der) return;
  auto key =
      db.value<std::int64_t>("SELECT fingerprint FROM identity_key WHERE spki = ?", run.spki);
  if (!key) throw Fault("run.no_key", {{"run", run.id}});
  Digest digest = sha256(der);
  db.exec("INSERT INTO certificate (sha256, key, serial, run, der, at) VALUES (?, ?, ?, ?, ?, ?)",
          digest, *key, run.serial, run.id, der, utc_now());
  Entry entry = rows::about(run);
  entry.add("sha256", hex(digest));
  db.journal(station(), "certificate.issue", entry);
  rows::deny_predecessors(db, station(), run.unit, *key);
}

void record_second_certificate(Transaction& db, const Run& run, const std::string& profile,
                               const Bytes& der) {
  rows::must_be_open(db, run);
  Entry entry = rows::about(run);
  entry.add("profile", profile);
  entry.add("spki_sha256", hex(sha256(run.spki)));
  entry.add("sha256", hex(sha256(der)));
  entry.add("der", base64(der));
  std::uint64_t seq = db.journal(station(), "certificate.second", entry);
  db.exec(
      "INSERT INTO second_certificate (seq, key, profile) SELECT ?, fingerprint, ? FROM "
      "identity_key WHERE spki = ?",
      seq, profile, run.spki);
  if (db.changes() != 1) throw Fault("run.no_key", {{"run", run.id}});
}

std::optional<Bytes> second_certificate(Reader& db, const Run& run, const std::string& profile) {
  auto found = db.value<std::string>(
      "SELECT json_extract(CAST(bytes AS TEXT), '$.der') FROM journal WHERE run = ? AND "
      "type = 'certificate.second' AND json_extract(CAST(bytes AS TEXT), '$.profile') = ? "
      "ORDER BY seq DESC LIMIT 1",
      run.id, profile);
  return found ? from_base64(*found) : std::nullopt;
}

std::array<std::uint8_t, 12> next_iv(Transaction& db, const std::string& lot) {
  db.exec("UPDATE lot SET iv = iv + 1 WHERE id = ?", lot);
  auto counter = db.value<std::uint64_t>("SELECT iv FROM lot WHERE id = ?", lot);
  if (!counter) throw Fault("lot.unknown", {{"lot", lot}});
  std::array<std::uint8_t, 12> out{};
  for (std::size_t i = 0; i < 8; ++i)
    out.at(11 - i) = static_cast<std::uint8_t>(*counter >> (8 * i));
  return out;
}

int mints(Reader& db, const Run& run) {
  return db.value<int>("SELECT mints FROM unit WHERE id = ?", run.unit).value_or(0);
}

static void must_be_fresh(Reader& db, const Run& run, const std::vector<Credential>& credentials) {
  int times = mints(db, run);
  for (const Credential& one : credentials)
    if (one.derived_at.value_or(times) != times) throw Fault("run.moved", {{"run", run.id}});
}

static void count_mint(Transaction& db, std::int64_t unit, const Run& run, int max_mints) {
  auto before = db.value<int>("SELECT mints FROM unit WHERE id = ?", unit).value_or(0);
  // Each time that two officers let it come back it may be minted for as often again.
  auto times = db.value<int>("SELECT 1 + count(*) FROM release WHERE unit = ?", unit).value_or(1);
  if (before >= max_mints * times)
    throw Fault("unit.mints_spent",
                {{"hwid", run.hardware_id.id}, {"mints", std::to_string(before)}});
  db.exec("UPDATE unit SET mints = mints + 1 WHERE id = ?", unit);
}

// Burnt ones count: what was once given out stays used up.
static void check_scope(Reader& db, const Credential& credential) {
  if (credential.most == 0) return;
  auto used =
      db.value<std::int64_t>("SELECT count(*) FROM fingerprint WHERE scope = ?", credential.scope);
  if (used.value_or(0) >= credential.most)
    throw Fault("mint.codes_spent",
                {{"class", credential.klass}, {"most", std::to_string(credential.most)}});
}

static Json insert_credential(Transaction& db, const Run& run, std::int64_t unit,
                              const Credential& credential) {
  check_scope(db, credential);
  std::int64_t id = insert_secret(db, run, unit, credential.scope, credential.fingerprint,
                                  credential.klass, credential.name);
  db.exec("INSERT INTO run_seal (fingerprint, run, iv, sealed) VALUES (?, ?, ?, ?)", id, run.id,
          credential.iv, credential.sealed);
  if (!credential.escrowed.empty())
    escrow::keep(db, id, credential.escrow_key, credential.escrowed);
  Json out = {{"name", credential.name},
              {"class", credential.klass},
              {"scope", credential.scope},
              {"fingerprint", hex(credential.fingerprint)}};
  if (credential.derived_at) out["derivation"] = "keyed";
  return out;
}

Run mint(Transaction& db, Run run, const Bytes& nonce, const std::vector<Credential>& credentials,
         int max_mints) {
  if (auto code = lots::stopped(db)) throw Fault("station.stopped", {{"code", *code}});
  std::int64_t unit = run.unit;
  run = burn(db, station(), run, "minted afresh");
  must_be_fresh(db, run, credentials);
  count_mint(db, unit, run, max_mints);
  Json minted = Json::array();
  for (const Credential& credential : credentials)
    minted.push_back(insert_credential(db, run, unit, credential));
  db.exec("UPDATE run SET nonce = ?, offered = 0 WHERE id = ? AND ending IS NULL", nonce, run.id);
  rows::must_change(db, run);
  Entry entry = rows::about(run);
  entry.add("credentials", minted);
  db.journal(station(), "credential.mint", entry);
  run.nonce = nonce;
  run.offered = false;
  return run;
}

void burn_decoy(Transaction& db, const Run& run, const std::string& klass, std::int64_t scope,
                const Digest& fingerprint) {
  std::int64_t unit = run.unit;
  std::int64_t id = insert_secret(db, run, unit, scope, fingerprint, klass, "decoy");
  db.exec("INSERT INTO burn (fingerprint, reason, actor, at) VALUES (?, 'decoy', ?, ?)", id,
          station().name, utc_now());
  Entry entry = rows::about(run);
  entry.add("class", klass);
  entry.add("scope", scope);
  entry.add("fingerprint", hex(fingerprint));
  db.journal(station(), "decoy.burn", entry);
}

std::vector<Credential> credentials(Reader& db, const Run& run) {
  std::vector<Credential> out;
  auto row = db.query(
      "SELECT f.name, f.class, f.scope, f.value, s.iv, s.sealed FROM run_seal s "
      "JOIN fingerprint f ON f.id = s.fingerprint WHERE s.run = ? AND NOT EXISTS "
      "(SELECT 1 FROM burn b WHERE b.fingerprint = f.id) AND f.class <> ? ORDER BY f.id",
      run.id, kIdentity);
  while (row.step()) {
    Credential one;
    one.name = row.get<std::string>(0);
    one.klass = row.get<std::string>(1);
    one.scope = row.get<std::int64_t>(2);
    one.fingerprint = row.get<Digest>(3);
    one.iv = row.get<std::array<std::uint8_t, 12>>(4);
    one.sealed = row.get<Bytes>(5);
    out.push_back(std::move(one));
  }
  return out;
}

Run offer(Transaction& db, Run run) {
  db.exec("UPDATE run SET offered = 1 WHERE id = ? AND ending IS NULL", run.id);
  rows::must_change(db, run);
  db.journal(station(), "secret.offer", rows::about(run));
  run.offered = true;
  return run;
}

Run burn(Transaction& db, const Actor& actor, Run run, const std::string& reason) {
  auto secrets = unburnt(db, "run", run.id);
  if (secrets.empty()) return run;
  Entry entry = rows::about(run);
  entry.add("reason", reason);
  entry.add("fingerprints", burn_rows(db, actor, reason, secrets));
  db.journal(actor, "credential.burn", entry);
  return run;
}

void count_tries(Transaction& db, const Run& run, const std::vector<std::string>& kinds,
                 int limit) {
  std::int64_t unit = run.unit;
  int tries = db.value<int>("SELECT tries FROM unit WHERE id = ?", unit).value_or(0);
  if (tries + static_cast<int>(kinds.size()) >= limit)
    throw Fault("unit.tries_spent",
                {{"hwid", run.hardware_id.id}, {"limit", std::to_string(limit)}});
  for (const std::string& kind : kinds) {
    Entry entry = rows::about(run);
    entry.add("kind", kind);
    entry.add("in_a_row", ++tries);
    db.journal(station(), "login.try", entry);
  }
  db.exec("UPDATE unit SET tries = ? WHERE id = ?", tries, unit);
}

void count_success(Transaction& db, const Run& run) {
  db.exec("UPDATE unit SET tries = 0 WHERE id = ?", run.unit);
}

}  // namespace runs
}  // namespace mintmark
