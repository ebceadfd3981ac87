// What must hold after every fault, looked at from outside: the unit's own store, the ledger's
// file, the label, and the bytes of everything that the station has written.
#pragma once

#include <set>
#include <string>

#include "tests/vault/station.hpp"

namespace mintmark {

class Checks {
 public:
  // Secrets that were seen belong to their units for the whole of a sweep, whatever the ledger
  // says. Called once for each stay, with the token working again.
  void look(Station& station, MemoryUnit& unit, const Stay& stay);
  // That the unit has passed, if its run says so, with every proof.
  void passed_rightly(Station& station, MemoryUnit& unit);
  void no_secret_in_files(Station& station);

  void violation(const std::string& what);
  void during(const std::string& fault) { fault_ = fault; }
  int violations() const { return violations_; }

 private:
  std::map<Bytes, std::string> owner_;     // secret: hardware id
  std::map<Bytes, std::string> keys_;      // of units that passed: hardware id
  std::map<std::string, Bytes> injected_;  // hardware id: what it was given last
  std::vector<Bytes> recent_;              // not yet searched for
  std::string fault_;
  int violations_ = 0;
};

// The places of `files` where one of `secrets` stands raw, in hexadecimal, base64 or UTF-16.
std::vector<std::string> exposures(const std::vector<Bytes>& secrets, const std::string& name,
                                   std::string_view file);

}  // namespace mintmark
