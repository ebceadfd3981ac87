#include "station/ledger/checkpoint.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "station/words/crypto.hpp"
#include "station/words/fault.hpp"

namespace mintmark {

static constexpr std::string_view kDash = "\xe2\x80\x94 ";  // the em dash of a signature line
// c2sp.org/signed-note: 0x01 is Ed25519; 0xff opens types that are named by whoever made them.
static constexpr std::string_view kEd25519Type = "\x01";
static constexpr std::string_view kP256Type = "\xffmintmark/ecdsa-p256-sha256";
static constexpr std::size_t kEd25519Size = 32, kP256Size = 65;

std::string origin_of(std::string_view station) { return "mintmark/" + std::string(station); }

static Bytes typed(View public_key) {
  Bytes out = to_bytes(view(public_key.size() == kP256Size ? kP256Type : kEd25519Type));
  out.insert(out.end(), public_key.begin(), public_key.end());
  return out;
}

// The public key behind its type; nullopt for other types, sizes, and points that are none.
static std::optional<Bytes> untyped(View key) {
  for (auto [type, size] : {std::pair(kEd25519Type, kEd25519Size), std::pair(kP256Type, kP256Size)})
    if (key.size() == type.size() + size && equal(key.first(type.size()), view(type))) {
      Bytes out = to_bytes(key.subspan(type.size()));
      if (size == kP256Size && !p256_point(p256_spki(out))) return std::nullopt;
      return out;
    }
  return std::nullopt;
}

bool is_signed_by(View public_key, std::string_view text, View signature) {
  if (public_key.size() != kP256Size) return ed25519_verify(public_key, view(text), signature);
  return p256_verify(p256_spki(public_key), sha256(view(text)), signature);
}

// SHA-256(name || 0x0A || type || key), the first four bytes.
static std::array<std::uint8_t, 4> key_id(std::string_view name, View public_key) {
  Bytes input = to_bytes(view(name));
  input.push_back('\n');
  Bytes key = typed(public_key);
  input.insert(input.end(), key.begin(), key.end());
  Digest digest = sha256(input);
  return {digest[0], digest[1], digest[2], digest[3]};
}

std::string verifier_key(std::string_view station, View public_key) {
  std::string name = origin_of(station);
  return name + "+" + hex(key_id(name, public_key)) + "+" + base64(typed(public_key));
}

std::string checkpoint_text(std::string_view station, std::uint64_t size, const Digest& root) {
  return origin_of(station) + "\n" + std::to_string(size) + "\n" + base64(root) + "\n";
}

std::string sign_note(std::string_view station, View public_key, std::string_view text,
                      const Signer& signer) {
  std::string name = origin_of(station);
  Bytes signature = signer(view(text));
  if (!is_signed_by(public_key, text, signature)) throw Fault("checkpoint.bad_signature");
  auto id = key_id(name, public_key);
  Bytes blob(id.begin(), id.end());
  blob.insert(blob.end(), signature.begin(), signature.end());
  std::string note(text);
  note += "\n";
  note += kDash;
  note += name + " " + base64(blob) + "\n";
  return note;
}

std::optional<VerifierKey> parse_verifier_key(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  auto first = text.find('+');
  auto second = first == text.npos ? first : text.find('+', first + 1);
  if (second == text.npos) return std::nullopt;
  VerifierKey out;
  out.name = std::string(text.substr(0, first));
  auto id = from_hex(text.substr(first + 1, second - first - 1));
  auto key = from_base64(text.substr(second + 1));
  auto public_key = key ? untyped(*key) : std::nullopt;
  if (!id || id->size() != 4 || !public_key) return std::nullopt;
  out.public_key = std::move(*public_key);
  out.id = key_id(out.name, out.public_key);
  bool named = !out.name.empty() && out.name.find(' ') == std::string::npos;
  if (!named || !equal(out.id, *id)) return std::nullopt;
  return out;
}

static bool signed_by(std::string_view line, std::string_view text, const VerifierKey& key) {
  if (!line.starts_with(kDash)) return false;
  line.remove_prefix(kDash.size());
  auto space = line.find(' ');
  if (space == line.npos || line.substr(0, space) != key.name) return false;
  auto blob = from_base64(line.substr(space + 1));
  if (!blob || blob->size() != 68 || !equal(View(*blob).first(4), key.id)) return false;
  return is_signed_by(key.public_key, text, View(*blob).subspan(4));
}

static std::optional<std::string_view> take_line(std::string_view& text) {
  auto end = text.find('\n');
  if (end == text.npos) return std::nullopt;
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return line;
}

static std::optional<OpenedCheckpoint> parse_body(std::string_view text) {
  auto origin = take_line(text), size = take_line(text), root = take_line(text);
  if (!root || !text.empty() || origin->empty() || size->empty()) return std::nullopt;
  OpenedCheckpoint out;
  out.origin = std::string(*origin);
  auto [end, error] = std::from_chars(size->data(), size->data() + size->size(), out.size);
  bool whole = error == std::errc() && end == size->data() + size->size();
  auto hash = from_base64(*root);
  if (!whole || std::to_string(out.size) != *size || !hash || hash->size() != out.root.size())
    return std::nullopt;
  std::copy(hash->begin(), hash->end(), out.root.begin());
  return out;
}

std::optional<OpenedCheckpoint> read_checkpoint(std::string_view note) {
  auto blank = note.find("\n\n");
  return blank == note.npos ? std::nullopt : parse_body(note.substr(0, blank + 1));
}

std::optional<OpenedCheckpoint> open_checkpoint(std::string_view note, const VerifierKey& key) {
  auto blank = note.find("\n\n");
  if (blank == note.npos) return std::nullopt;
  std::string_view text = note.substr(0, blank + 1), rest = note.substr(blank + 2);
  bool good = false;
  while (!rest.empty()) {
    auto line = take_line(rest);
    if (!line) return std::nullopt;
    good = good || signed_by(*line, text, key);
  }
  return good ? parse_body(text) : std::nullopt;
}

}  // namespace mintmark
