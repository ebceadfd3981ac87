// Secrets under the escrow seal, kept for ever. The station has only the public key and can open
// none of them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "station/ledger/ledger.hpp"

namespace mintmark {

struct EscrowKey {
  EscrowKey() = default;
  std::int64_t id = 0;
  Bytes spki;  // P-256 SubjectPublicKeyInfo
  std::uint64_t since = 0;
};

struct Escrowed {
  Escrowed() = default;
  std::string name, klass, run, hardware;  // hardware is source:id
  Digest fingerprint{};
  Bytes spki, sealed;
  bool burnt = false;
};

namespace escrow {

// The one to seal to now; nullopt where none was installed.
std::optional<EscrowKey> key(Reader& db);
// Journals "escrow.install" (`spki`, base64). What was sealed before stays under its own key.
void install(Transaction& db, const Actor& actor, const Bytes& spki);
void keep(Transaction& db, std::int64_t fingerprint, std::int64_t key, const Bytes& sealed);
// Of every run of this serial, oldest first. None where the serial is unknown.
std::vector<Escrowed> of_serial(Reader& db, const std::string& serial);

}  // namespace escrow
}  // namespace mintmark
