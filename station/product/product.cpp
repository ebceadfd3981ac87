#include "station/product/product.hpp"

#include <algorithm>
#include <charconv>
#include <regex>

#include "station/credential/dpp.hpp"
#include "station/credential/wifi.hpp"
#include "station/product/toml.hpp"
#include "station/words/clock.hpp"
#include "station/words/fault.hpp"

namespace mintmark {

namespace {

const std::set<std::string> kCapabilities = {"enrol",   "inject",     "prove",          "login",
                                             "feature", "marker",     "factory-reset",  "lock",
                                             "reopen",  "inject-raw", "static-session", "csr"};

bool is_word(std::string_view text) {
  return !text.empty() && text.size() <= 32 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

bool is_printable(std::string_view text, std::size_t longest) {
  return !text.empty() && text.size() <= longest &&
         std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

std::string printable(TomlTable& table, std::string_view key, std::size_t longest) {
  std::string value = table.string(key);
  if (!is_printable(value, longest))
    table.refuse(key, "must be 1 to " + std::to_string(longest) + " printable characters");
  return value;
}

std::set<std::string> subset(TomlTable& table, std::string_view key,
                             std::vector<std::string> values,
                             const std::set<std::string>& allowed) {
  for (const std::string& value : values)
    if (!allowed.contains(value))
      table.refuse(key, "'" + value + "' is not one that Mintmark knows");
  return {values.begin(), values.end()};
}

// No more of a regular expression than hexadecimal digits need: one with repeats in repeats, or
// with numbers of any size, can keep a line waiting for ever, or bring down what compiles it.
bool is_hardware_pattern(const std::string& text) {
  static const std::string one = R"(([0-9a-f.]|\[\^?([0-9a-f](-[0-9a-f])?)+\]))";
  static const std::string some = one + R"((\{[0-9]{1,2}(,[0-9]{1,2})?\})?)";
  static const std::regex whole("(" + some + ")+(\\|(" + some + ")+)*");
  if (text.size() > 256 || std::count(text.begin(), text.end(), ',') > 3) return false;
  if (!std::regex_match(text, whole)) return false;
  try {
    std::regex check(text);  // ranges the right way round
    return true;
  } catch (const std::regex_error&) {
    return false;
  }
}

void read_hardware(TomlTable table, Product& out) {
  out.hardware_source = table.string("source");
  if (!is_word(out.hardware_source)) table.refuse("source", "must be a word of a-z, 0-9 and -");
  out.hardware_pattern = table.string("pattern");
  if (!is_hardware_pattern(out.hardware_pattern))
    table.refuse("pattern",
                 "must be a pattern of hexadecimal digits, such as \"[0-9a-f]{16}\" or "
                 "\"00[0-9a-f]{6}|01[0-9a-f]{8}\"");
  for (std::string value : table.strings_or("known_defaults", {})) {
    if (!from_hex(value)) table.refuse("known_defaults", "'" + value + "' is not lower-case hex");
    out.hardware_defaults.insert(std::move(value));
  }
  table.finish();
}

void read_unit(TomlTable table, Product& out) {
  out.minimum_firmware = table.string("minimum_firmware");
  out.secure_boot = table.boolean_or("secure_boot", true);
  if (table.string_or("channel", "secure") != "secure")
    table.refuse("channel", "only \"secure\" is provided for by the smp protocol");
  out.capabilities = subset(table, "capabilities", table.strings("capabilities"), kCapabilities);
  out.max_attempts = static_cast<int>(table.integer_or("max_attempts", 1, 20, 3));
  out.max_mints = static_cast<int>(table.integer_or("max_mints", 1, 50, 5));
  out.accepts_unproven = subset(table, "accepts_unproven", table.strings_or("accepts_unproven", {}),
                                {"prove", "login", "reset_check"});
  table.finish();
}

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
  out.password_name = table.string_or("name", "admin");
  if (!is_word(out.password_name)) table.refuse("name", "must be a word of a-z, 0-9 and -");
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
  key.name = table.string("name");
  if (!is_word(key.name)) table.refuse("name", "must be a word of a-z, 0-9 and -");
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

// What a factory reset comes back to, and what there is to come back to.
void check_reset_policy(TomlTable& table, const Product& out) {
  bool own = out.reset.policy == ResetPolicy::own_credential;
  if (own && !out.password && !out.has_raw())
    table.refuse("password",
                 "is missing: own_credential falls back to a password of the unit's own");
  if (!own && out.password)
    table.refuse("password", "has no place in a product that comes back in set-up state");
}

void read_reset(TomlTable table, Product& out) {
  std::string policy = table.string("policy");
  if (policy == "set_up_state")
    out.reset.policy = ResetPolicy::set_up_state;
  else if (policy != "own_credential")
    table.refuse("policy", "must be \"own_credential\" or \"set_up_state\"");
  std::string check = table.string_or("check", "each");
  if (check != "each" && check != "sample") table.refuse("check", "must be \"each\" or \"sample\"");
  out.reset.each = check == "each";
  if (!out.reset.each) out.reset.every = static_cast<int>(table.integer("every", 2, 1000));
  out.reset.feature = table.string_or("feature", "");
  table.finish();
}

// PEM "PUBLIC KEY" (RFC 7468) or the hex of its DER.
std::optional<Bytes> public_key(std::string text) {
  constexpr std::string_view kBegin = "-----BEGIN PUBLIC KEY-----", kEnd = "-----END PUBLIC KEY---";
  std::size_t begin = text.find(kBegin), end = text.find(kEnd);
  if (begin == text.npos || end == text.npos || end < begin) return from_hex(text);
  text = text.substr(begin + kBegin.size(), end - begin - kBegin.size());
  std::erase_if(text, [](char c) { return c == '\n' || c == '\r'; });
  return from_base64(text);
}

void read_attestation(TomlTable& table, Product& out) {
  std::string text = table.string_or("attestation_key", "");
  bool unattested = table.boolean_or("accept_unattested", false);
  if (!text.empty()) {
    auto key = public_key(text);
    if (!key || !p256_point(*key))
      table.refuse("attestation_key", "must be a P-256 public key: PEM, or the hex of its DER");
    if (unattested) table.refuse("accept_unattested", "contradicts attestation_key");
    out.attestation_key = std::move(*key);
  } else if (out.wrapped_key && !unattested) {
    table.refuse("attestation_key",
                 "is missing: anybody could ask for a wrapped key. accept_unattested = true takes "
                 "that risk");
  }
}

bool is_rsa(KeyAlgorithm algorithm) {
  return algorithm == KeyAlgorithm::rsa2048 || algorithm == KeyAlgorithm::rsa3072;
}

void read_algorithm(TomlTable& table, Product& out) {
  auto algorithm = key_algorithm_from(table.string_or("algorithm", "P-256"));
  if (!algorithm)
    table.refuse("algorithm",
                 "must be \"P-256\", \"P-384\", \"RSA-2048\", \"RSA-3072\" or \"Ed25519\"");
  out.key_algorithm = *algorithm;
  if (*algorithm == KeyAlgorithm::p256) return;
  if (out.wrapped_key && is_rsa(*algorithm))
    table.refuse("algorithm", "of RSA makes keys that are too large to be sent wrapped");
  if (!out.wrapped_key && !out.capabilities.contains("csr"))
    table.refuse("algorithm", "other than \"P-256\" needs units with the capability 'csr'");
  if (out.easy_connect) table.refuse("algorithm", "must be \"P-256\" for [easy_connect]");
}

void read_identity(TomlTable table, Product& out) {
  out.organization = printable(table, "organization", 64);
  out.hw_type_oid = table.string("hw_type");
  static const std::regex kOid("[0-2](\\.(0|[1-9][0-9]{0,9})){2,12}");
  if (!std::regex_match(out.hw_type_oid, kOid))
    table.refuse("hw_type", "must be an object identifier");
  std::string key = table.string_or("key", "unit");
  if (key != "unit" && key != "wrapped") table.refuse("key", "must be \"unit\" or \"wrapped\"");
  out.wrapped_key = key == "wrapped";
  read_algorithm(table, out);
  read_attestation(table, out);
  table.finish();
}

// Two fit beside the IDevID into the smallest packet that a unit may announce.
void read_certificates(TomlTable& table, Product& out) {
  for (TomlTable& entry : table.tables("certificate")) {
    LdevidProfile profile;
    profile.name = entry.string("name");
    if (!is_word(profile.name)) entry.refuse("name", "must be a word of a-z, 0-9 and -");
    profile.organization = printable(entry, "organization", 64);
    profile.common_name = printable(entry, "common_name", 40);
    profile.days = static_cast<int>(entry.integer("days", 1, 36500));
    entry.finish();
    for (const LdevidProfile& other : out.certificates)
      if (other.name == profile.name) entry.refuse("name", "is given twice");
    out.certificates.push_back(std::move(profile));
  }
  if (out.certificates.size() > 2) table.refuse("certificate", "may be given twice at most");
  if (is_rsa(out.key_algorithm) && !out.certificates.empty())
    table.refuse("certificate", "has no room in a unit beside the IDevID of an RSA key");
}

void read_labels(TomlTable table, Product& out) {
  out.link = printable(table, "link", 160);
  if (!out.link.starts_with("https://")) table.refuse("link", "must be an https:// address");
  for (TomlTable& place : table.tables("place")) {
    LabelPlace entry;
    entry.place = place.string("name");
    if (!ControlSymbol::parse("MM1:A:" + entry.place + ":1"))
      place.refuse("name", "must be a word of a-z, at most 16 letters");
    entry.file = printable(place, "template", 128);
    entry.sha256 = place.string("sha256");
    auto digest = from_hex(entry.sha256);
    if (!digest || digest->size() != 32) place.refuse("sha256", "must be 64 lower-case hex digits");
    place.finish();
    for (const LabelPlace& other : out.labels)
      if (other.place == entry.place) place.refuse("name", "is given twice");
    out.labels.push_back(std::move(entry));
  }
  if (out.labels.empty()) table.refuse("place", "at least one [[label.place]] is needed");
  table.finish();
}

// UK PSTI schedule 1, paragraphs 2 and 3: no product without a contact and an end date.
void read_security(TomlTable table, Product& out) {
  out.contact = printable(table, "contact", 96);
  out.policy_url = printable(table, "policy", 160);
  if (!out.policy_url.starts_with("https://"))
    table.refuse("policy", "must be an https:// address");
  out.support_until = table.string("support_until");
  if (!is_date(out.support_until)) table.refuse("support_until", "must be a date: YYYY-MM-DD");
  if (out.support_until <= today()) table.refuse("support_until", "has passed already");
  table.finish();
}

void require_capabilities(TomlTable& table, const Product& product) {
  // The two ways to a key exclude each other: a unit has a random generator, or it has not.
  std::set<std::string> needed = {product.wrapped_key ? "static-session" : "enrol", "factory-reset",
                                  "lock"};
  if (product.capabilities.contains(product.wrapped_key ? "enrol" : "static-session"))
    table.refuse("unit", "capabilities contradict [identity] key");
  auto needs = [&](const char* step, std::initializer_list<const char*> capabilities) {
    if (product.accepts_unproven.contains(step)) return;
    needed.insert(capabilities.begin(), capabilities.end());
  };
  if (product.password) {
    needed.insert("inject");
    needs("prove", {"prove"});
    needs("login", {"login"});
  }
  if (product.has_raw()) {
    needed.insert("inject-raw");
    needs("prove", {"prove"});
  }
  needs("reset_check", {"marker"});
  bool front_door = product.password || product.reset.policy == ResetPolicy::set_up_state;
  if (front_door) needs("reset_check", {"login"});
  for (const std::string& capability : needed)
    if (!product.capabilities.contains(capability))
      table.refuse(
          "unit", "capabilities lack '" + capability +
                      "', without which a step stays unproven that accepts_unproven does not name");
}

}  // namespace

bool Product::has_escrow() const {
  return escrow || (wifi && wifi->escrow) ||
         std::any_of(keys.begin(), keys.end(), [](const SymmetricKey& key) { return key.escrow; });
}

std::string Product::link_for(const std::string& serial) const {
  std::string out = link;
  for (std::size_t at; (at = out.find("{serial}")) != out.npos;) out.replace(at, 8, serial);
  return out;
}

Product Product::parse(std::string_view toml, const std::string& file) {
  TomlTable table = TomlTable::parse(toml, file);
  Product out;
  out.name = printable(table, "name", 64);
  out.number = table.integer("number", 1, 0x7fffffff);
  out.model = printable(table, "model", 64);
  read_hardware(table.table("hardware_id"), out);
  read_unit(table.table("unit"), out);
  read_credentials(table, out);
  read_reset(table.table("reset"), out);
  read_identity(table.table("identity"), out);
  read_certificates(table, out);
  read_labels(table.table("label"), out);
  read_security(table.table("security"), out);
  check_reset_policy(table, out);
  require_capabilities(table, out);
  table.finish();
  return out;
}

static std::optional<std::vector<unsigned>> numbers(std::string_view version) {
  std::vector<unsigned> out;
  const char* at = version.data();
  const char* end = at + version.size();
  for (;;) {
    unsigned value = 0;
    auto [next, error] = std::from_chars(at, end, value);
    if (error != std::errc()) return std::nullopt;
    out.push_back(value);
    if (next == end) return out;
    if (*next != '.') return std::nullopt;
    at = next + 1;
  }
}

bool firmware_below(std::string_view version, std::string_view minimum) {
  auto have = numbers(version), need = numbers(minimum);
  if (!have || !need) return true;
  std::size_t n = std::max(have->size(), need->size());
  have->resize(n);
  need->resize(n);
  return *have < *need;
}

}  // namespace mintmark
