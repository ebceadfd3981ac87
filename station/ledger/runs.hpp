// The passages of units through the station. Every function runs inside one transaction and
// journals what it changes there (invariant 7). Faults carry codes of the language tables.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "station/ledger/ledger.hpp"
#include "station/words/fault.hpp"
#include "station/words/unit.hpp"

namespace mintmark {

struct Run {
  Run() = default;
  std::string id;   // UUIDv7
  std::string lot;  // UUIDv7
  std::string slot;
  std::int64_t unit = 0;  // the ledger's own number of the hardware id
  HardwareId hardware_id;
  std::string serial;  // empty before reserve
  std::string firmware, model;
  Step next = Step::reserve;
  bool begun = false;        // that `next` begins is journalled
  bool interrupted = false;  // it was begun before and never ended
  int attempts = 0;          // contact faults so far
  Bytes spki;                // certified (or about to be) identity key; empty before enrol
  Bytes nonce;               // run nonce, 16 bytes; empty before mint
  bool offered = false;      // secrets may have left for the unit
  std::optional<Ending> ending;
  std::string code;  // of the ending
  Bytes id_bytes() const;
  bool operator==(const Run&) const = default;
};

// What the ledger knows of a hardware id that has just arrived.
struct Standing {
  Standing() = default;
  std::optional<Run> open;   // an unfinished run: resume it
  std::optional<Run> last;   // the newest finished run
  bool quarantined = false;  // by its own run or held with others
  Bytes spki;                // its certified key, empty if none
  std::string serial;        // its serial, empty if none
  bool may_return = false;   // two officers let it come back (returns.hpp)
  bool retired = false;      // for good
};

enum class StepResult { proven, not_proven, failed };

// What a step saw. `reason` for not_proven; `facts` go into the journal: no secret, in any form.
struct Evidence {
  Evidence() = default;
  explicit Evidence(Json facts_) : facts(std::move(facts_)) {}
  StepResult result = StepResult::proven;
  std::string reason;
  Json facts = Json::object();
};

// A minted credential as it is kept: the fingerprint for ever, the sealed copy until the run ends.
struct Credential {
  Credential() = default;
  std::string name;   // "admin"
  std::string klass;  // class word in the seal's AAD: "password"
  std::int64_t scope = 0;
  std::int64_t most = 0;  // to be minted: how many of its scope may be used up; 0: any number
  // Derived under a token key, when this many mints were counted for its unit; nothing: drawn.
  std::optional<int> derived_at;
  Digest fingerprint{};
  std::array<std::uint8_t, 12> iv{};
  Bytes sealed;
  Bytes escrowed;               // under the escrow seal; empty where the product asks for none
  std::int64_t escrow_key = 0;  // whose
};

namespace runs {

Standing standing(Reader& db, const HardwareId& hardware_id);
Run get(Reader& db, const std::string& run);  // Fault "run.unknown"
std::vector<Run> open_runs(Reader& db);
// Runs of a lot in order of their ids (UUIDv7: of time), those after the id `after`.
std::vector<Run> list(Reader& db, const std::string& lot, const std::string& after, int limit);
// The run's journal entries, as stored.
std::vector<std::string> history(Reader& db, const std::string& run);

// A run for a unit that identified itself; next = reserve. Fault "hwid.two_slots" when an open run
// exists.
Run begin(Transaction& db, const Actor& actor, const std::string& run, const std::string& lot,
          const std::string& slot, const HardwareId& hardware_id, const std::string& model,
          const std::string& firmware, const Json& facts);
// The open run is met again, perhaps in another slot. Sets `interrupted`.
Run resume(Transaction& db, const Actor& actor, Run run, const std::string& slot);

// Journals that run.next begins.
Run intend(Transaction& db, const Actor& actor, const Run& run);
// Journals the evidence and moves on to the step after run.next.
Run complete(Transaction& db, const Actor& actor, const Run& run, const Evidence& evidence);
// Both in one commit: a step's end, and that the one after it begins.
Run step_on(Transaction& db, const Actor& actor, Run run, const Evidence& evidence);
// Back to an earlier step (burn and mint afresh; void and reprint), with the reason journalled.
Run go_back(Transaction& db, const Actor& actor, const Run& run, Step to,
            const std::string& reason);

// Admits the hardware id to the lot (quota counts hardware ids, quantity + spares) and gives it its
// serial: the one it already has in this lot, or the next of the order's pools. Faults "lot.full",
// "serials.exhausted", "lot.closed".
Run admit(Transaction& db, Run run);
// The same where the order leaves serials to the MES. Faults "serials.malformed", "serials.taken",
// "serials.from_order" (this order has pools of its own); and admit() says "serials.from_mes".
Run admit_with(Transaction& db, Run run, const std::string& serial);
// The MAC that came with the run's serial, AA:BB:CC:DD:EE:FF; nullopt where the order has none.
std::optional<std::string> mac(Reader& db, const Run& run);

// Commits the SPKI before the token signs for it. Fault "hwid.second_key" when this hardware id has
// another certified key, "hwid.clone" when another hardware id has this key.
// `peer` tells how the unit was known: "first-use", "attested"; empty where the key was.
Run commit_key(Transaction& db, Run run, Bytes spki, const Digest& fingerprint,
               std::string_view peer = "");

// A wrapped identity key on its way to its unit: committed with its SPKI, kept under the run seal
// (class "wrapped-key") until the unit was seen to sign with it, beyond the end of the run unless
// that is a quarantine. A second key with this SPKI is Fault "rng.duplicate".
struct SealedKey {
  SealedKey() = default;
  std::string run;  // in which it was made
  Digest fingerprint{};
  std::array<std::uint8_t, 12> iv{};
  Bytes sealed;
};
Run commit_wrapped_key(Transaction& db, Run run, const Bytes& spki, const SealedKey& key,
                       std::string_view peer);
std::optional<SealedKey> wrapped_key(Reader& db, const Bytes& spki);
void forget_wrapped_key(Transaction& db, const Run& run);

// Fault "run.moved" where the run has ended meanwhile, here and below: whoever ended it denied the
// certificates that it knew of.
void record_certificate(Transaction& db, const Run& run, const Bytes& der);
std::optional<Bytes> certificate(Reader& db, const Run& run);
// A certificate from another profile for the run's key. The journal holds it whole.
void record_second_certificate(Transaction& db, const Run& run, const std::string& profile,
                               const Bytes& der);
std::optional<Bytes> second_certificate(Reader& db, const Run& run, const std::string& profile);

// How often secrets were minted for the run's unit, in this run and all others.
int mints(Reader& db, const Run& run);

// The next IV of the lot's run seal: committed before it is used, never given twice.
std::array<std::uint8_t, 12> next_iv(Transaction& db, const std::string& lot);
// Inserts fingerprints (UNIQUE over scope and value) and sealed copies, sets the nonce, clears
// `offered`. A fingerprint that exists is Fault "rng.duplicate" (the caller's transaction is
// undone; then stop_issuing()); outside of scope 0 it is "mint.code_taken": draw again, and
// "mint.codes_spent" where the scope has `most` already. Fault
// "unit.mints_spent" over `max_mints` for this hardware id, "run.moved" for a credential derived at
// another count of mints than the unit's: it would not be a fresh one.
Run mint(Transaction& db, Run run, const Bytes& nonce, const std::vector<Credential>& credentials,
         int max_mints);
// A decoy's fingerprint, burnt at birth.
void burn_decoy(Transaction& db, const Run& run, const std::string& klass, std::int64_t scope,
                const Digest& fingerprint);
std::vector<Credential> credentials(Reader& db,
                                    const Run& run);  // unburnt, newest mint, with sealed copies
Run offer(Transaction& db, Run run);  // `offered` = true, committed before the first secret is sent
// Burns this run's credentials (fingerprints stay) and drops the sealed copies.
Run burn(Transaction& db, const Actor& actor, Run run, const std::string& reason);

// Wrong passwords are about to be tried, one of each kind: counted before the first is sent. Fault
// "unit.tries_spent" when `limit` in a row without a success would be reached.
void count_tries(Transaction& db, const Run& run, const std::vector<std::string>& kinds, int limit);
void count_success(Transaction& db, const Run& run);

// Ends the run: journals code and arguments, burns what it holds unless it passed, drops sealed
// copies.
Run end(Transaction& db, const Actor& actor, Run run, Ending ending, const std::string& code,
        const Fault::Args& args);
// A contact fault: counted; the run stays open, or ends in rework ("attempts.exhausted") at
// `max_attempts`.
Run fail_contact(Transaction& db, const Actor& actor, Run run, const std::string& code,
                 const Fault::Args& args, int max_attempts);

// Label attempts: counted per serial and place for ever, recorded before sending. Fault "run.moved"
// where the run has ended meanwhile: its secrets may be burnt.
int begin_label(Transaction& db, const Actor& actor, const Run& run, const std::string& place,
                const Digest& template_digest);
struct LabelState {
  LabelState() = default;
  std::string place;
  int attempt = 0;    // newest
  std::string state;  // sent, applied, void
};
std::vector<LabelState> labels(Reader& db, const std::string& serial);
// Faults "scan.unknown", "scan.not_newest", "scan.void", "scan.already".
void apply_label(Transaction& db, const Actor& actor, const Run& run, const ControlSymbol& symbol,
                 const std::string& bound_by);
void void_label(Transaction& db, const Actor& actor, const Run& run, const ControlSymbol& symbol,
                const std::string& reason);
std::optional<Run> by_serial(Reader& db, const std::string& serial);  // newest run of that serial

// Reset-check sampling: what is due, and what a failure holds.
struct Sampling {
  Sampling() = default;
  bool first_of_lot = false, first_of_firmware = false;
  int since_last_good = 0;
};
Sampling sampling(Reader& db, const Run& run);
// Holds every unit of the lot that passed unchecked since the last good check; answers how many.
int hold_since_last_good(Transaction& db, const Actor& actor, const Run& run);

// An event about a unit that has no open run: already passed and back, refused in quarantine, two
// slots.
void note_visit(Transaction& db, const Actor& actor, const std::string& slot,
                const HardwareId& hardware_id, const std::string& code, const Fault::Args& args);
// Puts a hardware id into quarantine outside of its own run (it sat in two slots, could not sign
// after a pass).
void quarantine_unit(Transaction& db, const Actor& actor, const HardwareId& hardware_id,
                     const std::string& slot, const std::string& code);

// Slots: three endings in a row with one code pause a slot until a lead resumes it.
struct SlotState {
  SlotState() = default;
  std::string name;
  bool paused = false;
  std::string code;
  int streak = 0;
};
SlotState slot_state(Reader& db, const std::string& slot);
SlotState note_ending(Transaction& db, const Actor& actor, const std::string& slot, Ending ending,
                      const std::string& code);
void resume_slot(Transaction& db, const Actor& actor, const std::string& slot);

}  // namespace runs
}  // namespace mintmark
