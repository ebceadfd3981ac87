// Making a station, looking after it, and who may use it.
#include <pwd.h>
#include <unistd.h>

#include <iostream>

#include "station/main/commands.hpp"
#include "station/main/files.hpp"
#include "station/main/station.hpp"
#include "station/words/secret.hpp"

namespace mintmark {

namespace {

// The login name, as far as a principal may bear it: [a-z][a-z0-9-]{0,31}.
std::string own_name() {
  const passwd* user = ::getpwuid(::getuid());
  std::string out;
  for (char c : std::string(user != nullptr ? user->pw_name : ""))
    if ((c >= 'a' && c <= 'z') || (!out.empty() && ((c >= '0' && c <= '9') || c == '-'))) out += c;
  return out.empty() ? "first" : out.substr(0, 32);
}

void init(const Context& context, const InitOptions& options) {
  lock_memory();
  Config config = context.read();
  InitResult made = init_station(config, options);
  std::cout
      << "station: " << made.station << "\nperson: " << made.person << "\ntoken: " << made.token
      << "\nfingerprint key: check value " << made.check_value << "\n\n"
      << "The token above is shown this once: keep it like a key. It signs " << made.person
      << " in on the page\nand in the API; on this machine's Unix socket uid " << options.uid
      << " needs none.\n"
      << "Next: start mintmarkd --config " << context.config << ", look with `mintmark doctor`,"
      << "\nlet the owner sign an order for this station (`mintmark order template`), and open "
      << "it:\n`mintmark lot open ORDER.json`.\n";
}

int say(const std::vector<Check>& checks) {
  int bad = 0;
  for (const Check& check : checks) {
    std::cout << (check.ok ? "ok    " : "WRONG ") << check.name << ": " << check.says << "\n";
    if (!check.ok) bad = 1;
  }
  return bad;
}

int doctor(const Context& context) {
  Config config;
  try {
    config = context.read();
  } catch (const Fault& fault) {
    return say({Check("configuration", false, explain(fault))});
  }
  Client client(config.listen.socket);
  if (!client.answers()) {
    std::cout << "The daemon does not run: token, ledger and files are looked at directly.\n";
    lock_memory();
    return say(examine(config));
  }
  std::vector<Check> checks{{"daemon", true, "mintmarkd answers at " + config.listen.socket + "."}};
  Json answer = client.get("/doctor");
  for (const Json& check : answer["checks"])
    checks.emplace_back(check["name"].get<std::string>(), check["ok"].get<bool>(),
                        check["says"].get<std::string>());
  return say(checks);
}

void add_init(CLI::App& app, Context& context) {
  auto options = std::make_shared<InitOptions>();
  options->person = own_name();
  options->uid = ::getuid();
  auto* command = app.add_subcommand(
      "init",
      "make the station that the configuration describes: token, keys, ledger, TLS "
      "certificate, first principal. An existing one is never touched.");
  command->add_option("--owner-key", options->owner_key, "the owner's public key (Ed25519, PEM)")
      ->required();
  command->add_option("--so-pin-file", options->so_pin_file,
                      "PIN of the new token's security officer; without it the token must exist "
                      "already and hold no Mintmark keys (a real HSM)");
  command->add_option("--name", options->person, "the first principal")->capture_default_str();
  command->add_option("--uid", options->uid, "his user id on this machine")->capture_default_str();
  command->add_option("--ca-request", options->ca_request,
                      "where the owner signs the device CA: write a PKCS#10 request here; no lot "
                      "opens before `mintmark ca install`");
  command->add_option("--escrow-key", options->escrow_key,
                      "public key of the escrow token (mintmark escrow create-token), PEM");
  command->add_flag("--clonable-fingerprint", options->clonable,
                    "other stations may be given the fingerprint key (mintmark hsm clone)");
  command->add_option("--fingerprint-from", options->fingerprint_from,
                      "take in the fingerprint key that another station sent, in this file");
  command->add_option("--check-value", options->check_value,
                      "of that key, typed from the other station's record");
  command->add_flag("--demo", options->demo, "a ledger that may simulate its scanner, for ever");
  command->callback([options, &context] { init(context, *options); });
}

void add_ca_commands(CLI::App& app, Context& context) {
  auto* ca = app.add_subcommand("ca", "the device CA, where the owner signs it");
  ca->require_subcommand(1);
  auto file = std::make_shared<std::string>();
  auto* request = ca->add_subcommand("request", "write a PKCS#10 request for the CA key into FILE");
  request->add_option("FILE", *file)->required();
  request->callback(
      [file, &context] { write_new(*file, context.client().text("/ca/request"), 0644); });
  auto files = std::make_shared<std::vector<std::string>>();
  auto* install = ca->add_subcommand(
      "install", "take the owner's certificate and those above it up to the root, in PEM");
  install->add_option("CERT", *files, "one file or several, the station's certificate first")
      ->required();
  install->callback([files, &context] {
    std::string chain;
    for (const std::string& one : *files) chain += read_text(one);
    Json made = context.client().post("/ca", {{"chain", chain}});
    std::cout << "generation: " << made["generation"]
              << "\nsha256: " << made["sha256"].get<std::string>()
              << "\nThe station may issue under it now.\n";
  });
}

struct NewPerson {
  std::string name;
  std::vector<std::string> roles;
  long uid = -1;
};

void add_person_commands(CLI::App& app, Context& context) {
  auto* person = app.add_subcommand("person", "who may use the station");
  person->require_subcommand(1);
  auto fresh = std::make_shared<NewPerson>();
  auto* add = person->add_subcommand("add", "add a person or machine; its token is shown once");
  add->add_option("NAME", fresh->name, "lower-case letters, digits, hyphens")->required();
  add->add_option("--role", fresh->roles, "operator, lead, integrator, auditor; may be repeated")
      ->required();
  add->add_option("--uid", fresh->uid, "user id that the Unix socket takes for this person");
  add->callback([fresh, &context] {
    Json body = {{"name", fresh->name}, {"roles", fresh->roles}};
    if (fresh->uid >= 0) body["uid"] = fresh->uid;
    Json made = context.client().post("/persons", body);
    std::cout << "person: " << made["name"].get<std::string>()
              << "\ntoken: " << made["token"].get<std::string>() << "\n";
  });
  person->add_subcommand("list", "everybody and their roles")->callback([&context] {
    Json answer = context.client().get("/persons");
    for (const Json& one : answer["persons"])
      std::cout << one["name"].get<std::string>() << " " << one["roles"].dump() << "\n";
  });
  auto name = std::make_shared<std::string>();
  auto* remove = person->add_subcommand("remove", "end a person's access");
  remove->add_option("NAME", *name)->required();
  remove->callback(
      [name, &context] { context.client().remove("/persons/" + percent_encoded(*name)); });
}

void add_roster_apply(CLI::App& app, Context& context) {
  auto file = std::make_shared<std::string>();
  auto* apply = app.get_subcommand("roster")->add_subcommand(
      "apply", "at the station: make the officers those of the owner's FILE and FILE.sig");
  apply->add_option("FILE", *file)->required();
  apply->callback([file, &context] {
    Json body = {{"roster", base64(view(read_text(*file)))},
                 {"signature", read_text(*file + ".sig")}};
    std::cout << context.client().put("/roster", body).dump(1) << "\n";
  });
}

}  // namespace

void add_setup_commands(CLI::App& app, Context& context) {
  add_init(app, context);
  app.add_subcommand("doctor", "look at everything that must be right, one line each; exit 0 or 1")
      ->callback([&context] { context.exit_code = doctor(context); });
  app.add_subcommand("health", "ask the daemon how it is; exit 0 when it is well")
      ->callback([&context] {
        Json health = context.client().get("/health");
        std::cout << health.dump(1) << "\n";
        context.exit_code = health["status"] == "ok" ? 0 : 1;
      });
  auto* pin = app.add_subcommand("pin", "the token's PIN");
  pin->require_subcommand(1);
  pin->add_subcommand("clear", "a person has put the PIN right: the next start may try it once")
      ->callback([&context] { clear_pin_mark(context.read().state_dir); });
  add_ca_commands(app, context);
  add_person_commands(app, context);
  add_roster_apply(app, context);
}

}  // namespace mintmark
