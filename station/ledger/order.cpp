// What the owner signs: orders and rosters. Nothing is read from bytes whose signature is not good.

#include <algorithm>

#include "station/ledger/lots.hpp"
#include "station/ledger/people.hpp"
#include "station/ledger/pools.hpp"
#include "station/ledger/strict.hpp"
#include "station/words/clock.hpp"
#include "station/words/crypto.hpp"
#include "station/words/fault.hpp"
#include "station/words/unit.hpp"

namespace mintmark {

static constexpr std::size_t kLargest = std::size_t{4} << 20;
static constexpr std::int64_t kMostUnits = 10'000'000;
static constexpr std::string_view kOrderMalformed = "order.malformed";
static constexpr std::string_view kRosterMalformed = "roster.malformed";

// The 64 raw bytes in base64; one newline at the end of the .sig file is not part of it.
static std::optional<Bytes> check_signature(View bytes, std::string_view base64, View key) {
  if (base64.ends_with('\n')) base64.remove_suffix(1);
  auto signature = from_base64(base64);
  if (!signature || signature->size() != 64 || !ed25519_verify(key, bytes, *signature))
    return std::nullopt;
  return signature;
}

static std::string uuid_v7_field(StrictObject& object, const std::string& key) {
  std::string id = object.text(key, 36);
  if (!is_uuid(id) || id[14] != '7') object.refuse(key, "not a UUID of version 7");
  return id;
}

static std::string digest_field(StrictObject& object, const std::string& key) {
  std::string digest = object.text(key, 64);
  auto bytes = from_hex(digest);
  if (!bytes || bytes->size() != 32) object.refuse(key, "not 64 digits of lower-case hex");
  return digest;
}

static std::string until_field(StrictObject& object, const std::string& key) {
  std::string until = object.text(key, 20);
  if (!is_until(until)) object.refuse(key, "not a date or a time with Z");
  return until;
}

using Count = std::optional<std::uint64_t> (*)(const pools::Range&);

// "X" or {"first": "X", "last": "Y"}.
static pools::Range read_range(const Json& item, const std::string& path) {
  if (item.is_string()) return {item.get<std::string>(), item.get<std::string>()};
  StrictObject range(item, std::string(kOrderMalformed), path);
  std::string first = range.text("first", 32), last = range.text("last", 32);
  range.finish();
  return {first, last};
}

static std::vector<pools::Range> read_pool(StrictObject& order, const std::string& key,
                                           Count count) {
  std::vector<pools::Range> out;
  std::uint64_t total = 0;
  for (const Json& item : order.list(key)) {
    std::string path = key + "[" + std::to_string(out.size()) + "]";
    pools::Range range = read_range(item, path);
    auto size = count(range);
    if (!size) order.refuse(path, "no such range: " + range.first + " to " + range.second);
    total += *size;
    if (*size > static_cast<std::uint64_t>(kMostUnits) ||
        total > static_cast<std::uint64_t>(kMostUnits))
      order.refuse(path, "more than ten million");
    out.push_back(std::move(range));
  }
  return out;
}

static void read_pools(StrictObject& json, Order& out) {
  const Json* serials = json.any("serials");
  if (serials != nullptr && *serials == "mes")
    out.serials_from_mes = true;
  else
    out.serials = read_pool(json, "serials", pools::count_serials);
  if (!out.serials_from_mes && out.serials.empty()) json.refuse("serials", "empty");
  if (json.any("macs") != nullptr) out.macs = read_pool(json, "macs", pools::count_macs);
}

static void read_product(StrictObject json, Order& out) {
  out.product_name = json.text("name", 64);
  out.product_number = json.number("number", 1, INT32_MAX);
  out.product_sha256 = digest_field(json, "sha256");
  json.finish();
}

static void read_kind(StrictObject& json, Order& out) {
  out.kind = json.text("kind", 16);
  if (out.kind != "production" && out.kind != "trial" && out.kind != "golden")
    json.refuse("kind", "not production, trial or golden");
}

static Order parse_order(View bytes) {
  Json json = parse_strict(bytes, kLargest, std::string(kOrderMalformed));
  StrictObject fields(json, std::string(kOrderMalformed));
  Order out;
  out.id = uuid_v7_field(fields, "order");
  out.station = fields.text("station", 36);
  read_product(fields.object("product"), out);
  out.quantity = static_cast<int>(fields.number("quantity", 1, kMostUnits));
  out.spares = static_cast<int>(fields.number("spares", 0, kMostUnits));
  read_pools(fields, out);
  out.not_after = until_field(fields, "not_after");
  out.owner_checkpoint = fields.optional_text("owner_checkpoint", kMaxNote);
  read_kind(fields, out);
  fields.finish();
  return out;
}

Order read_order(View bytes, std::string_view signature_base64, View owner_key,
                 const std::string& station) {
  auto signature = check_signature(bytes, signature_base64, owner_key);
  if (!signature) throw Fault("order.signature");
  Order out = parse_order(bytes);
  if (out.station != station)
    throw Fault("order.station", {{"order", out.id}, {"station", out.station}});
  if (is_past(out.not_after))
    throw Fault("order.expired", {{"order", out.id}, {"not_after", out.not_after}});
  out.bytes = to_bytes(bytes);
  out.signature = std::move(*signature);
  return out;
}

static std::pair<std::string, std::string> read_officer(const Json& item, const std::string& path) {
  StrictObject json(item, std::string(kRosterMalformed), path);
  std::string name = json.text("name", 32);
  if (!people::is_name(name)) json.refuse("name", "not [a-z][a-z0-9-]{0,31}");
  std::string credential = digest_field(json, "credential");
  json.finish();
  return {name, credential};
}

static void read_officers(StrictObject& json, Roster& out) {
  for (const Json& item : json.list("officers")) {
    std::string path = "officers[" + std::to_string(out.officers.size()) + "]";
    auto officer = read_officer(item, path);
    // One person, one credential: two names with one token would be two officers in one hand.
    for (const auto& [name, credential] : out.officers)
      if (name == officer.first || credential == officer.second) json.refuse(path, "twice");
    out.officers.push_back(std::move(officer));
  }
  if (out.officers.empty()) json.refuse("officers", "empty");
}

Roster read_roster(View bytes, std::string_view signature_base64, View owner_key,
                   const std::string& station) {
  auto signature = check_signature(bytes, signature_base64, owner_key);
  if (!signature) throw Fault("roster.signature");
  Json parsed = parse_strict(bytes, kLargest, std::string(kRosterMalformed));
  StrictObject json(parsed, std::string(kRosterMalformed));
  Roster out;
  out.id = uuid_v7_field(json, "roster");
  out.station = json.text("station", 36);
  out.solo = json.boolean("solo");
  std::string not_after = until_field(json, "not_after");
  read_officers(json, out);
  json.finish();
  if (out.station != station)
    throw Fault("roster.station", {{"roster", out.id}, {"station", out.station}});
  if (is_past(not_after))
    throw Fault("roster.expired", {{"roster", out.id}, {"not_after", not_after}});
  out.bytes = to_bytes(bytes);
  out.signature = std::move(*signature);
  return out;
}

}  // namespace mintmark
