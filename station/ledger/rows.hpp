// What the ledger's functions share about rows of runs and units. Not for other folders.
#pragma once

#include <optional>
#include <string>

#include "station/ledger/runs.hpp"

namespace mintmark::rows {

std::string run_query(std::string_view rest);  // SELECT ... FROM run r JOIN unit u ... <rest>
Run run(const sqlite::Statement& row);         // of that query

std::optional<std::int64_t> find_unit(Reader& db, const HardwareId& hardware_id);
std::int64_t make_unit(Transaction& db, const HardwareId& hardware_id);

// How every entry about a unit begins: run, lot, serial (if known), hw, slot; of a unit without a
// run serial (if known), hw.
Entry about(const Run& run);
Entry about(Reader& db, const HardwareId& hardware_id);
Json args(const Fault::Args& values);

// After an UPDATE of one run: Fault "run.moved" if the caller's copy of it was old.
void must_change(Transaction& db, const Run& run);
// What is given out, is given by an open run: somebody may have ended it meanwhile. Fault
// "run.moved".
void must_be_open(Reader& db, const Run& run);

// Burns every credential of the unit that is not burnt yet, in whatever run.
void burn_unit(Transaction& db, const Actor& actor, std::int64_t unit, const std::string& reason);

// returns.cpp. Denies every certificate of the unit that is not denied yet, as its quarantine with
// this code asks; or those of other keys than `key`, which take its place.
void deny_unit(Transaction& db, const Actor& actor, std::int64_t unit, const std::string& code);
void deny_predecessors(Transaction& db, const Actor& actor, std::int64_t unit, std::int64_t key);
bool may_return(Reader& db, std::int64_t unit);
bool is_retired(Reader& db, std::int64_t unit);

}  // namespace mintmark::rows
