#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "hsm/pin.hpp"
#include "station/credential/idevid.hpp"
#include "station/ledger/people.hpp"
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

void make_token(const Config& config, const std::string& so_pin_file) {
  if (so_pin_file.empty()) {
    Vault::create_keys(config.token);
  } else {
    Secret so_pin = pkcs11::read_pin(so_pin_file);
    Vault::create(config.token, so_pin.view());
  }
}

Birth birth_of(Vault& vault, const Config& config, const InitOptions& options, Bytes owner_key) {
  Birth birth;
  birth.station = uuid_v4(vault.random(16));
  birth.ledger = uuid_v4(vault.random(16));
  birth.demo = options.demo;
  birth.owner_key = std::move(owner_key);
  birth.fingerprint_check = vault.check_value();
  birth.journal_key = vault.journal_public_key();
  birth.ca = make_ca_certificate(
      vault, config.organization.substr(0, 40) + " device CA " + birth.station.substr(0, 8));
  TokenReport token = vault.describe();
  birth.token =
      token.label + " (" + token.manufacturer + " " + token.model + " " + token.serial + ")";
  birth.created_by = options.person;
  birth.created_at = utc_now();
  return birth;
}

std::string add_first_person(Vault& vault, Ledger& ledger, const InitOptions& options) {
  Person person;
  person.name = options.person;
  person.roles = {Role::op, Role::lead, Role::auditor};
  person.uid = options.uid;
  person.created_by = "init";
  std::string token = hex(vault.random(32));
  ledger.transact_now(
      [&](Transaction& db) { people::add(db, Actor("station"), person, sha256(view(token))); });
  return token;
}

}  // namespace

InitResult init_station(const Config& config, const InitOptions& options) {
  Bytes owner_key = read_ed25519_public(options.owner_key);
  if (config.simulate_scanner && !options.demo) throw Fault("station.not_demo");
  for (const std::string& path : {config.ledger(), config.listen.certificate, config.listen.key})
    must_not_exist(path);
  make_state_dir(config.state_dir);
  Undo files({config.listen.certificate, config.listen.key});
  write_tls_pair(config.listen.certificate, config.listen.key, config.hosts());
  make_token(config, options.so_pin_file);
  Vault vault(config.token);
  Birth birth = birth_of(vault, config, options, std::move(owner_key));
  InitResult result;
  result.station = birth.station;
  result.person = options.person;
  Ledger::create(config.ledger(), std::move(birth));
  Ledger ledger(config.ledger());
  result.token = add_first_person(vault, ledger, options);
  files.keep();
  return result;
}

}  // namespace mintmark
