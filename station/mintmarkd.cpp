// mintmarkd: the station's daemon.
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "hsm/probe.hpp"
#include "station/main/daemon.hpp"
#include "station/main/station.hpp"
#include "station/words/secret.hpp"

namespace {

void open_log(const std::string& file) {
  auto logger = file.empty() ? spdlog::stderr_logger_mt("mintmarkd")
                             : spdlog::basic_logger_mt("mintmarkd", file);
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(logger);
}

int run(const std::string& config, const std::string& log) {
  try {
    mintmark::lock_memory();
    open_log(log);
    mintmark::Config read = mintmark::read_config(config);
    mintmark::serve(read);
    spdlog::info("stopped");
    return 0;
  } catch (const mintmark::Fault& fault) {
    std::string says = mintmark::explain(fault);
    if (!fault.cause().empty()) says += " (" + fault.cause() + ")";
    spdlog::critical("not started: {}", says);
    if (!log.empty()) std::cerr << "mintmarkd: " << says << "\n";
  } catch (const std::exception& error) {
    spdlog::critical("ended: {}", error.what());
    if (!log.empty()) std::cerr << "mintmarkd: " << error.what() << "\n";
  }
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  mintmark::pkcs11::offer_module_trial(argc, argv);
  CLI::App app(
      "The Mintmark station's daemon. It runs in the foreground until SIGTERM; "
      "`mintmark init` makes the station that it serves.");
  std::string config = "/etc/mintmark/station.toml", log;
  app.add_option("--config", config, "the station's configuration (TOML)")->capture_default_str();
  app.add_option("--log", log, "write the log to this file instead of standard error");
  app.set_version_flag("--version", MINTMARK_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return run(config, log);
}
