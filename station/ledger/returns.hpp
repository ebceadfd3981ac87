// Units that come back, and certificates that are denied. Three acts of two officers:
//   unit.release  a unit in quarantine may be provisioned once more, with fresh credentials and,
//                 where its certificate was denied with it, a new identity key (a unit that was
//                 only held with others, after a failed sample, keeps its own)
//   unit.reopen   a unit that is not in quarantine, passed or not, may be provisioned once more:
//   its
//                 credentials are burnt and fresh ones minted. It keeps key and certificate unless
//                 the argument new_key says otherwise
//   unit.retire   never again: credentials burnt, certificate denied, hardware id refused
// A permission is in force until the unit has passed or is in quarantine again.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "station/ledger/acts.hpp"
#include "station/ledger/runs.hpp"

namespace mintmark::returns {

// The subject of each is a serial, or the unit's own code "<source>:<hex>". Refused, when proposed
// and again when confirmed, with Faults "unit.unknown", "unit.retired", "unit.under_way" (a run is
// open), "unit.may_return" (it is in force already), "unit.not_quarantined", "unit.release_first",
// "act.arguments" (field).
void check_release(Reader& db, const Act& act);
void check_reopen(Reader& db, const Act& act);
void check_retire(Reader& db, const Act& act);
// In the transaction that confirms. Journals "unit.release", "unit.reopen", "unit.retire" with act,
// reason and both names; burns what is not burnt; labels of the unit are void from here on.
void release(Transaction& db, const Actor& actor, const Act& act);
void reopen(Transaction& db, const Actor& actor, const Act& act);
void retire(Transaction& db, const Actor& actor, const Act& act);

struct Permission {
  Permission() = default;
  std::string act;
  bool new_key = false;  // always where the certificate cannot go on: denied, another serial's
  std::vector<Bytes> renewed;  // keys that were committed under it: SPKI
};
// What is in force for the unit of this run.
std::optional<Permission> permission(Reader& db, const Run& run);
bool may_return(Reader& db, const HardwareId& hardware_id);
bool is_retired(Reader& db, const HardwareId& hardware_id);

// The unit obeyed: it was seen to hold nothing of before. Journals "unit.reopened"; wrong passwords
// tried before count no more, as the unit has forgotten them, too.
void note_reopened(Transaction& db, const Actor& actor, const Run& run, const Json& facts);

// A label that cannot be found (DESIGN, the label's row): an open run ends in quarantine, a unit
// that passed is put there. Answers the run. Faults "unit.unknown", "unit.quarantined",
// "unit.no_label".
Run lose_label(Transaction& db, const Actor& actor, const std::string& serial,
               const std::string& reason);

// At start: what stands beside a denied certificate, for the same key, and was not denied with it,
// because the station that denied the first did not know of it yet. For the first one's reason.
void deny_left_beside(Transaction& db);

struct Denied {
  Denied() = default;
  Bytes certificate;   // DER
  std::string reason;  // RFC 5280 section 5.3.1: keyCompromise, superseded, ...
  std::string at;
};
// Those whose journal entry is before `until`, in order.
std::vector<Denied> denied(Reader& db, std::uint64_t until);
// The signed lists (DER) of that journal size, one for each CA; none before they were kept.
// keep_denial_lists answers what is kept: the first ones stay.
std::vector<Bytes> denial_lists(Reader& db, std::uint64_t until);
std::vector<Bytes> keep_denial_lists(Transaction& db, std::uint64_t until,
                                     const std::vector<Bytes>& lists);

}  // namespace mintmark::returns
