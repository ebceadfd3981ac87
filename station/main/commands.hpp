// The command's sub-commands: each adds itself to the parser with what it does.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "station/main/client.hpp"
#include "station/main/config.hpp"

namespace mintmark {

// What sub-commands share. `exit_code` is 0 unless one that ran says otherwise without a fault.
struct Context {
  std::string config = "/etc/mintmark/station.toml";
  std::string token_file;  // whose command it is, where not the user's of this machine
  int exit_code = 0;
  Config read() const { return read_config(config); }
  Client client() const;
};

void add_owner_commands(CLI::App& app);                      // order, roster
void add_product_commands(CLI::App& app, Context& context);  // product lint
void add_setup_commands(CLI::App& app, Context& context);    // init, doctor, health, pin, person
void add_hsm_commands(CLI::App& app, Context& context);      // hsm
void add_line_commands(CLI::App& app, Context& context);     // lot, run, unit, label, scan, slot...
void add_act_commands(CLI::App& app, Context& context);      // act
// For commands that only propose: posts the act and says who must confirm it.
void propose_act(Context& context, const std::string& kind, const std::string& subject,
                 const Json& arguments, const std::string& reason);
void add_watch_command(CLI::App& app, Context& context);
void add_key_commands(CLI::App& app, Context& context);     // escrow, hsm clone, hsm rotate
void add_export_commands(CLI::App& app, Context& context);  // export, verify
void add_ledger_commands(CLI::App& app, Context& context);  // ledger

}  // namespace mintmark
