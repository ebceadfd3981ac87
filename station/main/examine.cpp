#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <filesystem>
#include <system_error>

#include "hsm/storage.hpp"
#include "station/credential/authority.hpp"
#include "station/label/sink.hpp"
#include "station/ledger/signers.hpp"
#include "station/line/room.hpp"
#include "station/main/station.hpp"
#include "station/rest/problem.hpp"
#include "station/words/clock.hpp"

namespace mintmark {

namespace {

constexpr std::int64_t kFewUnits = 1000;  // less room than for these is worth a word

namespace fs = std::filesystem;

Check clock_check() {
  std::string doubt = clock_doubt(std::time(nullptr), "", 0), now = "It is " + utc_now();
  return {"clock", doubt.empty(), doubt.empty() ? now + "." : now + ", but " + doubt + ": set it."};
}

// By trying: a disk that went read-only after an error of its own does not say that it is. Some
// file systems have no files without a name, and are not asked.
void must_take_files(const std::string& directory) {
  int file = ::open(directory.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
  int error = errno;
  if (file >= 0)
    ::close(file);
  else if (error != EOPNOTSUPP && error != EISDIR)
    throw Fault("disk.failed",
                {{"reason", directory + ": " + std::generic_category().message(error)}});
}

// As a lot is opened: what is left, and for how many units it would do.
Check disk_check(const std::string& name, const std::string& directory) {
  try {
    must_take_files(directory);
    std::uint64_t left = free_space(directory);
    std::string says = std::to_string(left >> 20) + " MiB are left in " + directory + ": ";
    if (left < room_for(kFewUnits))
      return {name, false,
              says + "too little for a lot of " + std::to_string(kFewUnits) +
                  " units. Make room there before one is opened."};
    return {name, true,
            says + "room for a lot of " + std::to_string((left - kRoomForAny) / kRoomForUnit) +
                " units."};
  } catch (const Fault& fault) {
    return {name, false, explain(fault)};
  }
}

std::vector<Check> disk_checks(const Config& config) {
  std::vector<Check> out(1, disk_check("disk", config.state_dir));
  if (auto tokens = token_directory(config.token))
    out.push_back(disk_check("token's disk", *tokens));
  return out;
}

Check port_check(const SlotConfig& slot) {
  std::string name = "slot " + slot.name;
  if (::access(slot.port.c_str(), F_OK) != 0)
    return {name, true, "No unit is plugged in at " + slot.port + "."};
  if (::access(slot.port.c_str(), R_OK | W_OK) != 0)
    return {name, false,
            slot.port +
                " may not be opened: give the station's user the right (group "
                "dialout, or a udev rule)."};
  return {name, true, slot.port + " is there and may be opened."};
}

Check label_check(const Config& config) {
  try {
    SpoolSink sink(config.label_directory, config.allow_plaintext_spool);
    Readiness readiness = sink.ready();
    if (!readiness.ok())
      return {"labels", false, explain(Fault(readiness.code, {{"reason", readiness.reason}}))};
    return {"labels", true, "Labels go to files in " + config.label_directory + "."};
  } catch (const Fault& fault) {
    return {"labels", false, explain(fault)};
  }
}

}  // namespace

std::string explain(const Fault& fault) {
  std::string says = sentence(fault.code(), fault.args());
  if (says == fault.code()) return fault.what();
  std::string bare = Fault(fault.code(), fault.args()).what();
  return says + " [" + bare + "]";
}

void must_belong_together(Vault& vault, const Birth& birth, const Config& config) {
  if (config.simulate_scanner && !birth.demo) throw Fault("station.not_demo");
  if (!same(vault.check_value(), birth.fingerprint_check))
    throw Fault("token.foreign", {{"what", "fingerprint key"}});
  // Without a certificate the owner signs: signers knows the key.
  if (!birth.ca.empty() && !same(vault.public_key(SignerRole::ca, 1), certificate_key(birth.ca)))
    throw Fault("token.foreign", {{"what", "CA key"}});
  if (!same(vault.public_key(SignerRole::journal, 1), birth.journal_key))
    throw Fault("token.foreign", {{"what", "journal key"}});
}

// A crash between a new journal key's entry and the old key's signature over it: made good here.
static void hand_over_late(Vault& vault, Ledger& ledger) {
  int generation = vault.in_use(SignerRole::journal);
  auto handed = ledger.read_now([](Reader& db) { return signers::handovers(db); });
  if (handed.empty() || !handed.back().empty()) return;
  ledger.checkpoint_now(
      [&](View message) { return vault.sign(SignerRole::journal, message, generation - 1); });
  // So that the next checkpoint is of another size, and by the new key.
  ledger.transact_now([](Transaction& db) { note_request(db, Actor("station")); });
}

void use_signers(Vault& vault, Ledger& ledger) {
  for (SignerRole role : kSignerRoles) {
    std::string name(word(role));
    auto look = [&](Reader& db) {
      int generation = signers::generation(db, name);
      return std::pair(generation, signers::public_key(db, name, generation));
    };
    auto [generation, key] = ledger.read_now(look);
    if (key && !same(vault.public_key(role, generation), *key))
      throw Fault("token.foreign", {{"what", name + " key"}});
    vault.use(role, generation);
  }
  hand_over_late(vault, ledger);
}

Check check_token(Vault& vault, Ledger& ledger, const Config& config) {
  try {
    must_belong_together(vault, ledger.birth(), config);
    use_signers(vault, ledger);
    if (!ledger.read_now([](Reader& db) { return signers::ca(db).has_value(); }))
      return {"token", false, explain(Fault("ca.not_installed"))};
    TokenReport token = vault.describe();
    for (const KeyReport& key : token.keys)
      if (!key.wrong.empty())
        return {"token", false, "Key " + key.label + " is not as it must be: " + key.wrong + "."};
    return {"token", true,
            "Token " + token.label + " is there with " + std::to_string(token.keys.size()) +
                " keys as they must be, and this ledger is its own." +
                (token.is_soft ? " It is a software token." : "")};
  } catch (const Fault& fault) {
    bool waits = config.when_away == WhenAway::wait;
    return {"token", false,
            explain(fault) + (waits ? " Until then runs wait in their slots."
                                    : " Until then slots stop and let their units go.")};
  }
}

Check check_anchor(Vault& vault, Ledger& ledger) {
  try {
    auto anchor = must_be_anchored(vault, ledger);
    std::string where = anchor ? "in the token, up to entry " + std::to_string(anchor->size) +
                                     ", and up to the last beside the ledger."
                               : "beside the ledger only: this token keeps no such object.";
    return {"anchor", true, "What an older ledger is known by is " + where};
  } catch (const Fault& fault) {
    return {"anchor", false, explain(fault)};
  }
}

std::vector<Check> check_surroundings(const Config& config) {
  std::vector<Check> out{clock_check(), label_check(config)};
  for (Check& check : disk_checks(config)) out.push_back(std::move(check));
  if (config.slots.empty())
    out.emplace_back("slots", false, "The configuration names no [[slot]].");
  for (const SlotConfig& slot : config.slots) out.push_back(port_check(slot));
  return out;
}

std::vector<Check> examine(const Config& config) {
  std::vector<Check> out;
  out.emplace_back("configuration", true, config.file + " is understood.");
  try {
    Vault vault(config.token);
    Ledger ledger(config.ledger());
    out.emplace_back(
        "ledger", true,
        "The ledger of station " + ledger.birth().station + " is whole: " +
            std::to_string(ledger.read_now([](Reader& db) { return journal_size(db); })) +
            " journal entries.");
    out.push_back(check_token(vault, ledger, config));
    out.push_back(check_anchor(vault, ledger));
  } catch (const Fault& fault) {
    bool token = fault.code().starts_with("token.");
    out.emplace_back(token ? "token" : "ledger", false, explain(fault));
  }
  for (Check& check : check_surroundings(config)) out.push_back(std::move(check));
  return out;
}

}  // namespace mintmark
