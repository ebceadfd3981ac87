// What leaves the station for auditors: the journal as JSON Lines (the stored bytes), the signed
// checkpoint that covers all of it, units as CSV, certificates. No secret in any of them.
//
// All functions read in the caller's snapshot. For a set that fits together call them inside
// Ledger::checkpoint(signer, then): `then` sees exactly what the checkpoint covers.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "station/ledger/ledger.hpp"

namespace mintmark::exports {

using Chunk = std::function<void(std::string_view)>;

// Entries 0 to size (exclusive), each as stored and a newline.
void journal(Reader& db, std::uint64_t size, const Chunk& chunk);

// RFC 4180 with a header line and CRLF. A cell that a spreadsheet would run as a formula (begins
// with = + - @, tab, CR or NUL) gets a ' in front. One row a unit that was admitted to a lot, in
// order of admission. `ending` is that of its newest run, `open` while one is, `quarantine` once
// the unit is held, however it ended before, `released` once two officers let it come back and it
// has not yet, `retired` for good.
void units(Reader& db, const Birth& birth, const Chunk& chunk);

// Each unit's newest certificate as PEM, by serial.
using Certificate = std::function<void(const std::string& serial, const std::string& pem)>;
void certificates(Reader& db, const Certificate& each);

std::string pem(View der);  // one CERTIFICATE block

// The whole bundle: journal.jsonl, checkpoint, checkpoint.vkey, units.csv, certs/<serial>.pem,
// ca-chain.pem, denied.crl (PEM, of this checkpoint's size). Chunks of one path come together; a
// path comes once.
using File = std::function<void(const std::string& path, std::string_view chunk)>;
void bundle(Reader& db, const Birth& birth, const Checkpoint& checkpoint,
            const std::string& denial_list, const File& file);

// The bundle as files below `directory`, which is made where it is missing. Files of an earlier
// export are replaced, and certificates that are no part of this one removed. Faults "disk.full",
// "export.failed" (path, reason).
void write(Reader& db, const Birth& birth, const Checkpoint& checkpoint,
           const std::string& denial_list, const std::string& directory);

// RFC 4180 quoting and the formula guard.
std::string csv_cell(std::string_view text);

}  // namespace mintmark::exports
