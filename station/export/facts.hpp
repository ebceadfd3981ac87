// What an exported journal says, gathered in one pass over its entries.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "station/ledger/ledger.hpp"

namespace mintmark::exports {

class Facts {
 public:
  explicit Facts(std::vector<std::string>& findings) : findings_(&findings) {}
  void take(std::uint64_t seq, const Json& entry);
  void finish();  // quotas

  struct Unit {
    Unit() = default;
    std::string hardware_id;  // source:id
    std::string ending = "open";
    std::string derivation;  // of its newest mint: random, keyed
    std::uint64_t seq = 0;   // of the admission
  };
  std::map<std::string, Unit> units;                // by serial
  std::map<std::string, std::string> certificates;  // SHA-256, to serial
  std::map<std::string, std::string> denied;        // certificates' serial numbers, to the reason
  std::set<std::string> nonces;
  std::string journal_key;
  // SHA-256 of the CA certificates that the journal knows; the last one is in force.
  std::vector<std::string> ca_sha256;
  std::set<std::string> issuer_sha256;
  bool demo = false;
  std::string anchor;  // the last kind that the journal names
  int recoveries = 0;
  bool issues(const std::string& digest) const {
    return std::find(ca_sha256.begin(), ca_sha256.end(), digest) != ca_sha256.end();
  }
  bool knows_ca(const std::string& digest) const {
    return issuer_sha256.contains(digest) || issues(digest);
  }
  std::uint64_t fingerprints() const { return seen_.size(); }

 private:
  void find(const std::string& what) { findings_->push_back(what); }
  void fingerprint(std::uint64_t seq, std::int64_t scope, const std::string& value);
  void birth(std::uint64_t seq, const Json& entry);
  void mint(std::uint64_t seq, const Json& entry);
  void admit(std::uint64_t seq, const Json& entry);
  void ending(const Json& entry, const std::string& word);
  void hold(const Json& entry);
  void install(const Json& entry);
  void confirm(std::uint64_t seq, const Json& entry);
  void come_back(std::uint64_t seq, const Json& entry, const std::string& word);

  struct Order {
    Order() = default;
    std::int64_t most = 0;
    std::set<std::string> hardware_ids;
    bool accepted = false;
  };
  std::vector<std::string>* findings_;
  std::map<std::pair<std::int64_t, std::string>, std::uint64_t> seen_;
  std::map<std::string, Order> orders_;
  std::set<std::string> held_;  // hardware ids in quarantine, until two officers release them
  std::set<std::string> retired_;
};

}  // namespace mintmark::exports
