// The token: what one can do, before it is trusted with a station.
#include <cmath>
#include <cstdio>
#include <iostream>

#include "hsm/qualify.hpp"
#include "hsm/uri.hpp"
#include "station/ledger/rows.hpp"
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
  qualify->callback([options, &context] { context.exit_code = qualify_token(context, *options); });
}

}  // namespace mintmark
