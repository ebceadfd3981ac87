// A station as files and token: made once, opened at every start, examined by `doctor`.
#pragma once

#include <optional>
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
  // Where the owner signs the CA: a PKCS#10 request is written here, and no lot opens before the
  // certificate is installed. Empty: the CA signs itself.
  std::string ca_request;
  std::string escrow_key;  // PEM file, P-256 public; empty: none yet
  // The fingerprint key may be given to other stations; or it is one that was given: a file of
  // `mintmark hsm clone send`, and the check value that two people compared.
  bool clonable = false;
  std::string fingerprint_from, check_value;
};

struct InitResult {
  InitResult() = default;
  std::string station, person, token;
  std::string check_value;  // of the fingerprint key, hex
};

// Token, keys, ledger, TLS key and certificate, first principal. Fault "file.exists" or
// "token.exists" for a station that is there already, with nothing changed.
InitResult init_station(const Config& config, const InitOptions& options);

// What the CA calls itself: the station's organisation, and enough of its UUID to tell it by.
std::string ca_name(const Config& config, const std::string& station);

// The token uses the signers that the ledger says are in force, and they are the ledger's. Fault
// "token.foreign" (what), "token.key" where one is missing.
void use_signers(Vault& vault, Ledger& ledger);

// The token and the ledger were made for each other: fingerprint key, CA, journal key. Fault
// "token.foreign" (what). Also Fault "station.not_demo" where a scanner is simulated on a ledger
// that was not born as a demo.
void must_belong_together(Vault& vault, const Birth& birth, const Config& config);

// The token's anchor, where it has one: a checkpoint that this ledger must know. Faults
// "ledger.rolled_back", "ledger.anchor_missing", "ledger.anchor_unreadable".
std::optional<Head> must_be_anchored(Vault& vault, Ledger& ledger);
std::vector<std::string> anchors_in(Vault& vault);  // signed notes; two after a crash
// A checkpoint of the journal as it is, kept in the token if that takes it, and so every one that
// follows. The journal says which kind of anchor the station has. The vault outlives the ledger.
void anchor_from_here(Vault& vault, Ledger& ledger);

// What can be seen without token and ledger: clock, disk, ports, labels.
std::vector<Check> check_surroundings(const Config& config);
Check check_token(Vault& vault, Ledger& ledger, const Config& config);
Check check_anchor(Vault& vault, Ledger& ledger);
// Everything, opened for the purpose; not while the daemon runs.
std::vector<Check> examine(const Config& config);

// The sentence of the language table; the code and its arguments where it has none.
std::string explain(const Fault& fault);

}  // namespace mintmark
