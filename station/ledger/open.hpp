// What making, opening and copying a ledger have in common. Not for other folders.
#pragma once

#include <string>

#include "station/ledger/ledger.hpp"

namespace mintmark {

const std::string& must_be_file(const std::string& path);  // itself. Fault "ledger.missing".
// A new and empty file of its owner's only. Fault "ledger.exists".
void make_ledger_file(const std::string& path);
void remove_ledger_files(const std::string& path);
void sync_folder(const std::string& path);  // of the file `path`
Birth birth_in(Reader& db);

namespace schema {
// As this version would have made it. Faults "ledger.newer", "ledger.older", "ledger.tampered".
void must_be_current(sqlite::Database& db);
}  // namespace schema

}  // namespace mintmark
