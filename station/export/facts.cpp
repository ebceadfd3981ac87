#include "station/export/facts.hpp"

namespace mintmark::exports {

// Fields of entries that a stranger may have written: absent or of another type is empty.
static std::string text_of(const Json& object, const char* key) {
  auto it = object.is_object() ? object.find(key) : object.end();
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

static std::int64_t number_of(const Json& object, const char* key) {
  auto it = object.is_object() ? object.find(key) : object.end();
  return it != object.end() && it->is_number_integer() ? it->get<std::int64_t>() : -1;
}

static bool flag_of(const Json& object, const char* key) {
  auto it = object.is_object() ? object.find(key) : object.end();
  return it != object.end() && it->is_boolean() && it->get<bool>();
}

static std::string hardware_of(const Json& entry) {
  auto it = entry.find("hw");
  if (it == entry.end()) return {};
  return text_of(*it, "source") + ":" + text_of(*it, "id");
}

static std::string at(std::uint64_t seq) { return "entry " + std::to_string(seq) + ": "; }

void Facts::fingerprint(std::uint64_t seq, std::int64_t scope, const std::string& value) {
  auto [first, fresh] = seen_.emplace(std::pair(scope, value), seq);
  if (fresh) return;
  find(at(seq) + "the fingerprint " + value + " of scope " + std::to_string(scope) +
       " was given out before, in entry " + std::to_string(first->second));
}

void Facts::birth(std::uint64_t seq, const Json& entry) {
  if (seq != 0) find(at(seq) + "a ledger is born once, in entry 0");
  if (auto ca = text_of(entry, "ca_sha256"); !ca.empty()) ca_sha256.push_back(ca);
  journal_key = text_of(entry, "journal_key");
  demo = flag_of(entry, "demo");
}

void Facts::mint(std::uint64_t seq, const Json& entry) {
  auto it = entry.find("credentials");
  if (it == entry.end() || !it->is_array()) return find(at(seq) + "credentials are not a list");
  std::string derivation = "random";
  for (const Json& one : *it) {
    fingerprint(seq, number_of(one, "scope"), text_of(one, "fingerprint"));
    if (text_of(one, "derivation") == "keyed") derivation = "keyed";
  }
  auto unit = units.find(text_of(entry, "serial"));
  if (unit != units.end()) unit->second.derivation = derivation;
}

void Facts::admit(std::uint64_t seq, const Json& entry) {
  std::string serial = text_of(entry, "serial"), hardware = hardware_of(entry);
  Unit unit;
  unit.hardware_id = hardware;
  unit.seq = seq;
  auto [known, fresh] = units.emplace(serial, unit);
  if (!fresh)
    find(at(seq) + "the serial " + serial + " was given to " + known->second.hardware_id +
         " before, in entry " + std::to_string(known->second.seq));
  Order& order = orders_[text_of(entry, "order")];
  if (!order.hardware_ids.insert(hardware).second)
    find(at(seq) + "the unit " + hardware + " was admitted to this order before");
}

void Facts::ending(const Json& entry, const std::string& word) {
  auto unit = units.find(text_of(entry, "serial"));
  if (unit != units.end()) unit->second.ending = word;
  if (word == "quarantine") hold(entry);
}

void Facts::hold(const Json& entry) { held_.insert(hardware_of(entry)); }

void Facts::install(const Json& entry) {
  ca_sha256.push_back(text_of(entry, "sha256"));
  auto issuers = entry.find("issuers");
  if (issuers == entry.end() || !issuers->is_array()) return;
  for (const Json& issuer : *issuers)
    if (issuer.is_string()) issuer_sha256.insert(issuer.get<std::string>());
}

// Two officers let it come back, or retired it.
void Facts::come_back(std::uint64_t seq, const Json& entry, const std::string& word) {
  std::string hardware = hardware_of(entry);
  auto officers = entry.find("officers");
  bool two = officers != entry.end() && officers->is_array() && officers->size() == 2 &&
             ((*officers)[0] != (*officers)[1] || flag_of(entry, "solo"));
  if (!two) find(at(seq) + hardware + " was " + word + ", but not by two officers");
  held_.erase(hardware);
  if (word == "retired") retired_.insert(hardware);
  for (auto& [serial, unit] : units)
    if (unit.hardware_id == hardware) unit.ending = word;
}

// What only two may do, and what they must compare.
void Facts::confirm(std::uint64_t seq, const Json& entry) {
  std::string kind = text_of(entry, "kind");
  bool two = text_of(entry, "confirmed_by") != text_of(entry, "proposed_by");
  if (!two && !flag_of(entry, "solo")) find(at(seq) + kind + " was not done by two officers");
  bool compared = kind == "hsm.clone" || kind == "escrow.install";
  if (compared && text_of(entry, "check") != text_of(entry, "subject"))
    find(at(seq) + kind + ": the second officer did not give the key's check value");
}

void Facts::take(std::uint64_t seq, const Json& entry) {
  std::string type = text_of(entry, "type");
  if (seq == 0 && type != "ledger.birth") find(at(seq) + "the first entry is not the birth");
  if (type == "ledger.birth") birth(seq, entry);
  if (type == "ledger.anchor") anchor = text_of(entry, "kind");
  if (type == "ledger.recover") ++recoveries;
  if (type == "credential.mint") mint(seq, entry);
  if (type == "decoy.burn")
    fingerprint(seq, number_of(entry, "scope"), text_of(entry, "fingerprint"));
  if (type == "key.commit" && !flag_of(entry, "known"))
    fingerprint(seq, 0, text_of(entry, "fingerprint"));
  if (type == "unit.admit") admit(seq, entry);
  if (type == "unit.return") ending(entry, "open");
  if (type == "run.end") ending(entry, text_of(entry, "ending"));
  if (type == "unit.quarantine" || type == "unit.hold") hold(entry);
  if (type == "unit.release" || type == "unit.reopen") come_back(seq, entry, "released");
  if (type == "unit.retire") come_back(seq, entry, "retired");
  if (type == "certificate.deny")
    denied.emplace(text_of(entry, "number"), text_of(entry, "reason"));
  if (type == "certificate.issue")
    certificates[text_of(entry, "sha256")] = text_of(entry, "serial");
  if (type == "ca.install") install(entry);
  if (type == "act.confirm") confirm(seq, entry);
  if (type == "audit.nonce") nonces.insert(text_of(entry, "nonce"));
  if (type == "order.accept") {
    Order& order = orders_[text_of(entry, "order")];
    if (order.accepted) find(at(seq) + "an order was accepted a second time");
    order.accepted = true;
    order.most = number_of(entry, "quantity") + number_of(entry, "spares");
  }
}

void Facts::finish() {
  for (auto& [serial, unit] : units)
    if (retired_.contains(unit.hardware_id))
      unit.ending = "retired";
    else if (held_.contains(unit.hardware_id))
      unit.ending = "quarantine";
  for (const auto& [id, order] : orders_) {
    auto admitted = static_cast<std::int64_t>(order.hardware_ids.size());
    if (!order.accepted) find("order " + id + ": units were admitted, but it was never accepted");
    if (order.accepted && admitted > order.most)
      find("order " + id + ": " + std::to_string(admitted) + " units were admitted, " +
           std::to_string(order.most) + " were ordered with spares");
  }
}

}  // namespace mintmark::exports
