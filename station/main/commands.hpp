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
  int exit_code = 0;
  Config read() const { return read_config(config); }
  Client client() const { return Client(read().listen.socket); }
};

void add_owner_commands(CLI::App& app);                    // order, roster
void add_setup_commands(CLI::App& app, Context& context);  // init, doctor, health, pin, person
void add_line_commands(CLI::App& app, Context& context);   // lot, run, unit, label, scan, slot...
void add_watch_command(CLI::App& app, Context& context);
void add_export_commands(CLI::App& app, Context& context);  // export, verify

}  // namespace mintmark
