// Signed heads of the journal: C2SP tlog-checkpoint (c2sp.org/tlog-checkpoint) in a C2SP signed
// note (c2sp.org/signed-note), signature type Ed25519 (0x01); where the token has no Ed25519,
// Mintmark's own type for ECDSA P-256 (schema/journal.md). Origin and key name are
// mintmark/<station UUID>.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "station/words/bytes.hpp"

namespace mintmark {

// By the token's journal key, 64 bytes: Ed25519 over the message itself, or ECDSA P-256 over its
// SHA-256 (r and s). Which one, the public key's size tells: 32 bytes, or 65 (uncompressed point).
using Signer = std::function<Bytes(View message)>;

struct Checkpoint {
  Checkpoint() = default;
  std::uint64_t size = 0;
  Digest root{};
  std::string note;  // the signed note, ends with a newline
  Bytes frontier;    // of the tree of that size
};

std::string origin_of(std::string_view station);
// "<name>+<key id, hex>+<base64(type || public key)>": what a verifier is given.
std::string verifier_key(std::string_view station, View public_key);

// "<origin>\n<size>\n<base64 root>\n": what is signed.
std::string checkpoint_text(std::string_view station, std::uint64_t size, const Digest& root);
bool is_signed_by(View public_key, std::string_view text, View signature);
std::string sign_note(std::string_view station, View public_key, std::string_view text,
                      const Signer& signer);

inline constexpr std::size_t kMaxNote = 4096;  // bytes of one that somebody gives us

struct VerifierKey {
  VerifierKey() = default;
  std::string name;
  std::array<std::uint8_t, 4> id{};
  Bytes public_key;
};
std::optional<VerifierKey> parse_verifier_key(std::string_view text);

struct OpenedCheckpoint {
  OpenedCheckpoint() = default;
  std::string origin;
  std::uint64_t size = 0;
  Digest root{};
};
// The body, whoever signed it. Never throws.
std::optional<OpenedCheckpoint> read_checkpoint(std::string_view note);
// The body, if one of the note's signatures is by `key` and verifies; signatures by others are
// passed over, as the note format says. Never throws.
std::optional<OpenedCheckpoint> open_checkpoint(std::string_view note, const VerifierKey& key);

}  // namespace mintmark
