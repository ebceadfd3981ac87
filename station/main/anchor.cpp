// The newest checkpoint, kept in the token: whoever puts an older ledger in the place of this one
// would have to put an older token there, too.
#include "station/ledger/audit.hpp"
#include "station/main/station.hpp"

namespace mintmark {

static Head head_of(const Bytes& note, const std::string& station) {
  auto opened = read_checkpoint(text(note));
  if (!opened || opened->origin != origin_of(station))
    throw Fault("ledger.anchor_unreadable", {{"where", "token"}});
  return {opened->size, opened->root};
}

std::vector<std::string> anchors_in(Vault& vault) {
  std::vector<std::string> out;
  for (const Bytes& note : vault.notes(Vault::kAnchor)) out.emplace_back(text(note));
  return out;
}

std::optional<Head> must_be_anchored(Vault& vault, Ledger& ledger) {
  std::optional<Head> newest;
  for (const Bytes& note : vault.notes(Vault::kAnchor)) {
    Head anchor = head_of(note, ledger.birth().station);
    ledger.read_now([&](Reader& db) { must_contain(db, anchor); });
    if (!newest || anchor.size > newest->size) newest = anchor;
  }
  if (!newest && ledger.anchor() == "token")
    throw Fault("ledger.anchor_missing", {{"where", "token"}});
  return newest;
}

static void checkpoint_by(Vault& vault, Ledger& ledger) {
  ledger.checkpoint_now([&](View message) { return vault.journal_sign(message); });
}

// A token that takes no such object says so at the first; one that has taken it once must go on.
static std::string try_token(Vault& vault, Ledger& ledger) {
  ledger.anchor_by([&vault](const Checkpoint& checkpoint) {
    vault.keep_note(Vault::kAnchor, view(checkpoint.note));
  });
  try {
    checkpoint_by(vault, ledger);
    return "token";
  } catch (const Fault& fault) {
    if (fault.code() != "token.refused" || ledger.anchor() == "token") throw;
  }
  ledger.anchor_by({});
  return "file";
}

void anchor_from_here(Vault& vault, Ledger& ledger) {
  std::string kind = try_token(vault, ledger);
  if (kind == ledger.anchor()) return;
  // The anchor is there before the journal says that it must be.
  ledger.transact_now([&](Transaction& db) { note_anchor(db, kind); });
  checkpoint_by(vault, ledger);
}

}  // namespace mintmark
