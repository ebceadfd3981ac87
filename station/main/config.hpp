// station.toml, strictly: an unknown key, a wrong type or a value that makes no sense is Fault
// "config.invalid" with file, line, key and reason. It holds no secret: a `pin-value` is refused.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "fixtures/slot.hpp"
#include "hsm/vault.hpp"
#include "station/line/services.hpp"
#include "station/main/https.hpp"

namespace mintmark {

struct Config {
  Config() = default;
  std::string file;       // where it was read
  std::string state_dir;  // ledger, TLS key, Unix socket
  std::string organization = "Mintmark";
  TokenConfig token;
  WhenAway when_away = WhenAway::wait;
  Listen listen;
  std::vector<std::string> names;  // in the certificate, and what the TLS listener answers to
  std::string label_directory;
  bool allow_plaintext_spool = false;
  std::vector<SlotConfig> slots;
  bool simulate_scanner = false;
  int checkpoint_every = 1000;

  std::string ledger() const { return state_dir + "/ledger.db"; }
  // `names`, what everybody calls this machine, and the address listened on.
  std::vector<std::string> hosts() const;
};

// Relative paths start at the file's own directory. A relative one in the token's URI does not.
Config read_config(const std::string& path);
Config parse_config(std::string_view text, const std::string& path);

}  // namespace mintmark
