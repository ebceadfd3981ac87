// mintmark: the command. What talks to the daemon does so through its HTTP API on the Unix socket.
#include <iostream>

#include "hsm/probe.hpp"
#include "station/main/commands.hpp"
#include "station/main/station.hpp"

namespace {

constexpr const char* kAbout =
    "Mintmark: a factory provisioning station.\n"
    "Each unit leaves with a password and keys of its own, a label that was scanned back, and a\n"
    "record that an auditor can check.\n";

constexpr const char* kExamples =
    "The usual way:\n"
    "  mintmark init --owner-key owner.pub.pem --so-pin-file so-pin    make the station\n"
    "  mintmark doctor                                                 is everything right?\n"
    "  mintmark order sign order.json --key owner.pem                  at the owner's desk\n"
    "  mintmark lot open order.json --label device=label.zpl           begin\n"
    "  mintmark watch                                                  see units end\n"
    "  mintmark lot close LOT; mintmark export DIR                     end and take away\n"
    "  mintmark verify --key checkpoint.vkey DIR                       prove it, offline\n"
    "Exit codes: 0 done, 1 refused or failed (the sentence says why), 2 not understood.";

int run(CLI::App& app, int argc, char** argv, const mintmark::Context& context) {
  try {
    app.parse(argc, argv);
    return context.exit_code;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  } catch (const mintmark::Fault& fault) {
    std::cerr << "mintmark: " << mintmark::explain(fault) << "\n";
  } catch (const std::exception& error) {
    std::cerr << "mintmark: " << error.what() << "\n";
  }
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  mintmark::pkcs11::offer_module_trial(argc, argv);
  mintmark::Context context;
  CLI::App app(kAbout);
  app.footer(kExamples);
  app.add_option("--config", context.config, "the station's configuration")->capture_default_str();
  app.add_option("--token-file", context.token_file,
                 "a person's access token: the command is theirs, not this machine's user's");
  app.set_version_flag("--version", MINTMARK_VERSION);
  app.add_subcommand("version", "print the version")->callback([] {
    std::cout << MINTMARK_VERSION << "\n";
  });
  app.require_subcommand(1);
  app.fallthrough();
  mintmark::add_owner_commands(app);
  mintmark::add_product_commands(app, context);
  mintmark::add_setup_commands(app, context);
  mintmark::add_hsm_commands(app, context);
  mintmark::add_line_commands(app, context);
  mintmark::add_act_commands(app, context);
  mintmark::add_key_commands(app, context);
  mintmark::add_watch_command(app, context);
  mintmark::add_export_commands(app, context);
  mintmark::add_ledger_commands(app, context);
  return run(app, argc, argv, context);
}
