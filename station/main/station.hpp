// A station as files and token: made once, opened at every start, examined by `doctor`.
#pragma once

#include <string>
#include <vector>

#include "hsm/vault.hpp"
#include "station/ledger/ledger.hpp"
#include "station/main/config.hpp"
#include "station/rest/rest.hpp"

namespace mintmark {

struct InitOptions {
  InitOptions() = default;
  std::string owner_key;    // PEM file, Ed25519 public
  std::string so_pin_file;  // of the new token; without it the token must exist and hold no keys
  std::string person;       // the first principal
  unsigned uid = 0;         // whom the Unix socket takes for him
  bool demo = false;
};

struct InitResult {
  InitResult() = default;
  std::string station, person, token;
};

// Token, keys, ledger, TLS key and certificate, first principal. Fault "file.exists" or
// "token.exists" for a station that is there already, with nothing changed.
InitResult init_station(const Config& config, const InitOptions& options);

// The token and the ledger were made for each other: fingerprint key, CA, journal key. Fault
// "token.foreign" (what). Also Fault "station.not_demo" where a scanner is simulated on a ledger
// that was not born as a demo.
void must_belong_together(Vault& vault, const Birth& birth, const Config& config);

// What can be seen without token and ledger: clock, disk, ports, labels.
std::vector<Check> check_surroundings(const Config& config);
Check check_token(Vault& vault, const Birth& birth, const Config& config);
// Everything, opened for the purpose; not while the daemon runs.
std::vector<Check> examine(const Config& config);

// The sentence of the language table; the code and its arguments where it has none.
std::string explain(const Fault& fault);

}  // namespace mintmark
