#include "station.hpp"

#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include <chrono>
#include <stdexcept>
#include <thread>

#include "station/words/clock.hpp"
#include "station/words/crypto.hpp"

namespace mintmark::test {

static void must(bool good) {
  if (!good) throw std::runtime_error("OpenSSL refused in a test's set-up");
}

Ed25519::Ed25519() : key_(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")) { must(key_ != nullptr); }
Ed25519::~Ed25519() { EVP_PKEY_free(key_); }

Bytes Ed25519::public_key() const {
  Bytes out(32);
  std::size_t size = out.size();
  must(EVP_PKEY_get_raw_public_key(key_, out.data(), &size) == 1);
  return out;
}

Bytes Ed25519::sign(View message) const {
  Bytes out(64);
  std::size_t size = out.size();
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  must(EVP_DigestSignInit(context, nullptr, nullptr, nullptr, key_) == 1);
  must(EVP_DigestSign(context, out.data(), &size, message.data(), message.size()) == 1);
  EVP_MD_CTX_free(context);
  return out;
}

std::string Ed25519::public_pem() const {
  BIO* bio = BIO_new(BIO_s_mem());
  must(PEM_write_bio_PUBKEY(bio, key_) == 1);
  char* data = nullptr;
  long size = BIO_get_mem_data(bio, &data);
  std::string out(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  return out;
}

static Bytes make_certificate(EVP_PKEY* subject_key, EVP_PKEY* issuer_key, const std::string& cn,
                              const std::string& serial, const std::string& issuer, bool ca) {
  X509* x = X509_new();
  X509_set_version(x, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(x), static_cast<long>(random_bytes(1)[0]) + 1);
  X509_gmtime_adj(X509_getm_notBefore(x), -60);
  X509_gmtime_adj(X509_getm_notAfter(x), 86400);
  auto add = [](X509_NAME* name, const char* field, const std::string& text) {
    X509_NAME_add_entry_by_txt(name, field, MBSTRING_ASC, view(text).data(), -1, -1, 0);
  };
  add(X509_get_subject_name(x), "CN", cn);
  if (!serial.empty()) add(X509_get_subject_name(x), "serialNumber", serial);
  X509_NAME* issuer_name = X509_NAME_new();
  add(issuer_name, "CN", issuer);
  X509_set_issuer_name(x, issuer_name);
  X509_NAME_free(issuer_name);
  X509_set_pubkey(x, subject_key);
  X509_EXTENSION* basic = X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints,
                                              ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
  X509_add_ext(x, basic, -1);
  X509_EXTENSION_free(basic);
  must(X509_sign(x, issuer_key, EVP_sha256()) > 0);
  Bytes der(static_cast<std::size_t>(i2d_X509(x, nullptr)));
  unsigned char* at = der.data();
  i2d_X509(x, &at);
  X509_free(x);
  return der;
}

Ca::Ca(const std::string& name) : key_(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")) {
  der_ = make_certificate(key_, key_, name, "", name, true);
}
Ca::~Ca() { EVP_PKEY_free(key_); }

Bytes Ca::issue(const std::string& serial) const {
  EVP_PKEY* subject = EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256");
  Bytes der = make_certificate(subject, key_, "Lamp", serial, "Test CA", false);
  EVP_PKEY_free(subject);
  return der;
}

std::string Ca::denial_list(const std::vector<Bytes>& denied, std::uint64_t number) const {
  X509_CRL* crl = X509_CRL_new();
  X509_CRL_set_version(crl, X509_CRL_VERSION_2);
  ASN1_TIME* now = ASN1_TIME_set(nullptr, std::time(nullptr));
  X509_CRL_set1_lastUpdate(crl, now);
  const unsigned char* own = der_.data();
  X509* ca = d2i_X509(nullptr, &own, static_cast<long>(der_.size()));
  X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca));
  X509_free(ca);
  for (const Bytes& der : denied) {
    const unsigned char* at = der.data();
    X509* certificate = d2i_X509(nullptr, &at, static_cast<long>(der.size()));
    X509_REVOKED* entry = X509_REVOKED_new();
    ASN1_ENUMERATED* reason = ASN1_ENUMERATED_new();
    ASN1_ENUMERATED_set(reason, CRL_REASON_KEY_COMPROMISE);
    X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(certificate));
    X509_REVOKED_set_revocationDate(entry, now);
    X509_REVOKED_add1_ext_i2d(entry, NID_crl_reason, reason, 0, 0);
    X509_CRL_add0_revoked(crl, entry);
    ASN1_ENUMERATED_free(reason);
    X509_free(certificate);
  }
  ASN1_INTEGER* value = ASN1_INTEGER_new();
  ASN1_INTEGER_set_uint64(value, number);
  X509_CRL_add1_ext_i2d(crl, NID_crl_number, value, 0, 0);
  must(X509_CRL_sign(crl, key_, EVP_sha256()) > 0);
  BIO* bio = BIO_new(BIO_s_mem());
  must(PEM_write_bio_X509_CRL(bio, crl) == 1);
  char* data = nullptr;
  long size = BIO_get_mem_data(bio, &data);
  std::string out(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  ASN1_INTEGER_free(value);
  ASN1_TIME_free(now);
  X509_CRL_free(crl);
  return out;
}

Bytes random_bytes(std::size_t size) {
  Bytes out(size);
  must(RAND_bytes(out.data(), static_cast<int>(size)) == 1);
  return out;
}

Digest random_digest() { return sha256(random_bytes(32)); }
std::string uuid7() {
  // Later ones sort later: a version 7 UUID counts milliseconds.
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  return uuid_v7(random_bytes(16));
}

Directory::Directory() {
  std::string pattern = (std::filesystem::temp_directory_path() / "mintmark-XXXXXX").string();
  must(mkdtemp(pattern.data()) != nullptr);
  root_ = pattern;
}
Directory::~Directory() {
  std::error_code ignored;
  std::filesystem::remove_all(root_, ignored);
}

const Actor& alice() {
  static const Actor actor("alice");
  return actor;
}
const Actor& self() {
  static const Actor actor("station");
  return actor;
}

Station::Station() : path(directory.path("ledger.db")) {
  birth.station = uuid_v4(random_bytes(16));
  birth.ledger = uuid_v4(random_bytes(16));
  birth.demo = true;
  birth.owner_key = owner.public_key();
  birth.fingerprint_check = random_bytes(8);
  birth.journal_key = journal_key.public_key();
  birth.ca = ca.der();
  birth.token = "SoftHSM v2";
  birth.created_by = "alice";
  Ledger::create(path, birth);
  reopen();
}

Station::~Station() {
  ledger.reset();
  if (!audits) return;
  try {
    Ledger again(path);
  } catch (const Fault& fault) {
    ADD_FAILURE() << "the audit finds " << fault.what();
  }
}

Signer Station::signer() const {
  return [this](View message) { return journal_key.sign(message); };
}

void Station::reopen() {
  ledger.reset();
  ledger = std::make_unique<Ledger>(path);
}

std::string Station::intrude(const std::string& sql, bool recursive_triggers) const {
  sqlite3* db = nullptr;
  sqlite3_open(path.c_str(), &db);
  sqlite3_busy_timeout(db, 5000);
  if (recursive_triggers)
    sqlite3_exec(db, "PRAGMA recursive_triggers=ON", nullptr, nullptr, nullptr);
  int rc = sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr);
  std::string message = rc == SQLITE_OK ? "" : sqlite3_errmsg(db);
  sqlite3_close(db);
  return message;
}

Json Station::order_json(int quantity, int spares) const {
  Json serials = Json::array();
  serials.push_back(Json{{"first", "SN-000001"}, {"last", "SN-000200"}});
  return {{"order", uuid7()},
          {"station", birth.station},
          {"product", {{"name", "Lamp"}, {"number", 7}, {"sha256", hex(sha256(view(kProduct)))}}},
          {"quantity", quantity},
          {"spares", spares},
          {"serials", serials},
          {"not_after", "2999-12-31"},
          {"kind", "production"}};
}

Order Station::order(const Json& json) const {
  std::string bytes = json.dump(2);
  return read_order(view(bytes), base64(owner.sign(view(bytes))), birth.owner_key, birth.station);
}

void Station::appoint(const std::vector<std::string>& names) {
  Json officers = Json::array();
  for (const std::string& name : names)
    officers.push_back({{"name", name}, {"credential", hex(sha256(view("token of " + name)))}});
  Json roster = {{"roster", uuid7()},
                 {"station", birth.station},
                 {"solo", names.size() == 1},
                 {"not_after", "2999-12-31"},
                 {"officers", officers}};
  std::string bytes = roster.dump();
  Roster signed_one =
      read_roster(view(bytes), base64(owner.sign(view(bytes))), birth.owner_key, birth.station);
  write([&](Transaction& db) { people::apply_roster(db, alice(), signed_one); });
}

std::string Station::open_lot(const Order& order) {
  std::string lot = uuid7();
  write([&](Transaction& db) {
    lots::open(db, alice(), order, lot, kProduct, {{"device", "^XA^XZ"}}, "lot-" + lot);
  });
  return lot;
}

Run Station::begin(const std::string& lot, const std::string& hw, const std::string& slot) {
  return write([&](Transaction& db) {
    Json facts = {{"boot", "secure"}};
    return runs::begin(db, self(), uuid7(), lot, slot, HardwareId("emmc-cid", hw), "lamp-1",
                       "1.4.0", facts);
  });
}

Run Station::step(Run run, const Evidence& evidence) {
  run = write([&](Transaction& db) { return runs::intend(db, self(), run); });
  return write([&](Transaction& db) { return runs::complete(db, self(), run, evidence); });
}

Credential password() {
  Credential out;
  out.name = "admin";
  out.klass = "password";
  out.fingerprint = random_digest();
  out.sealed = random_bytes(32);
  return out;
}

Run Station::enrolled(const std::string& lot, const std::string& hw) {
  Run run = begin(lot, hw);
  run = write([&](Transaction& db) { return runs::admit(db, run); });
  run = step(run);  // reserve
  Bytes spki = random_bytes(91);
  run = write([&](Transaction& db) { return runs::commit_key(db, run, spki, sha256(spki)); });
  Bytes der = ca.issue(run.serial);
  write([&](Transaction& db) { runs::record_certificate(db, run, der); });
  return run;
}

Run Station::pass(const std::string& lot, const std::string& hw, StepResult reset) {
  Run run = step(enrolled(lot, hw));
  Credential secret = password();
  run = write([&](Transaction& db) {
    secret.iv = runs::next_iv(db, lot);
    return runs::mint(db, run, random_bytes(16), {secret}, 3);
  });
  run = step(run);  // mint
  run = write([&](Transaction& db) { return runs::offer(db, run); });
  run = step(run);  // inject
  run = step(run);  // prove
  Evidence check;
  check.result = reset;
  if (reset == StepResult::not_proven) check.reason = "sampled";
  run = step(run, check);
  run = step(run);  // lock
  int attempt = write(
      [&](Transaction& db) { return runs::begin_label(db, self(), run, "device", Digest{}); });
  run = step(run);  // label
  ControlSymbol symbol(run.serial, "device", attempt);
  write([&](Transaction& db) { runs::apply_label(db, alice(), run, symbol, "slot"); });
  run = step(run);  // scan
  return write([&](Transaction& db) { return runs::end(db, self(), run, Ending::passed, "", {}); });
}

std::vector<Json> Station::entries() {
  return read([](Reader& db) {
    std::vector<Json> out;
    journal_entries(db, 0, journal_size(db), [&](std::uint64_t, View bytes) {
      out.push_back(Json::parse(bytes.begin(), bytes.end()));
      return true;
    });
    return out;
  });
}

std::vector<std::string> Station::types() {
  std::vector<std::string> out;
  for (const Json& entry : entries()) out.push_back(entry["type"]);
  return out;
}

}  // namespace mintmark::test
