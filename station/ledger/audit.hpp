// The journal says what the tables must say. An audit reads all of it, hashes it against every
// checkpoint, and names the first row that is missing, differs, or that no entry knows.
//
// Not in the journal, and so not audited: symbol counts of an open lot, sealed copies (a seal that
// was changed does not open), escrowed copies, wrong passwords in a row, tokens of people who are
// no officers, and what only helps the line along (slots' streaks, attempts' arguments).
#pragma once

#include <optional>

#include "station/ledger/head.hpp"
#include "station/ledger/ledger.hpp"

namespace mintmark {

struct Audited {
  Audited() = default;
  Tree tree;
  std::uint64_t entries = 0, rows = 0;
  std::string anchor;  // "token" or "file", as journalled last; empty before the first
};

// `head`: what must be in it, too; without `rows` the journal alone is read. Faults
// "ledger.tampered" (what), "ledger.rolled_back" (size, known: of the anchor) where the journal
// does not contain the head.
Audited audit(Reader& db, const Birth& birth, const std::optional<Head>& head, bool rows = true);

Fault tampered_with(const std::string& what);  // "ledger.tampered"

// That the journal, as audited, has this head among its checkpoints. Fault "ledger.rolled_back".
void must_contain(Reader& db, const Head& anchor);

}  // namespace mintmark
