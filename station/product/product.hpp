// A product: what a unit of one model gets, as its owner wrote it down (TOML). The bytes are frozen
// into a lot by digest; a product that is weak or incomplete is refused when it is read, with file,
// line and reason. schema/product.md explains every key.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "station/credential/idevid.hpp"
#include "station/credential/matter.hpp"
#include "station/credential/password.hpp"
#include "station/words/bytes.hpp"
#include "station/words/unit.hpp"

namespace mintmark {

enum class ResetPolicy { own_credential, set_up_state };

struct ResetCheck {
  ResetPolicy policy = ResetPolicy::own_credential;
  bool each = true;
  int every = 1;        // sample: the first of a lot, the first of a firmware, then every Nth
  std::string feature;  // asked for in set-up state; must not answer. Empty: none to ask for
};

struct LabelPlace {
  LabelPlace() = default;
  std::string place;   // "device", "box"
  std::string file;    // as the owner named it, for people
  std::string sha256;  // hex
};

// The unit's own Wi-Fi network. Its key is minted beside every other credential, and never derived.
struct WifiNetwork {
  std::string ssid;  // pattern, see wifi.hpp
  PasswordPolicy key;
  bool escrow = false;
};

// A Matter passcode: on the label only; the unit gets its verifier.
struct MatterOnboarding {
  MatterProduct product;
  unsigned iterations = 10'000;
  std::int64_t most = 0;  // passcodes that this product may use up, burnt ones included
};

// An AES or HMAC key: in the unit only, never on a label.
struct SymmetricKey {
  std::string name;
  std::size_t bytes = 32;
  bool escrow = false;
};

// Wi-Fi Easy Connect with the unit's identity key.
struct EasyConnect {
  std::vector<std::string> channels;  // class/number
};

struct Product {
  Product() = default;

  std::string name, model;
  std::int64_t number = 0;

  // What the unit says of itself.
  std::string hardware_source;
  std::string hardware_pattern;                            // of the hex, matched whole (ECMAScript)
  std::function<bool(const std::string&)> is_hardware_id;  // the same, ready for use
  std::set<std::string> hardware_defaults;
  std::string minimum_firmware;
  bool secure_boot = true;
  std::set<std::string> capabilities;
  std::set<std::string> accepts_unproven;  // steps: "prove", "reset_check"

  int max_attempts = 3, max_mints = 5;

  // No password where the product comes up in set-up state.
  std::optional<PasswordPolicy> password;
  std::string password_name = "admin";  // the account that a user logs in to
  bool keyed = false;                   // passwords are derived under a token key, not drawn
  int lockout = 10;                     // failed logins in a row that the unit allows
  std::vector<std::string> known_defaults;
  bool escrow = false;  // it is kept for ever, under the escrow seal, as the keys below may be

  std::optional<WifiNetwork> wifi;
  std::optional<MatterOnboarding> matter;
  std::vector<SymmetricKey> keys;
  std::optional<EasyConnect> easy_connect;
  bool has_escrow() const;
  // Something that the unit keeps as it is and that a factory reset must bring back.
  bool has_raw() const { return wifi || matter || !keys.empty(); }

  ResetCheck reset;

  std::string organization, hw_type_oid;
  KeyAlgorithm key_algorithm = KeyAlgorithm::p256;  // of the identity key
  // The identity key is made in the token and sent wrapped: the unit has no random generator.
  bool wrapped_key = false;
  // P-256 SPKI: who vouches for units. Empty: nobody, and a unit is believed at first use.
  Bytes attestation_key;
  std::vector<LdevidProfile> certificates;  // beside the IDevID, for the same key

  std::vector<LabelPlace> labels;
  std::string link;  // "{serial}" is replaced
  std::string contact, policy_url, support_until;

  bool matches(const HardwareId& id, const std::string& said_model) const {
    return id.source == hardware_source && said_model == model;
  }
  std::string link_for(const std::string& serial) const;

  // Faults "config.invalid" (file, line, key, reason) and "policy.weak".
  static Product parse(std::string_view toml, const std::string& file);
};

// Dotted decimals, compared number by number: 1.10.0 > 1.9. A version that is none is below all.
bool firmware_below(std::string_view version, std::string_view minimum);

}  // namespace mintmark
