// The vault: everything Mintmark asks of its token. Blocking and thread-safe: callers run it on a
// thread pool, and each call leases one session of its own for as long as it lasts.
//
// A token that goes away costs the calls in flight a Fault("token.away"); the next call connects
// again. Faults: token.uri, token.module, token.module_crashed, token.module_hung, token.missing,
// token.exists, token.full, token.key (arguments `key` and `attribute`), token.foreign (another
// token came back), token.pin, token.pin_locked, token.pin_marked, token.pin_mark, token.pin_file,
// token.away, token.refused (the token said no and will say no again), rng.broken, seal.broken.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "hsm/signer.hpp"
#include "hsm/unit_key.hpp"
#include "station/words/bytes.hpp"
#include "station/words/secret.hpp"

namespace mintmark {

struct TokenConfig {
  // RFC 7512: module-path, token or serial, pin-source=file:/... ; a pin-value is refused.
  std::string uri;
  // Where the PIN is, if not where the URI says: a systemd credential, for example.
  std::string pin_file_override;
  // The directory where a refused PIN is written down (see pin.hpp).
  std::string state_dir;
  int sessions = 4;
  // A string that the module takes in the reserved field of C_Initialize: NSS softoken does not
  // initialise without ("configdir='sql:/...' ..."). Empty for modules that keep to the standard.
  std::string init_parameters = {};
};

// A person has looked at the PIN: the next start may try it again, once.
void clear_pin_mark(const std::string& state_dir);
bool pin_marked(const std::string& state_dir);

// A fingerprint key on its way to another token.
struct ClonedKey {
  Bytes wrapped;
  Bytes check_value;  // 8 bytes, as two people compared them
};

struct KeyReport {
  std::string label;
  std::string part;  // "secret key", "private key", "public key"
  std::string type;  // "AES-256", "EC P-256"
  // The token says that it was generated in there and was never to be read: false for what was
  // imported, cloned, or comes from a token that does not keep account of it.
  bool made_inside = false;
  std::string mechanism;  // what it is used with
  std::string used_by;
  std::string wrong;  // the attributes that differ from the table, empty where none does
  // As found. CKA_LOCAL, CKA_ALWAYS_SENSITIVE and CKA_NEVER_EXTRACTABLE are among them for people
  // to read: they are false on a key that was cloned from another token, which is no fault.
  std::vector<std::pair<std::string, std::string>> attributes;
};

struct TokenReport {
  std::string module_path, library, library_version, cryptoki_version;
  std::string label, manufacturer, model, serial;
  std::vector<std::string> flags;  // CKF_ words of the token
  // A development token in software: its random numbers claim no approved generator and its keys
  // are files.
  bool is_soft = true;
  std::vector<KeyReport> keys;
  std::vector<Bytes> anchors;  // notes "mintmark-anchor"; of inspect() only
};

using Iv = std::array<std::uint8_t, 12>;  // a 96-bit big-endian counter, the caller's

class Vault {
 public:
  // The station's own, never to leave; one that other stations may be given (clone.hpp); or one
  // that was given. The last two only in a token that keeps CKA_WRAP_WITH_TRUSTED: it is tried.
  enum class Fingerprint { own, clonable, cloned };
  // A NEW token (C_InitToken in a free slot, label from the URI, the user's PIN from the PIN file)
  // with all of the station's keys in it. Fault("token.exists") if that label is taken.
  static void create(const TokenConfig& config, View so_pin,
                     Fingerprint fingerprint = Fingerprint::own);
  // The keys alone, in a token that exists (a real HSM): those that it lacks, so that what a try
  // that broke off has made is completed. Fault("token.exists") if it has them all; "token.key" for
  // half of a pair. `clone`: the fingerprint key that is taken in; Fault("clone.check") where it is
  // another than was compared.
  static void create_keys(const TokenConfig& config, Fingerprint fingerprint = Fingerprint::own,
                          const ClonedKey& clone = {});

  // Opens, logs in, finds every key once, checks each against the table in keys.hpp, and that each
  // pair belongs together.
  explicit Vault(const TokenConfig& config);
  ~Vault();
  Vault(const Vault&) = delete;
  Vault& operator=(const Vault&) = delete;

  // From the token's generator, after the tests of health.hpp.
  void random(std::span<std::uint8_t> out);
  Bytes random(std::size_t size);
  Secret random_secret(std::size_t size);

  // FORMATS, "Fingerprint": HMAC-SHA-256 under K_fp. The check value is 8 bytes.
  Digest fingerprint(View canonical);
  Bytes check_value();

  // FORMATS, "Run seal": AES-256-GCM under a lot's key, 128-bit tag behind the ciphertext. The
  // token does not notice an IV used twice: the caller commits its counter first.
  // open throws Fault("seal.broken") where key, IV, AAD or bytes are not those of the seal.
  Bytes seal(const std::string& lot_key_label, const Iv& iv, View aad, const Secret& plain);
  Secret open(const std::string& lot_key_label, const Iv& iv, View aad, View sealed);
  // Fault("token.exists") if there is one; destroying what is not there is no fault.
  void create_lot_key(const std::string& label);
  bool has_lot_key(const std::string& label);
  void destroy_lot_key(const std::string& label);
  std::vector<std::string> lot_keys();  // labels "mintmark-lot-..."

  // 32 bytes that only this token derives of `context`: HMAC-SHA-256 under a key of its own, which
  // no station has unless it was made for products that ask for it. Fault("token.key", "missing").
  Secret derive(View context);
  bool has_derivation_key();     // Fault("token.key") where it is not as it must be
  void create_derivation_key();  // Fault("token.key_exists") if there is one

  // Generation 0 is the one in use: the first, until `use` says otherwise. What a key signs: a
  // SHA-256 digest (P-256; r and s, 64 bytes) or the message itself (Ed25519; 64 bytes). In a token
  // without Ed25519 the journal and label signers are P-256 keys that sign SHA-256(message): the
  // size of the public key tells.
  Bytes public_key(SignerRole signer, int generation = 0);  // an uncompressed point, or 32 bytes
  Bytes sign(SignerRole signer, View data, int generation = 0);
  void use(SignerRole signer, int generation);  // Fault("token.key") if the token has none such
  int in_use(SignerRole signer) const;
  int newest(SignerRole signer);  // that the token has; not in use yet where it is above in_use
  // A key of the next generation, found and checked; not in use yet. Its number.
  int create_next(SignerRole signer);

  Bytes ca_public_point();              // 65 bytes, uncompressed
  Bytes ca_sign(const Digest& digest);  // ECDSA P-256, r and s, 64 bytes
  Bytes journal_public_key();           // Ed25519, 32 bytes; else an uncompressed point, 65
  Bytes journal_sign(View message);     // 64 bytes
  Bytes reopen_spki();                  // P-256 SubjectPublicKeyInfo, 91 bytes
  Bytes label_public_key();             // the same
  Bytes label_sign(View message);       // 64 bytes

  // A key for a unit without a random generator (unit_key.hpp). Nothing of it stays in the token.
  // Beside the token's faults: identity.bad_point, rng.broken.
  WrappedKey make_unit_key(const UnitKeyOrder& order);
  // The fingerprint key under the trusted public key (SubjectPublicKeyInfo, DER) that the security
  // officer imported for it (clone.hpp), which is destroyed then. Fault("token.key") where there is
  // no such key, or where the fingerprint key was not made to be cloned.
  Bytes clone_fingerprint_key(View spki);

  // Texts that the token keeps for the station under a label, in private data objects: more than
  // one after a crash while one took another's place. Fault("token.refused") by a token that takes
  // no such object.
  static constexpr const char* kAnchor = "mintmark-anchor";  // the ledger's newest checkpoint
  std::vector<Bytes> notes(const std::string& label);
  void keep_note(const std::string& label, View text);  // in the place of the others

  TokenReport describe();

  // The token as it is, whatever is in it: every secret, private and public key is compared with
  // the table, what is missing or too many is said, and what the table does not know is `wrong`
  // with "unknown". A fingerprint key is what `fingerprint` says, or it is wrong. A key that was
  // not made inside is `wrong` with "CKA_LOCAL", but for a clone; what a clone should have taken
  // with it with "leftover"; an escrow key, which belongs into another token, with "misplaced".
  // Logs in, changes nothing, and needs none of the keys.
  static TokenReport inspect(const TokenConfig& config, Fingerprint fingerprint = Fingerprint::own);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mintmark
