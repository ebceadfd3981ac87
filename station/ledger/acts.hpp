// Acts that take two officers (FORMATS, "Roles"; invariant 12). One proposes, with a reason;
// another confirms before the proposal expires; what was proposed is what is done, no more and no
// less. Each is an officer of the owner's roster at that moment, and neither created the other's
// access. Where the roster says solo, one person may do both, and every record of it says so.
//
// A kind whose work is a change of the ledger is done in the transaction that confirms it. One that
// needs the token or a person's desk is `confirmed` first, and then `done` or `failed`.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "station/ledger/people.hpp"
#include "station/words/fault.hpp"

namespace mintmark {

struct Act {
  Act() = default;
  std::string id;    // UUIDv7
  std::string kind;  // "unit.release", ...
  std::string subject;
  Json arguments = Json::object();  // of the kind; no secret
  std::string reason;
  std::string proposed_by, proposed_at, expires_at;
  std::string confirmed_by, confirmed_at;  // empty before
  bool solo = false;
  std::string state;  // proposed, expired, withdrawn, confirmed, done, failed
  Json result = Json::object();
  std::string code;  // of a failure
};

namespace acts {

inline constexpr std::chrono::minutes kLifetime = std::chrono::hours(24);

// Journals "act.propose". Fault "act.officer" where `by` is no officer now.
Act propose(Transaction& db, const std::string& by, const Act& asked,
            std::chrono::seconds lifetime = kLifetime);

// Journals "act.confirm" with both names. `state` is "done" where the caller does the work in this
// same transaction, else "confirmed". Faults "act.unknown", "act.ended" (state), "act.expired",
// "act.same_person", "act.related" (one created the other), "act.officer" (either is no officer
// now).
Act confirm(Transaction& db, const std::string& by, const std::string& id,
            const std::string& state);

// The same for an act whose subject is the check value of somebody's key: `given` is what the
// second officer has read where the key was made, and stands in the entry. Where it differs nothing
// is confirmed: journals "act.mismatch", returns nothing.
std::optional<Act> confirm_compared(Transaction& db, const std::string& by, const std::string& id,
                                    const std::string& state, const std::string& given);

// What a confirmed act came to. Journals "act.done" or "act.fail". Fault "act.ended".
Act finish(Transaction& db, const Actor& actor, const std::string& id, const Json& result);
Act fail(Transaction& db, const Actor& actor, const std::string& id, const Fault& why);

// Any officer may withdraw a proposal. Faults as of confirm().
void withdraw(Transaction& db, const std::string& by, const std::string& id);

Act get(Reader& db, const std::string& id);  // Fault "act.unknown"
// Newest first: those that wait (proposed, confirmed), or all.
std::vector<Act> list(Reader& db, bool all);

}  // namespace acts
}  // namespace mintmark
