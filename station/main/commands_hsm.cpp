// The token: what one can do before it is trusted with a station, and what is in it afterwards.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>

#include "hsm/qualify.hpp"
#include "hsm/uri.hpp"
#include "station/ledger/checkpoint.hpp"
#include "station/ledger/ledger.hpp"
#include "station/ledger/sqlite.hpp"
#include "station/main/commands.hpp"
#include "station/words/secret.hpp"

namespace mintmark {

namespace {

struct QualifyOptions {
  std::string uri, parameters, state_dir;
  bool json = false;
};

std::string directory_of(const std::string& file) {
  auto slash = file.rfind('/');
  return slash == std::string::npos || slash == 0 ? "/" : file.substr(0, slash);
}

// Without --token it is the configuration's. A refused PIN is written down beside the PIN's file
// where there is no station yet.
TokenConfig token_of(const Context& context, const QualifyOptions& options) {
  if (options.uri.empty()) return context.read().token;
  TokenConfig out;
  out.uri = options.uri;
  out.init_parameters = options.parameters;
  out.state_dir = options.state_dir;
  if (out.state_dir.empty()) out.state_dir = directory_of(pkcs11::TokenUri(out.uri).pin_file());
  return out;
}

// Three digits say enough.
std::string rounded(double value) {
  if (value <= 0) return "0";
  double unit = std::pow(10, std::floor(std::log10(value)) - 2);
  return std::to_string(std::llround(std::round(value / unit) * unit));
}

void print(const Qualification& found) {
  std::cout << "token: " << found.token << "\nmodule: " << found.library << "\n\n";
  for (const Finding& one : found.findings)
    std::printf("%-11s %-46s %s%s\n", std::string(word(one.kept)).c_str(), one.contract.c_str(),
                one.says.c_str(),
                one.needed && one.kept != Kept::yes ? " (a station needs this)" : "");
  std::cout << "\nMintmark will use:\n" << std::flush;
  for (const std::string& use : found.uses()) std::cout << "  " << use << "\n";
  std::cout << "\nIn one session, a second:\n" << std::flush;
  for (const Rate& rate : found.rates)
    std::printf("  %-30s %10s\n", rate.operation.c_str(), rounded(rate.per_second).c_str());
  std::fflush(stdout);
  std::cout << "\n"
            << (found.suitable() ? "This token can carry a station.\n"
                                 : "This token cannot carry a station: see what it needs above.\n");
}

Json in_json(const Qualification& found) {
  Json out;
  out["token"] = found.token;
  out["module"] = found.library;
  out["suitable"] = found.suitable();
  out["uses"] = found.uses();
  for (const Finding& one : found.findings)
    out["contracts"].push_back({{"contract", one.contract},
                                {"result", std::string(word(one.kept))},
                                {"says", one.says},
                                {"needed", one.needed}});
  for (const Rate& rate : found.rates)
    out["rates"].push_back({{"operation", rate.operation}, {"per_second", rate.per_second}});
  return out;
}

struct Origin {
  Vault::Fingerprint fingerprint = Vault::Fingerprint::own;
  std::string source;  // of a clone: the station that it came from
};

// What the journal says of where the fingerprint key comes from: an entry of the ledger's first day
// (schema/journal.md, fingerprint.origin).
Origin recorded_origin(const std::string& ledger) {
  Origin out;
  if (!std::filesystem::exists(ledger)) return out;
  sqlite::Database db(ledger, sqlite::Database::Mode::read_only);
  auto rows = db.query("SELECT bytes FROM journal WHERE type = 'fingerprint.origin' AND seq < 100");
  if (!rows.step()) return out;
  Json entry = Json::parse(text(rows.get<Bytes>(0)), nullptr, false);
  if (!entry.is_object()) return out;
  bool clone = entry.value("origin", "") == "clone";
  out.fingerprint = clone ? Vault::Fingerprint::cloned : Vault::Fingerprint::clonable;
  out.source = entry.value("source", "");
  return out;
}

std::string in_words(const KeyReport& key) {
  std::string out = key.label + ", " + key.part + ": " + key.type;
  if (!key.mechanism.empty()) out += ", " + key.mechanism + ", " + key.used_by;
  if (!key.attributes.empty())
    out += key.made_inside ? "; generated in this token" : "; NOT generated in this token";
  return out;
}

// The journal's size in the newest checkpoint that the token keeps.
std::optional<std::uint64_t> anchored(const TokenReport& found) {
  std::optional<std::uint64_t> out;
  for (const Bytes& note : found.anchors)
    if (auto opened = read_checkpoint(text(note))) out = std::max(out.value_or(0), opened->size);
  return out;
}

void print(const TokenReport& found, const Origin& origin) {
  std::cout << "token: " << found.label << " (" << found.manufacturer << " " << found.model << " "
            << found.serial << ")" << (found.is_soft ? ", in software" : "")
            << "\nmodule: " << found.library << " " << found.library_version << ", "
            << found.module_path << "\n"
            << (origin.source.empty()
                    ? ""
                    : "fingerprint key: a clone of that of station " + origin.source + "\n");
  auto anchor = anchored(found);
  std::cout << "anchor: "
            << (anchor ? "a checkpoint of " + std::to_string(*anchor) + " entries" : "none")
            << "\n\n";
  for (const KeyReport& key : found.keys) {
    std::cout << (key.wrong.empty() ? "ok    " : "WRONG ") << in_words(key) << "\n";
    if (!key.wrong.empty()) std::cout << "      wrong: " << key.wrong << "\n";
    std::string line;
    for (const auto& [name, value] : key.attributes) {
      if (line.size() + name.size() > 86) std::cout << "      " << std::exchange(line, "") << "\n";
      line += name.substr(4) + "=" + value + " ";
    }
    if (!line.empty()) std::cout << "      " << line << "\n";
  }
}

Json in_json(const TokenReport& found, const Origin& origin) {
  Json out = {{"label", found.label},
              {"manufacturer", found.manufacturer},
              {"model", found.model},
              {"serial", found.serial},
              {"flags", found.flags},
              {"software", found.is_soft},
              {"module", found.module_path},
              {"library", found.library},
              {"clone_of", origin.source.empty() ? Json() : Json(origin.source)},
              {"anchor", Json()},
              {"keys", Json::array()}};
  if (auto anchor = anchored(found)) out["anchor"] = *anchor;
  for (const KeyReport& key : found.keys) {
    Json attributes = Json::object();
    for (const auto& [name, value] : key.attributes) attributes[name] = value;
    out["keys"].push_back({{"label", key.label},
                           {"part", key.part},
                           {"type", key.type},
                           {"mechanism", key.mechanism},
                           {"used_by", key.used_by},
                           {"made_inside", key.made_inside},
                           {"wrong", key.wrong},
                           {"attributes", attributes}});
  }
  return out;
}

int show_token(const Context& context, bool json) {
  lock_memory();
  Config config = context.read();
  Origin origin = recorded_origin(config.ledger());
  TokenReport found = Vault::inspect(config.token, origin.fingerprint);
  if (json)
    std::cout << in_json(found, origin).dump(1) << "\n";
  else
    print(found, origin);
  bool right = std::all_of(found.keys.begin(), found.keys.end(),
                           [](const KeyReport& key) { return key.wrong.empty(); });
  return right ? 0 : 1;
}

int qualify_token(const Context& context, const QualifyOptions& options) {
  lock_memory();
  Qualification found = qualify(token_of(context, options));
  if (options.json)
    std::cout << in_json(found).dump(1) << "\n";
  else
    print(found);
  return found.suitable() ? 0 : 1;
}

}  // namespace

void add_hsm_commands(CLI::App& app, Context& context) {
  auto* hsm = app.add_subcommand("hsm", "the token and its keys");
  hsm->require_subcommand(1);
  auto options = std::make_shared<QualifyOptions>();
  auto* qualify = hsm->add_subcommand(
      "qualify",
      "try what Mintmark asks of a token, with session objects only: what it keeps, what will be "
      "used, how fast it is. Logs in once. Exit 1 where it cannot carry a station.");
  qualify->add_option("--token", options->uri, "RFC 7512 URI (else the configuration's token)");
  qualify->add_option("--init-parameters", options->parameters,
                      "what the module wants in C_Initialize's reserved field (NSS softoken)");
  qualify->add_option("--state", options->state_dir,
                      "where a refused PIN is written down (else beside the PIN's file)");
  qualify->add_flag("--json", options->json, "print JSON");
  auto json = std::make_shared<bool>(false);
  auto* show = hsm->add_subcommand(
      "show",
      "read every key back from the token: what it is, what it may do, where it came from. Exit 1 "
      "where anything differs from the table in the README.");
  show->add_flag("--json", *json, "print JSON");
  show->callback([json, &context] { context.exit_code = show_token(context, *json); });
  qualify->callback([options, &context] { context.exit_code = qualify_token(context, *options); });
}

}  // namespace mintmark
