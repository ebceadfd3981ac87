#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "hsm/pin.hpp"
#include "station/credential/authority.hpp"
#include "station/credential/idevid.hpp"
#include "station/ledger/escrow.hpp"
#include "station/ledger/people.hpp"
#include "station/ledger/signers.hpp"
#include "station/main/files.hpp"
#include "station/main/station.hpp"
#include "station/words/clock.hpp"
#include "station/words/crypto.hpp"

namespace mintmark {

namespace {

namespace fs = std::filesystem;

void must_not_exist(const std::string& path) {
  std::error_code ignored;
  if (fs::exists(fs::symlink_status(path, ignored))) throw Fault("file.exists", {{"file", path}});
}

void make_state_dir(const std::string& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return;
  if (::mkdir(path.c_str(), 0700) != 0)
    throw Fault("file.write", {{"file", path}, {"reason", "the directory cannot be made"}});
}

// Taken away again unless the whole station came to be: the next try finds nothing in its way.
class Undo {
 public:
  explicit Undo(std::vector<std::string> files) : files_(std::move(files)) {}
  ~Undo() {
    for (const std::string& file : files_) ::unlink(file.c_str());
  }
  Undo(const Undo&) = delete;
  Undo& operator=(const Undo&) = delete;
  void keep() { files_.clear(); }

 private:
  std::vector<std::string> files_;
};

// What `mintmark hsm clone send` wrote; an empty object where nothing is cloned.
Json read_clone(const InitOptions& options) {
  if (options.fingerprint_from.empty()) return Json::object();
  Json clone = Json::parse(read_text(options.fingerprint_from), nullptr, false);
  for (const char* key : {"act", "station", "check_value", "request", "wrapped"})
    if (!clone.is_object() || !clone.contains(key) || !clone[key].is_string())
      throw Fault("clone.request", {{"reason", std::string("it has no ") + key}});
  return clone;
}

ClonedKey cloned_key(const Json& clone, const InitOptions& options) {
  ClonedKey out;
  auto wrapped = from_base64(clone["wrapped"].get<std::string>());
  auto typed = from_hex(options.check_value);
  if (!wrapped || !typed || typed->size() != 8)
    throw Fault("clone.check", {{"found", options.check_value.substr(0, 32)},
                                {"wanted", "16 hexadecimal digits of the source's record"}});
  out.wrapped = *wrapped;
  out.check_value = *typed;
  return out;
}

void make_token(const Config& config, const InitOptions& options, const Json& clone) {
  using Fingerprint = Vault::Fingerprint;
  Fingerprint origin = options.clonable ? Fingerprint::clonable : Fingerprint::own;
  if (!clone.empty()) {
    Vault::create_keys(config.token, Fingerprint::cloned, cloned_key(clone, options));
  } else if (options.so_pin_file.empty()) {
    Vault::create_keys(config.token, origin);
  } else {
    Secret so_pin = pkcs11::read_pin(options.so_pin_file);
    Vault::create(config.token, so_pin.view(), origin);
  }
}

// Where the fingerprint key comes from, if not simply from here.
void record_origin(Transaction& db, const InitOptions& options, const Json& clone) {
  if (!options.clonable && clone.empty()) return;
  Json origin = {{"origin", clone.empty() ? "clonable" : "clone"}};
  if (clone.contains("station")) origin["source"] = clone["station"];
  for (const char* key : {"act", "officers", "request", "check_value"})
    if (clone.contains(key)) origin[key] = clone[key];
  db.journal(Actor(options.person), "fingerprint.origin", origin);
}

Birth birth_of(Vault& vault, const Config& config, const InitOptions& options, Bytes owner_key) {
  Birth birth;
  birth.station = uuid_v4(vault.random(16));
  birth.ledger = uuid_v4(vault.random(16));
  birth.demo = options.demo;
  birth.owner_key = std::move(owner_key);
  birth.fingerprint_check = vault.check_value();
  birth.journal_key = vault.journal_public_key();
  if (options.ca_request.empty())
    birth.ca = make_ca_certificate(vault, ca_name(config, birth.station));
  TokenReport token = vault.describe();
  birth.token =
      token.label + " (" + token.manufacturer + " " + token.model + " " + token.serial + ")";
  birth.created_by = options.person;
  birth.created_at = utc_now();
  return birth;
}

Person first_person(const InitOptions& options) {
  Person person;
  person.name = options.person;
  person.roles = {Role::op, Role::lead, Role::auditor};
  person.uid = options.uid;
  person.created_by = "init";
  return person;
}

}  // namespace

std::string ca_name(const Config& config, const std::string& station) {
  return config.organization.substr(0, 40) + " device CA " + station.substr(0, 8);
}

InitResult init_station(const Config& config, const InitOptions& options) {
  Bytes owner_key = read_ed25519_public(options.owner_key);
  if (config.simulate_scanner && !options.demo) throw Fault("station.not_demo");
  bool owner_signs = !options.ca_request.empty();
  Json clone = read_clone(options);
  if (!clone.empty()) cloned_key(clone, options);  // refused before anything is made
  Bytes escrow_key = options.escrow_key.empty() ? Bytes{} : read_p256_public(options.escrow_key);
  for (const std::string& path :
       {config.ledger(), config.listen.certificate, config.listen.key, options.ca_request})
    must_not_exist(path);
  make_state_dir(config.state_dir);
  Undo files({config.listen.certificate, config.listen.key, options.ca_request});
  write_tls_pair(config.listen.certificate, config.listen.key, config.hosts());
  make_token(config, options, clone);
  Vault vault(config.token);
  Birth birth = birth_of(vault, config, options, std::move(owner_key));
  InitResult result;
  result.station = birth.station;
  result.person = options.person;
  result.token = hex(vault.random(32));
  result.check_value = hex(birth.fingerprint_check);
  if (owner_signs)
    write_new(options.ca_request, make_ca_request(vault, ca_name(config, birth.station)), 0644);
  Ledger::create(config.ledger(), std::move(birth));
  Ledger ledger(config.ledger());
  ledger.transact_now([&](Transaction& db) {
    Actor actor(options.person);
    people::add(db, Actor("station"), first_person(options), sha256(view(result.token)));
    record_origin(db, options, clone);
    if (!escrow_key.empty()) escrow::install(db, actor, escrow_key);
    // The key is the ledger's from now on: only its certificate is taken later.
    if (owner_signs) signers::add(db, actor, "ca", vault.ca_public_point());
  });
  anchor_from_here(vault, ledger);
  files.keep();
  return result;
}

}  // namespace mintmark
