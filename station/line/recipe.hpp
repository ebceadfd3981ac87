// What a product's units get: which credentials are drawn, and which of them go into the unit.
#pragma once

#include <string>
#include <vector>

#include "station/ledger/runs.hpp"
#include "station/product/product.hpp"

namespace mintmark {

// A secret that was just drawn for a run and is nowhere else yet. What the ledger keeps of it is
// `kept`, all but IV and sealed copy.
struct Drawn {
  Drawn() = default;
  Drawn(std::string name, std::string klass, Secret value_, const Digest& fingerprint);
  Credential kept;
  Secret value;
  std::optional<PasswordPolicy> policy;  // of a password: which symbols it could have been
  Redraws redraws{};                     // before this one was taken
  bool escrow = false;                   // is kept under the escrow seal, too
};

// One of each kind that the product asks for, each drawn by itself. Class words: "password",
// "wifi-key", "matter-passcode" (in the product's own scope, at most as many as it says),
// "matter-verifier" and "symmetric-key". Of a `keyed` product the password is derived: from this
// ledger, the unit, the run, and `mints`, how often it was minted for before; all others are drawn.
std::vector<Drawn> draw_credentials(Vault& vault, const Product& product, const Run& run,
                                    const std::string& mac, const std::string& ledger, int mints);

// What is injected into the unit, in this order. `raw`: the unit keeps it as it is.
struct Deposit {
  Deposit(std::string name_, bool raw_) : name(std::move(name_)), raw(raw_) {}
  std::string name;
  bool raw;
};
std::vector<Deposit> deposits(const Product& product);

// Names of credentials beside those that the product names itself.
inline constexpr char kWifiSsid[] = "wifi-ssid";  // public, and derived anew each time
inline constexpr char kWifiKey[] = "wifi-key";
inline constexpr char kMatterUnit[] = "matter";  // what the unit gets: matter_blob()
inline constexpr char kMatterPasscode[] = "matter-passcode";

}  // namespace mintmark
