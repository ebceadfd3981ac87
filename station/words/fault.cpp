#include "station/words/fault.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace mintmark {

static std::string describe(std::string_view code, const Fault::Args& args,
                            const std::string& cause) {
  std::string out(code);
  for (const auto& [key, value] : args) out.append(" ").append(key).append("=").append(value);
  return cause.empty() ? out : out + ": " + cause;
}

Fault::Fault(std::string_view code, Args args, std::string cause)
    : code_(code),
      args_(std::move(args)),
      cause_(std::move(cause)),
      what_(describe(code_, args_, cause_)) {}

static constexpr std::array<std::string_view, 5> kEndings = {"passed", "retry", "rework",
                                                             "quarantine", "abandoned"};

std::string_view word(Ending ending) { return kEndings.at(static_cast<std::size_t>(ending)); }

std::optional<Ending> ending_from(std::string_view word) {
  for (std::size_t i = 0; i < kEndings.size(); ++i)
    if (kEndings.at(i) == word) return static_cast<Ending>(i);
  return std::nullopt;
}

namespace {

struct Row {
  std::string_view code;
  Ending ending;
  bool pauses_lot = false;
};

// FORMATS.md, table of endings, row by row.
constexpr Row kRows[] = {
    {"contact.lost", Ending::retry},
    {"contact.timeout", Ending::retry},
    {"contact.garbage", Ending::retry},
    {"unit.busy", Ending::retry},
    {"unit.refused", Ending::retry},
    {"attempts.exhausted", Ending::rework},
    {"unit.wrong_model", Ending::rework},
    {"unit.old_firmware", Ending::rework},
    {"unit.boot_open", Ending::rework},
    {"unit.lacks_capability", Ending::rework},
    {"unit.protocol", Ending::rework},
    {"unit.buffer_small", Ending::rework},
    {"unit.tries_spent", Ending::rework},
    {"unit.mints_spent", Ending::rework},
    {"label.no_stock", Ending::rework},
    {"label.lost", Ending::quarantine},
    {"serials.exhausted", Ending::rework},
    {"macs.exhausted", Ending::rework},
    {"serials.from_mes", Ending::rework},
    {"lot.full", Ending::rework},
    {"mint.codes_spent", Ending::rework},
    {"policy.ssid", Ending::rework},
    {"policy.dpp", Ending::rework},
    {"inject.not_stored", Ending::quarantine},
    {"prove.failed", Ending::quarantine},
    {"prove.unproven", Ending::quarantine},
    {"login.own_refused", Ending::quarantine},
    {"login.decoy_accepted", Ending::quarantine},
    {"login.empty_accepted", Ending::quarantine},
    {"login.default_accepted", Ending::quarantine},
    {"reset.universal_default", Ending::quarantine, true},
    {"reset.decoy_accepted", Ending::quarantine, true},
    {"reset.empty_accepted", Ending::quarantine, true},
    {"reset.user_password_kept", Ending::quarantine, true},
    {"reset.own_refused", Ending::quarantine, true},
    {"reset.credential_lost", Ending::quarantine, true},
    {"reset.marker_kept", Ending::quarantine, true},
    {"reset.marker_unwritten", Ending::quarantine},
    {"reset.user_password_unset", Ending::quarantine},
    {"reset.identity_lost", Ending::quarantine, true},
    {"reset.identity_changed", Ending::quarantine, true},
    {"reset.feature_open", Ending::quarantine, true},
    {"reset.weak_accepted", Ending::quarantine, true},
    {"reset.setup_refused", Ending::quarantine, true},
    {"lock.provisioning_open", Ending::quarantine},
    {"lock.debug_open", Ending::quarantine},
    {"hwid.known_default", Ending::quarantine},
    {"hwid.malformed", Ending::quarantine},
    {"hwid.second_key", Ending::quarantine},
    {"hwid.clone", Ending::quarantine},
    {"hwid.two_slots", Ending::quarantine},
    {"hwid.cannot_sign", Ending::quarantine},
    {"identity.bad_point", Ending::quarantine},
    {"identity.bad_key", Ending::quarantine},
    {"identity.bad_signature", Ending::quarantine},
    {"identity.request", Ending::quarantine},
    {"identity.request_unbound", Ending::quarantine},
    {"identity.subject", Ending::quarantine},
    {"identity.extension", Ending::quarantine},
    {"identity.weak_key", Ending::quarantine},
    {"identity.algorithm", Ending::quarantine},
    {"identity.attestation", Ending::quarantine},
    {"identity.unwrap_failed", Ending::quarantine},
    {"unit.counter_back", Ending::quarantine},
    {"unit.answers_for_another", Ending::quarantine},
    {"unit.quarantined", Ending::quarantine},
    {"unit.locked_before", Ending::quarantine},
    {"unit.needs_reopen", Ending::rework},
    {"unit.retired", Ending::quarantine},
    {"reopen.refused", Ending::quarantine},
    {"reopen.ignored", Ending::quarantine},
    {"run.abandoned", Ending::abandoned},
};

constexpr std::string_view kStationsOwn[] = {"station.internal",
                                             "rng.duplicate",
                                             "rng.broken",
                                             "station.stopped",
                                             "memory.unlocked",
                                             "token.away",
                                             "token.refused",
                                             "token.pin",
                                             "token.pin_marked",
                                             "token.pin_mark",
                                             "token.pin_file",
                                             "token.missing",
                                             "token.key",
                                             "token.module",
                                             "token.uri",
                                             "token.exists",
                                             "token.module_crashed",
                                             "token.module_hung",
                                             "token.full",
                                             "token.foreign",
                                             "token.pin_locked",
                                             "seal.broken",
                                             "identity.ca",
                                             "identity.profile",
                                             "identity.failed",
                                             "crypto.failed",
                                             "disk.full",
                                             "disk.failed",
                                             "ledger.failed",
                                             "ledger.tampered",
                                             "ledger.replaced",
                                             "ledger.busy",
                                             "ledger.duplicate",
                                             "ledger.missing",
                                             "lot.paused",
                                             "lot.none",
                                             "lot.closed",
                                             "label.sink",
                                             "template.digest",
                                             "journal.too_long",
                                             "ca.not_installed",
                                             "escrow.key",
                                             "escrow.not_installed"};

const Row* find(std::string_view code) {
  const auto* row = std::find_if(std::begin(kRows), std::end(kRows),
                                 [&](const Row& r) { return r.code == code; });
  return row == std::end(kRows) ? nullptr : row;
}

}  // namespace

Ending ending_of(std::string_view code) {
  const Row* row = find(code);
  return row != nullptr ? row->ending : Ending::quarantine;
}

bool pauses_lot(std::string_view code) {
  const Row* row = find(code);
  return row != nullptr && row->pauses_lot;
}

bool is_stations_own(std::string_view code) {
  return std::find(std::begin(kStationsOwn), std::end(kStationsOwn), code) !=
         std::end(kStationsOwn);
}

bool is_of_the_disk(std::string_view code) {
  return code == "disk.full" || code == "disk.failed" || code == "ledger.busy" ||
         code == "label.sink";
}

}  // namespace mintmark
