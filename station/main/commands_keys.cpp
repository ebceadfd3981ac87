// Keys that several hands share: the escrow token, clones of the fingerprint key, rotation.
#include <filesystem>
#include <iostream>

#include "hsm/clone.hpp"
#include "hsm/escrow.hpp"
#include "hsm/pin.hpp"
#include "station/credential/escrow.hpp"
#include "station/main/commands.hpp"
#include "station/main/files.hpp"
#include "station/words/clock.hpp"
#include "station/words/secret.hpp"

namespace mintmark {

namespace {

struct KeyWords {
  std::string file, out, uri, so_pin_file, state = ".", reason, subject, check;
};
using Words = std::shared_ptr<KeyWords>;

Secret so_pin_of(const KeyWords& words) {
  return words.so_pin_file.empty() ? Secret() : pkcs11::read_pin(words.so_pin_file);
}

TokenConfig desk_token(const KeyWords& words) {
  TokenConfig out;
  out.uri = words.uri;
  out.state_dir = words.state;
  return out;
}

void add_token_options(CLI::App& command, KeyWords& words) {
  command.add_option("--token", words.uri, "the escrow token (RFC 7512), with pin-source=file:")
      ->required();
  command.add_option("--state", words.state, "directory where a refused PIN is written down")
      ->capture_default_str();
}

std::string field_of(const Json& object, const char* key) {
  auto it = object.is_object() ? object.find(key) : object.end();
  if (it == object.end() || !it->is_string()) throw Fault("station.answer", {}, key);
  return it->get<std::string>();
}

Bytes bytes_of(const Json& object, const char* key) {
  auto out = from_base64(field_of(object, key));
  if (!out) throw Fault("station.answer", {}, key);
  return *out;
}

void create_escrow_token(const KeyWords& words) {
  lock_memory();
  Secret so_pin = so_pin_of(words);
  Bytes spki = EscrowToken::create(desk_token(words), so_pin.view());
  write_new(words.out, public_pem(spki), 0644);
  std::cout << "public key: " << words.out << "\ncheck value: " << comparison_value(spki)
            << "\nGive the file and the check value to the station: mintmark init --escrow-key, or "
               "mintmark escrow install.\n";
}

// A device's key is bytes: hexadecimal digits, straight from locked memory.
void print_value(const std::string& klass, View value) {
  if (klass != "symmetric-key") {
    std::cout.write(reinterpret_cast<const char*>(value.data()),
                    static_cast<std::streamsize>(value.size()));
    return;
  }
  for (std::uint8_t byte : value)
    std::cout << "0123456789abcdef"[byte >> 4] << "0123456789abcdef"[byte & 15];
}

// Standard output is the officer's eyes: the one place where an escrowed secret is shown.
void print_secret(const Json& taken, const Json& one, EscrowToken& token) {
  auto fingerprint = from_hex(field_of(one, "fingerprint")).value_or(Bytes{});
  Bytes aad = seal_aad(field_of(taken, "ledger"), field_of(one, "run"), field_of(one, "hardware"),
                       field_of(one, "class"), fingerprint);
  Agree agree = [&token](View point) { return token.agree(point); };
  Secret secret = open_escrow(agree, bytes_of(one, "spki"), aad, bytes_of(one, "sealed"));
  std::cout << field_of(one, "class") << " " << field_of(one, "name")
            << (one.value("burnt", false) ? " (burnt)" : "") << ": " << std::flush;
  print_value(field_of(one, "class"), secret.view());
  std::cout << "\n" << std::flush;
}

void open_escrow_file(const KeyWords& words) {
  lock_memory();
  Json taken = Json::parse(read_text(words.file), nullptr, false);
  std::cout << "serial: " << field_of(taken, "serial") << "\nact: " << field_of(taken, "act")
            << "\n";
  EscrowToken token(desk_token(words));
  for (const Json& one : taken["secrets"]) print_secret(taken, one, token);
}

void take(Context& context, const KeyWords& words) {
  Json taken = context.client().post("/acts/" + percent_encoded(words.subject) + "/take");
  write_new(words.out, taken.dump(1) + "\n", 0600);
  std::cout << "taken: " << words.out << "\n";
}

void add_escrow_commands(CLI::App& app, Context& context) {
  auto* escrow = app.add_subcommand("escrow", "secrets that only another token can open");
  escrow->require_subcommand(1);
  Words made = std::make_shared<KeyWords>();
  auto* create = escrow->add_subcommand(
      "create-token", "away from the station: make the escrow key in a token of its own");
  add_token_options(*create, *made);
  create->add_option("--so-pin-file", made->so_pin_file,
                     "PIN of the new token's security officer; without it the token must exist");
  create->add_option("--out", made->out, "where the public key is written, PEM")->required();
  create->callback([made] { create_escrow_token(*made); });

  Words key = std::make_shared<KeyWords>();
  auto* install = escrow->add_subcommand(
      "install", "as an officer: propose the public key that secrets are sealed to");
  install->add_option("PUBKEY", key->file, "PEM")->required();
  install->add_option("--reason", key->reason)->required();
  install->callback([key, &context] {
    Bytes spki = read_p256_public(key->file);
    Json arguments = {{"spki", base64(spki)}};
    propose_act(context, "escrow.install", comparison_value(spki), arguments, key->reason);
  });

  Words asked = std::make_shared<KeyWords>();
  auto* request =
      escrow->add_subcommand("request", "as an officer: propose to open what SERIAL was given");
  request->add_option("SERIAL", asked->subject)->required();
  request->add_option("--reason", asked->reason)->required();
  request->callback([asked, &context] {
    propose_act(context, "escrow.open", asked->subject, Json::object(), asked->reason);
  });

  Words taken = std::make_shared<KeyWords>();
  auto* taking = escrow->add_subcommand(
      "take", "as one of the two officers: write the sealed secrets of a confirmed act into FILE");
  taking->add_option("ACT", taken->subject)->required();
  taking->add_option("FILE", taken->out)->required();
  taking->callback([taken, &context] { take(context, *taken); });

  Words opened = std::make_shared<KeyWords>();
  auto* open = escrow->add_subcommand(
      "open", "at the officers' desk, with the escrow token: print the secrets in FILE");
  open->add_option("FILE", opened->file)->required();
  add_token_options(*open, *opened);
  open->callback([opened] { open_escrow_file(*opened); });
}

// A sheet to sign: what both sides keep beside their journals.
void print_record(const char* title, const std::vector<std::pair<std::string, std::string>>& lines,
                  const std::string& file) {
  std::string text = std::string(title) + "\n" + std::string(std::string(title).size(), '=') + "\n";
  for (const auto& [name, value] : lines) text.append(name).append(": ").append(value).append("\n");
  text += "\nFirst officer:  ______________________   Second officer: ______________________\n";
  write_new(file, text, 0644);
  std::cout << text << "\nrecord: " << file << "\n";
}

void request_clone(const Context& context, const KeyWords& words) {
  lock_memory();
  Config config = context.read();
  std::filesystem::create_directories(config.state_dir);
  std::filesystem::permissions(config.state_dir, std::filesystem::perms::owner_all);
  Secret so_pin = so_pin_of(words);
  Bytes spki = make_unwrap_key(config.token, so_pin.view());
  Json request = {{"spki", base64(spki)}};
  write_new(words.out, request.dump(1) + "\n", 0644);
  print_record("Mintmark: request for a clone of a fingerprint key",
               {{"at", utc_now()},
                {"file", words.out},
                {"check value of this token's key", comparison_value(spki)}},
               words.out + ".txt");
  std::cout << "Next, at the station that has the fingerprint key, as an officer:\n"
               "  mintmark hsm clone propose FILE --check-value (as above, read to you) --reason "
               "...\n";
}

void propose_clone(Context& context, const KeyWords& words) {
  Json request = Json::parse(read_text(words.file), nullptr, false);
  Bytes spki = bytes_of(request, "spki");
  std::string found = comparison_value(spki);
  if (found != words.check) throw Fault("clone.check", {{"found", found}, {"wanted", words.check}});
  propose_act(context, "hsm.clone", found, {{"spki", base64(spki)}}, words.reason);
  std::cout
      << "VALUE is what he reads on the other station's record himself. Then, with the "
         "security officer's\nPIN: mintmark hsm clone send ACT --so-pin-file ... --out FILE\n";
}

Json find_act(Client& client, const std::string& id) {
  Json answer = client.get("/acts");
  for (const Json& act : answer["acts"])
    if (act["act"] == id && act["kind"] == "hsm.clone") return act;
  throw Fault("act.unknown", {{"act", id.substr(0, 36)}});
}

// The security officer's login is this process's; the wrapping is the daemon's.
void send_clone(Context& context, const KeyWords& words) {
  lock_memory();
  Client client = context.client();
  Json act = find_act(client, words.subject);
  if (act["state"] != "confirmed")
    throw Fault("act.ended", {{"act", words.subject}, {"state", field_of(act, "state")}});
  Config config = context.read();
  Secret so_pin = so_pin_of(words);
  import_trusted(config.token, so_pin.view(), bytes_of(act["arguments"], "spki"));
  Json taken;
  try {
    taken = client.post("/acts/" + percent_encoded(words.subject) + "/take");
  } catch (const Fault&) {
    forget_trusted(config.token, so_pin.view());
    throw;
  }
  write_new(words.out, taken.dump(1) + "\n", 0600);
  print_record("Mintmark: clone of a fingerprint key sent",
               {{"at", utc_now()},
                {"act", field_of(taken, "act")},
                {"station", field_of(taken, "station")},
                {"file", words.out},
                {"check value of the recipient's key", field_of(taken, "request")},
                {"check value of the fingerprint key", field_of(taken, "check_value")},
                {"officers", taken["officers"].dump()}},
               words.out + ".txt");
  std::cout << "Next, at the other station: mintmark init --fingerprint-from FILE --check-value "
            << field_of(taken, "check_value") << " ...\n";
}

void add_clone_commands(CLI::App& hsm, Context& context) {
  auto* clone = hsm.add_subcommand("clone", "one fingerprint key for several stations");
  clone->require_subcommand(1);
  Words asked = std::make_shared<KeyWords>();
  auto* request = clone->add_subcommand(
      "request", "at the new station, before its init: a key that the clone is sent to");
  request->add_option("--so-pin-file", asked->so_pin_file,
                      "PIN of the new token's security officer; without it the token must exist");
  request->add_option("--out", asked->out, "the request, a file to carry")->required();
  request->callback([asked, &context] { request_clone(context, *asked); });

  Words proposed = std::make_shared<KeyWords>();
  auto* propose =
      clone->add_subcommand("propose", "at the station that has the key, as an officer");
  propose->add_option("REQUEST", proposed->file)->required();
  propose->add_option("--check-value", proposed->check, "as the other station's record has it")
      ->required();
  propose->add_option("--reason", proposed->reason)->required();
  propose->callback([proposed, &context] { propose_clone(context, *proposed); });

  Words sent = std::make_shared<KeyWords>();
  auto* send = clone->add_subcommand(
      "send", "as one of the two officers, with the security officer: write the wrapped key");
  send->add_option("ACT", sent->subject)->required();
  send->add_option("--so-pin-file", sent->so_pin_file)->required();
  send->add_option("--out", sent->out)->required();
  send->callback([sent, &context] { send_clone(context, *sent); });
}

void add_derivation_command(CLI::App& hsm, Context& context) {
  Words made = std::make_shared<KeyWords>();
  auto* derivation = hsm.add_subcommand(
      "derivation-key",
      "as an officer: propose the key under which passwords are derived of products that say "
      "derivation = \"keyed\". Whoever commands this token can tell them all: drawn ones need "
      "none");
  derivation->add_option("--reason", made->reason)->required();
  derivation->callback([made, &context] {
    propose_act(context, "hsm.derivation-key", "mintmark-derivation", Json::object(), made->reason);
  });
}

}  // namespace

void add_key_commands(CLI::App& app, Context& context) {
  add_escrow_commands(app, context);
  auto there = app.get_subcommands([](CLI::App* one) { return one->get_name() == "hsm"; });
  CLI::App* hsm =
      there.empty() ? app.add_subcommand("hsm", "the token and its keys") : there.front();
  hsm->require_subcommand(1);
  add_clone_commands(*hsm, context);
  add_derivation_command(*hsm, context);
  Words rotated = std::make_shared<KeyWords>();
  auto* rotate = hsm->add_subcommand(
      "rotate", "as an officer: propose a new key for a role; what the old one signed stays good");
  rotate->add_option("ROLE", rotated->subject, "ca, journal, reopen, label")->required();
  rotate->add_option("--reason", rotated->reason)->required();
  rotate->callback([rotated, &context] {
    propose_act(context, "hsm.rotate", rotated->subject, Json::object(), rotated->reason);
  });
}

}  // namespace mintmark
