#include "station/product/product.hpp"

#include <algorithm>
#include <charconv>
#include <regex>

#include "station/product/credentials.hpp"
#include "station/product/toml.hpp"
#include "station/words/clock.hpp"
#include "station/words/fault.hpp"

namespace mintmark {

namespace {

const std::set<std::string> kCapabilities = {"enrol",   "inject",     "prove",          "login",
                                             "feature", "marker",     "factory-reset",  "lock",
                                             "reopen",  "inject-raw", "static-session", "csr"};

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
  out.hardware_source = table.word("source");
  out.hardware_pattern = table.string("pattern");
  if (!is_hardware_pattern(out.hardware_pattern))
    table.refuse("pattern",
                 "must be a pattern of hexadecimal digits, such as \"[0-9a-f]{16}\" or "
                 "\"00[0-9a-f]{6}|01[0-9a-f]{8}\"");
  out.is_hardware_id = [form = std::regex(out.hardware_pattern)](const std::string& id) {
    return std::regex_match(id, form);
  };
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
  out.organization = table.printable("organization", 64);
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
    profile.name = entry.word("name");
    profile.organization = entry.printable("organization", 64);
    profile.common_name = entry.printable("common_name", 40);
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
  out.link = table.printable("link", 160);
  if (!out.link.starts_with("https://")) table.refuse("link", "must be an https:// address");
  for (TomlTable& place : table.tables("place")) {
    LabelPlace entry;
    entry.place = place.string("name");
    if (!ControlSymbol::parse("MM1:A:" + entry.place + ":1"))
      place.refuse("name", "must be a word of a-z, at most 16 letters");
    entry.file = place.printable("template", 128);
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
  out.contact = table.printable("contact", 96);
  out.policy_url = table.printable("policy", 160);
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
  out.name = table.printable("name", 64);
  out.number = table.integer("number", 1, 0x7fffffff);
  out.model = table.printable("model", 64);
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
