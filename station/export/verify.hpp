// Offline verification of an export: needs the directory and the station's verifier key, nothing
// of the station.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "station/export/symbols.hpp"
#include "station/words/bytes.hpp"

namespace mintmark::exports {

struct VerifyOptions {
  VerifyOptions() = default;
  // A note seen before: this journal must continue that one. Text that is no note is a finding.
  std::optional<std::string> earlier_checkpoint;
  // One that the auditor had journalled: shows no end was cut off. Text that is none is a finding.
  std::optional<std::string> nonce;
};

struct VerifyReport {
  VerifyReport() = default;
  std::uint64_t entries = 0;          // lines of journal.jsonl
  std::uint64_t checkpoint_size = 0;  // entries that the signature covers
  std::uint64_t fingerprints = 0;     // distinct ones: secrets, decoys and keys
  std::uint64_t units = 0;            // rows of units.csv
  std::uint64_t passed = 0;
  std::uint64_t keyed = 0;            // units whose password was derived under a token key
  std::uint64_t certificates = 0;     // files in certs/
  std::string anchor;                 // what an older ledger is known by: token, file, or nothing
  int recoveries = 0;                 // how often the ledger was one that had been put back
  bool demo = false;                  // the ledger was born as a demo
  std::vector<SymbolReport> symbols;  // of each password of each closed lot
  std::vector<std::string> findings;  // in plain words, each naming its entry, row or file
  bool ok() const { return findings.empty(); }
};

// Never throws on what is in the directory: a file that is missing or strange is a finding.
// Checked: the note's signature, its origin and the vkey's name; entries gapless from 0, of that
// station, and their tree's root; entries beyond the checkpoint; one fingerprint twice in a scope;
// each order's quantity and spares; units.csv against the journal (serials, hardware ids,
// endings, how passwords were made); symbol counters against the mints, and evenly spread;
// certificates: their serial, chain and digest in the journal; ca-chain.pem against the ledger's
// birth.
VerifyReport verify_export(const std::string& directory, const std::string& vkey,
                           const VerifyOptions& options = {});

// RFC 4180, as `units` writes it: lines end CRLF. Nothing where the text is not such a table.
std::vector<std::vector<std::string>> parse_csv(std::string_view text);

}  // namespace mintmark::exports
