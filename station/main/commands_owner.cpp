// At the owner's desk: no station, no daemon, no configuration.
#include <openssl/rand.h>

#include <iostream>

#include "station/ledger/lots.hpp"
#include "station/ledger/people.hpp"
#include "station/main/commands.hpp"
#include "station/main/files.hpp"
#include "station/words/clock.hpp"
#include "station/words/crypto.hpp"

namespace mintmark {

namespace {

Bytes random_bytes(std::size_t size) {
  Bytes out(size);
  if (RAND_bytes(out.data(), static_cast<int>(size)) != 1) throw Fault("rng.broken");
  return out;
}

Json template_order() {
  return {{"order", uuid_v7(random_bytes(16))},
          {"station", "00000000-0000-4000-8000-000000000000"},
          {"product", {{"name", "Aurora Lamp"}, {"number", 1}, {"sha256", std::string(64, '0')}}},
          {"quantity", 100},
          {"spares", 2},
          {"serials", Json::array({Json{{"first", "AL-000001"}, {"last", "AL-000102"}}})},
          {"macs", Json::array()},
          {"not_after", today()},
          {"kind", "production"}};
}

void sign(const std::string& file, const std::string& key) {
  std::string bytes = read_text(file);
  write_text(file + ".sig", sign_ed25519(key, view(bytes)));
  std::cout << "signature: " << file << ".sig\n";
}

// The station that the file itself names: here nobody knows better.
std::string station_of(const std::string& bytes, const char* code) {
  Json body = Json::parse(bytes, nullptr, false);
  if (!body.is_object() || !body.contains("station") || !body["station"].is_string())
    throw Fault(code, {{"field", "station"}, {"reason", "is missing"}});
  return body["station"].get<std::string>();
}

void check_order(const std::string& file, const std::string& key) {
  std::string bytes = read_text(file);
  Order order = read_order(view(bytes), read_text(file + ".sig"), read_ed25519_public(key),
                           station_of(bytes, "order.malformed"));
  std::cout << "order: " << order.id << "\nstation: " << order.station
            << "\nproduct: " << order.product_name << " (number " << order.product_number
            << ")\nquantity: " << order.quantity << " and " << order.spares
            << " spares\nkind: " << order.kind << "\nnot after: " << order.not_after
            << "\nThe signature is the owner's.\n";
}

void check_roster(const std::string& file, const std::string& key) {
  std::string bytes = read_text(file);
  Roster roster = read_roster(view(bytes), read_text(file + ".sig"), read_ed25519_public(key),
                              station_of(bytes, "roster.malformed"));
  std::cout << "roster: " << roster.id << "\nstation: " << roster.station
            << "\nsolo: " << (roster.solo ? "yes" : "no") << "\n";
  for (const auto& [name, credential] : roster.officers) std::cout << "officer: " << name << "\n";
  std::cout << "The signature is the owner's.\n";
}

struct Files {
  std::string file, key;
};

void add_pair(CLI::App& parent, const std::string& noun,
              void (*check)(const std::string&, const std::string&)) {
  auto files = std::make_shared<Files>();
  auto* signing = parent.add_subcommand(
      "sign", "sign the file's exact bytes with the owner's key; writes FILE.sig");
  signing->add_option("FILE", files->file, "the " + noun + ", JSON")->required();
  signing->add_option("--key", files->key, "the owner's private key (Ed25519, PEM)")->required();
  signing->callback([files] { sign(files->file, files->key); });
  auto* checking = parent.add_subcommand("check", "check FILE and FILE.sig as a station would");
  checking->add_option("FILE", files->file, "the " + noun + ", JSON")->required();
  checking->add_option("--owner-key", files->key, "the owner's public key (PEM)")->required();
  checking->callback([files, check] { check(files->file, files->key); });
}

}  // namespace

void add_owner_commands(CLI::App& app) {
  auto* order = app.add_subcommand("order", "at the owner's desk: write, sign and check orders");
  order->require_subcommand(1);
  order->add_subcommand("template", "print an order to fill in")->callback([] {
    std::cout << template_order().dump(1) << "\n";
  });
  add_pair(*order, "order", check_order);

  auto* roster = app.add_subcommand("roster", "who are officers: signed by the owner");
  roster->require_subcommand(1);
  roster
      ->add_subcommand("credential",
                       "make an officer's token (kept by him) and its digest (for the roster)")
      ->callback([] {
        std::string token = hex(random_bytes(32));
        std::cout << "token: " << token << "\ncredential: " << hex(sha256(view(token))) << "\n";
      });
  add_pair(*roster, "roster", check_roster);
}

}  // namespace mintmark
