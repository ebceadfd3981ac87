// The keys that sign for the station, generation by generation, and the certificates of its CA.
// Every function that changes something journals it in the same transaction.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "station/ledger/ledger.hpp"

namespace mintmark {

// A certificate of the CA key and its issuers up to the root, DER. One that the token signed itself
// has none.
struct CaCertificate {
  CaCertificate() = default;
  int generation = 1;
  Bytes der;
  std::vector<Bytes> issuers;
};

namespace signers {

// `role`: a word of hsm/signer.hpp. 1 until it is rotated.
int generation(Reader& db, const std::string& role);
// The public key of a generation where the ledger has it: uncompressed point, or 32 bytes. The
// first keys of reopen and label are known to the token alone; so is that of the CA where birth
// has its certificate.
std::optional<Bytes> public_key(Reader& db, const std::string& role, int generation);
// The keys that signed checkpoints, oldest first: that of birth, then one for each rotation.
std::vector<Bytes> journal_keys(Reader& db);

// For each journal key but the last: the first checkpoint that covers the entry which names the
// next one, as the old key signed it. Empty where there is none yet.
std::vector<std::string> handovers(Reader& db);
// A checkpoint that one of the keys signed; nullopt for any other text.
std::optional<OpenedCheckpoint> opened(Reader& db, std::string_view note);
// That a checkpoint which somebody holds is one that this ledger signed and still has. False for
// any other text, too: of another station, or of a ledger that this one is an older copy of.
bool knows(Reader& db, std::string_view note);

// A new key, in force from here on. Journals "signer.new" (`role`, `generation`, `public` in
// base64, or the vkey of a journal key). Answers its generation.
int add(Transaction& db, const Actor& actor, const std::string& role, const Bytes& public_key);

// The certificate to issue under now; nullopt while the key in force waits for one.
std::optional<CaCertificate> ca(Reader& db);
// Every CA certificate that the station has issued under: that in force first.
std::vector<Bytes> ca_certificates(Reader& db);
// The same and their issuers, each once.
std::vector<Bytes> ca_chain(Reader& db);
// The caller has checked it. Journals "ca.install" (`generation`, `sha256`, `issuers` sha256 each).
// Fault "ledger.duplicate" for one that is installed already.
void install(Transaction& db, const Actor& actor, const CaCertificate& certificate);

}  // namespace signers
}  // namespace mintmark
