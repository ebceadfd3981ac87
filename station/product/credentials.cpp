#include "station/product/credentials.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "station/credential/dpp.hpp"
#include "station/credential/wifi.hpp"
#include "station/words/fault.hpp"

namespace mintmark {

namespace {

void check_policy(const TomlTable& table, const PasswordPolicy& policy) {
  try {
    policy.check();
  } catch (const Fault& fault) {
    bool alphabet = fault.code() == "policy.alphabet";
    auto reason = fault.args().find("reason");
    table.refuse(alphabet ? "alphabet" : "length",
                 reason != fault.args().end()
                     ? reason->second
                     : "makes a weak password: " + std::string(fault.what()));
  }
}

// Passwords are drawn, or derived under a token key where the owner says so. Every other way is
// refused by its name: whoever asks for it is told why.
bool read_derivation(TomlTable& table) {
  static const std::map<std::string, const char*> kRefused = {
      {"constant", "gives all units one password"},
      {"counter", "lets whoever has two labels tell all others"},
      {"serial", "makes a password of what the box shows"},
      {"mac", "makes a password of what the radio sends in clear"},
      {"ssid", "makes a password of what the radio sends in clear"}};
  std::string how = table.string_or("derivation", "random");
  if (how == "random" || how == "keyed") return how == "keyed";
  auto why = kRefused.find(how);
  table.refuse("derivation", why != kRefused.end() ? "\"" + how + "\" " + why->second
                                                   : "must be \"random\" or \"keyed\"");
  return false;
}

void read_password(TomlTable table, Product& out) {
  out.keyed = read_derivation(table);
  out.password_name = table.word_or("name", "admin");
  PasswordPolicy policy;
  policy.alphabet = table.string_or("alphabet", policy.alphabet);
  policy.length = static_cast<int>(table.integer_or("length", 1, 64, 16));
  check_policy(table, policy);
  out.password = policy;
  out.lockout = static_cast<int>(table.integer_or("lockout", 1, 1000, 10));
  out.known_defaults = table.strings_or("known_defaults", {"admin", "password"});
  out.escrow = table.boolean_or("escrow", false);
  // Every round tries a decoy, the empty password, the user's old one and each default in a row.
  if (out.lockout < static_cast<int>(out.known_defaults.size()) + 4)
    table.refuse("lockout",
                 "leaves no room to try " + std::to_string(out.known_defaults.size() + 3) +
                     " wrong passwords in a row: fewer known_defaults, or a unit that allows more");
  table.finish();
}

void read_wifi(TomlTable table, Product& out) {
  WifiNetwork wifi;
  wifi.ssid = table.string("ssid");
  if (auto reason = fault_in_ssid_pattern(wifi.ssid)) table.refuse("ssid", *reason);
  wifi.key.alphabet = table.string_or("alphabet", wifi.key.alphabet);
  wifi.key.length = static_cast<int>(table.integer_or("length", 8, 63, 16));
  check_policy(table, wifi.key);
  wifi.escrow = table.boolean_or("escrow", false);
  out.wifi = wifi;
  table.finish();
}

std::uint8_t discovery_bits(TomlTable& table) {
  static const std::map<std::string, std::uint8_t> kBits = {
      {"soft-ap", 1}, {"ble", 2}, {"on-network", 4}};
  std::uint8_t bits = 0;
  for (const std::string& word : table.strings("discovery")) {
    auto found = kBits.find(word);
    if (found == kBits.end())
      table.refuse("discovery", "must be of \"soft-ap\", \"ble\" and \"on-network\"");
    bits |= found->second;
  }
  if (bits == 0) table.refuse("discovery", "names no way to find the unit");
  return bits;
}

std::uint8_t flow_number(TomlTable& table) {
  static const std::map<std::string, std::uint8_t> kFlows = {
      {"standard", 0}, {"user-intent", 1}, {"custom", 2}};
  auto found = kFlows.find(table.string_or("flow", "standard"));
  if (found == kFlows.end())
    table.refuse("flow", "must be \"standard\", \"user-intent\" or \"custom\"");
  return found->second;
}

// A code of 26.6 bits: unique within the product for as long as few of all codes are used up.
void read_matter(TomlTable table, Product& out) {
  MatterOnboarding matter;
  matter.product.vendor = static_cast<std::uint16_t>(table.integer("vendor", 1, 0xfff4));
  matter.product.product = static_cast<std::uint16_t>(table.integer("product", 1, 0xffff));
  matter.product.flow = flow_number(table);
  matter.product.discovery = discovery_bits(table);
  matter.iterations = static_cast<unsigned>(
      table.integer_or("iterations", kMatterFewestIterations, kMatterMostIterations, 10'000));
  constexpr std::int64_t kOnePercent = kMatterPasscodes / 100;
  matter.most = table.integer_or("most", 1, kOnePercent, kOnePercent);
  out.matter = matter;
  table.finish();
}

void read_key(TomlTable& table, Product& out) {
  static const std::set<std::string> kTaken = {"wifi-ssid", "wifi-key", "matter",
                                               "matter-passcode"};
  SymmetricKey key;
  key.name = table.word("name");
  bool twice = std::any_of(out.keys.begin(), out.keys.end(),
                           [&](const SymmetricKey& other) { return other.name == key.name; });
  if (twice || kTaken.contains(key.name) || (out.password && key.name == out.password_name))
    table.refuse("name", "is that of another credential");
  std::int64_t bits = table.integer_or("bits", 0, 1024, 256);
  if (bits != 128 && bits != 192 && bits != 256 && bits != 512)
    table.refuse("bits", "must be 128, 192, 256 or 512");
  key.bytes = static_cast<std::size_t>(bits / 8);
  key.escrow = table.boolean_or("escrow", false);
  out.keys.push_back(key);
  table.finish();
}

void read_easy_connect(TomlTable table, Product& out) {
  EasyConnect easy;
  if (table.string("key") != "identity")
    table.refuse("key", "must be \"identity\": the key that the unit made itself");
  easy.channels = table.strings_or("channels", {});
  for (const std::string& channel : easy.channels)
    if (!is_dpp_channel(channel)) table.refuse("channels", "'" + channel + "' is not class/number");
  out.easy_connect = easy;
  table.finish();
}

}  // namespace

void read_credentials(TomlTable& table, Product& out) {
  if (table.has("wps"))
    table.refuse("wps", "is refused: a WPS PIN falls to 11,000 guesses (10^4 and 10^3)");
  if (auto password = table.table_if("password")) read_password(*password, out);
  if (auto wifi = table.table_if("wifi")) read_wifi(*wifi, out);
  if (auto matter = table.table_if("matter")) read_matter(*matter, out);
  for (TomlTable& key : table.tables("key")) read_key(key, out);
  if (auto easy = table.table_if("easy_connect")) read_easy_connect(*easy, out);
  std::size_t values = (out.wifi ? 2U : 0U) + (out.matter ? 1U : 0U) + out.keys.size();
  if (values > 6) table.refuse("key", "is one too many: units keep six values beside passwords");
  std::string kind = table.string_or("kind", "device");
  if (kind != "device" && kind != "router")
    table.refuse("kind", "must be \"device\" or \"router\"");
  if (kind == "router" && (!out.wifi || !out.password))
    table.refuse("kind", "\"router\" needs both [wifi] and [password], each with its own secret");
}

}  // namespace mintmark
