#include "hsm/vault.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "hsm/clone.hpp"
#include "hsm/report.hpp"
#include "hsm/vault_state.hpp"

namespace mintmark {

using pkcs11::Connection;
using pkcs11::Session;
using Repeat = pkcs11::Link::Repeat;

Vault::Vault(const TokenConfig& config) : state_(std::make_unique<State>(config)) {
  state_->link.connection();
  random(2 * RandomTests::kBlock);  // a generator that is stuck is found here
}

Vault::~Vault() = default;

// Whole blocks, so that every byte that leaves has been through the test; at most 4096 at a time,
// because some tokens refuse more than 64 KiB.
void Vault::random(std::span<std::uint8_t> out) {
  constexpr std::size_t kBlock = RandomTests::kBlock;
  while (out.size() >= kBlock) {
    std::size_t whole = std::min<std::size_t>(out.size() / kBlock * kBlock, 4096);
    state_->draw(out.first(whole));
    out = out.subspan(whole);
  }
  if (out.empty()) return;
  Secret last(kBlock);
  state_->draw(last.mutable_view());
  std::copy_n(last.view().begin(), out.size(), out.begin());
}

void Vault::State::draw(std::span<std::uint8_t> blocks) {
  link.run(Repeat::yes, [&](Connection&, Session& session) { session.random(blocks); });
  health.feed(blocks);
}

Bytes Vault::random(std::size_t size) {
  Bytes out(size);
  random(std::span(out));
  return out;
}

Secret Vault::random_secret(std::size_t size) {
  Secret out(size);
  random(out.mutable_view());
  return out;
}

// A token that signs with the wrong length is no token to go on with.
static Bytes sized(Bytes signature, std::size_t size, const pkcs11::KeyRole& role) {
  if (signature.size() == size) return signature;
  throw Fault("token.key", {{"key", std::string(role.label)}, {"attribute", "signature"}});
}

Digest Vault::fingerprint(View canonical) {
  Bytes code = state_->link.run(Repeat::yes, [&](Connection& connection, Session& session) {
    return session.sign(pkcs11::kFingerprintKey.use, connection.fingerprint_key(), canonical);
  });
  code = sized(std::move(code), sizeof(Digest), pkcs11::kFingerprintKey);
  Digest out;
  std::copy(code.begin(), code.end(), out.begin());
  return out;
}

Bytes Vault::check_value() {
  Digest code = fingerprint(view("mintmark kcv"));
  return to_bytes(View(code).first(8));
}

Bytes Vault::seal(const std::string& lot_key_label, const Iv& iv, View aad, const Secret& plain) {
  return state_->link.run(Repeat::yes, [&](Connection& connection, Session& session) {
    CK_OBJECT_HANDLE key = connection.lot_key(session, lot_key_label);
    return session.gcm_encrypt(key, iv, aad, plain.view());
  });
}

Secret Vault::open(const std::string& lot_key_label, const Iv& iv, View aad, View sealed) {
  Fault broken("seal.broken", {{"key", lot_key_label}});
  if (sealed.size() < 16) throw broken;
  // SoftHSM2 says "general error" both for a tag that does not fit and for a device in trouble. One
  // that says so twice, each time in a session of its own, and still answers, has told us of the
  // tag.
  for (int tries = 0; tries < 2; ++tries) {
    std::optional<Secret> plain;
    bool opens = state_->link.run(Repeat::yes, [&](Connection& connection, Session& session) {
      CK_OBJECT_HANDLE key = connection.lot_key(session, lot_key_label);
      plain = session.gcm_decrypt(key, iv, aad, sealed);
      return plain.has_value();
    });
    if (opens) return std::move(*plain);
  }
  random(RandomTests::kBlock);
  throw broken;
}

// SoftHSM2 does not sync its files. A lot key that a power cut takes away takes every copy under it
// along; one that it brings back was not destroyed. Its file system alone is synced, where it is
// known; for a token that is elsewhere all of them, which costs nothing that counts: it happens
// twice a lot.
void Vault::State::sync_files() const {
  int file = directory ? ::open(directory->c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  bool synced = file >= 0 && ::syncfs(file) == 0;
  if (file >= 0) ::close(file);
  if (!synced) ::sync();
}

void Vault::State::change(const std::function<void(Connection&, Session&)>& work) {
  std::lock_guard<std::mutex> guard(lots);
  link.run(Repeat::no, [&](Connection& connection, Session&) {
    Session session(connection.module(), connection.slot(), Session::Access::write);
    work(connection, session);
  });
  sync_files();
}

static void must_be_lot_label(const std::string& label) {
  if (!pkcs11::is_lot_label(label))
    throw Fault("token.key", {{"key", label}, {"attribute", "CKA_LABEL"}});
}

// Whether there is one; asked behind a failure, so a token that does not answer says no.
bool Vault::State::seems_there(const std::string& label) {
  try {
    return !link.run(Repeat::yes,
                     [&](Connection&, Session& session) {
                       return pkcs11::find(session, pkcs11::kLotKey.secret, label);
                     })
                .empty();
  } catch (const Fault&) {
    return false;
  }
}

// SoftHSM2 says no more than "function failed" where its disk has no room. A token that answers
// another session is not away.
static bool has_no_room(Connection& connection, const pkcs11::CallFault& fault) {
  if (fault.rv() != CKR_FUNCTION_FAILED && fault.rv() != CKR_GENERAL_ERROR) return false;
  Session other(connection.module(), connection.slot(), Session::Access::read);
  Bytes any(BlockRepeatTest::kBlock);
  other.random(any);
  return true;
}

static void generate_lot_key(Connection& connection, Session& session, const std::string& label) {
  try {
    pkcs11::generate(session, pkcs11::kLotKey, label);
  } catch (const pkcs11::CallFault& fault) {
    if (has_no_room(connection, fault)) throw Fault("token.full", fault.args());
    throw;
  }
}

void Vault::State::destroy(const std::string& label) {
  change([&](Connection& connection, Session& session) {
    connection.forget_lot_key(label);
    for (auto key : pkcs11::find(session, pkcs11::kLotKey.secret, label)) session.destroy(key);
  });
}

void Vault::State::leave(const std::string& label) {
  std::lock_guard<std::mutex> guard(left_mutex);
  left.insert(label);
}

void Vault::State::keep(const std::string& label) {
  std::lock_guard<std::mutex> guard(left_mutex);
  left.erase(label);
}

// What still cannot be destroyed is tried again with the next lot; answers why.
std::optional<Fault> Vault::State::destroy_left() {
  std::set<std::string> labels;
  {
    std::lock_guard<std::mutex> guard(left_mutex);
    labels.swap(left);
  }
  std::optional<Fault> fault;
  for (const std::string& label : labels) {
    try {
      destroy(label);
    } catch (const Fault& f) {
      leave(label);
      fault = f;
    }
  }
  return fault;
}

// A token that reports a failure may have made the key all the same: what counts is what is there.
void Vault::create_lot_key(const std::string& label) {
  state_->destroy_left();
  if (has_lot_key(label)) throw Fault("token.exists", {{"token", label}});
  try {
    try {
      state_->change([&](Connection& connection, Session& session) {
        generate_lot_key(connection, session, label);
      });
    } catch (const Fault&) {
      if (!state_->seems_there(label)) throw;
    }
    state_->link.run(Repeat::yes, [&](Connection& connection, Session& session) {
      return connection.lot_key(session, label);  // unique and as the table says
    });
    state_->keep(label);
  } catch (const Fault&) {
    state_->leave(label);
    state_->destroy_left();
    throw;
  }
}

bool Vault::has_lot_key(const std::string& label) {
  must_be_lot_label(label);
  return state_->link.run(Repeat::yes, [&](Connection&, Session& session) {
    return !pkcs11::find(session, pkcs11::kLotKey.secret, label).empty();
  });
}

// Looked for and destroyed, twice at most: a token that reports a failure may have destroyed it or
// not.
void Vault::destroy_lot_key(const std::string& label) {
  must_be_lot_label(label);
  state_->leave(label);
  auto fault = state_->destroy_left();
  if (fault) fault = state_->destroy_left();
  if (fault) throw Fault(*fault);
}

Secret Vault::derive(View context) {
  const pkcs11::KeyRole& role = pkcs11::kDerivationKey;
  Secret out = state_->link.run(Repeat::yes, [&](Connection& connection, Session& session) {
    return session.sign_secret(role.use, connection.derivation_key(session), context);
  });
  if (out.size() == sizeof(Digest)) return out;
  throw Fault("token.key", {{"key", std::string(role.label)}, {"attribute", "signature"}});
}

bool Vault::has_derivation_key() {
  const pkcs11::KeyRole& role = pkcs11::kDerivationKey;
  return state_->link.run(Repeat::yes, [&](Connection& connection, Session& session) {
    if (pkcs11::find(session, role.secret, role.label).empty()) return false;
    connection.derivation_key(session);  // unique and as the table says
    return true;
  });
}

// A token that reports a failure may have made the key all the same: what counts is what is there.
void Vault::create_derivation_key() {
  const pkcs11::KeyRole& role = pkcs11::kDerivationKey;
  try {
    state_->change([&](Connection&, Session& session) {
      if (!pkcs11::find(session, role.secret, role.label).empty())
        throw Fault("token.key_exists", {{"key", std::string(role.label)}});
      pkcs11::generate(session, role, role.label);
    });
  } catch (const pkcs11::CallFault&) {
    if (!has_derivation_key()) throw;
    ::sync();
  }
  if (!has_derivation_key())
    throw Fault("token.key", {{"key", std::string(role.label)}, {"attribute", "missing"}});
}

int Vault::in_use(SignerRole signer) const {
  return state_->in_use.at(static_cast<std::size_t>(signer)).load();
}

void Vault::use(SignerRole signer, int generation) {
  state_->link.connection()->signer(signer, generation);  // is it there?
  state_->in_use.at(static_cast<std::size_t>(signer)) = generation;
}

int Vault::newest(SignerRole signer) { return state_->link.connection()->newest(signer); }

Bytes Vault::public_key(SignerRole signer, int generation) {
  if (generation == 0) generation = in_use(signer);
  return state_->link.connection()->signer(signer, generation).point;
}

Bytes Vault::sign(SignerRole signer, View data, int generation) {
  const pkcs11::KeyRole& role = pkcs11::role_of(signer);
  if (generation == 0) generation = in_use(signer);
  Bytes out = state_->link.run(Repeat::yes, [&](Connection& connection, Session& session) {
    const Connection::SignerKey& key = connection.signer(signer, generation);
    bool stands_in = key.role != &role;  // ECDSA, for a role whose callers give the message
    Digest digest = stands_in ? sha256(data) : Digest{};
    return session.sign(key.role->use, key.pair.secret, stands_in ? View(digest) : data);
  });
  return sized(std::move(out), 64, role);
}

// What an earlier try left of it was never in use: half a pair, or two of them.
static void generate_afresh(Session& session, const pkcs11::KeyRole& role,
                            const std::string& label) {
  for (const pkcs11::Part* part : {&role.secret, &role.open})
    for (CK_OBJECT_HANDLE old : pkcs11::find(session, *part, label)) session.destroy(old);
  pkcs11::generate(session, role, label);
}

// The connection has looked for its keys when it logged in: the next one will find this one, too. A
// token that reports a failure may have made the pair all the same: what counts is what is there.
int Vault::create_next(SignerRole signer) {
  const pkcs11::KeyRole& role = pkcs11::role_of(signer);
  auto before = state_->link.connection();
  before->signer(signer, in_use(signer));  // what is in use is never taken for what was left
  int generation = before->newest(signer) + 1;
  std::optional<Fault> fault;
  try {
    state_->change([&](Connection&, Session& session) {
      generate_afresh(session, role, pkcs11::label_of(role, generation));
    });
  } catch (const Fault& f) {
    fault = f;
  }
  state_->link.drop(before);
  auto now = state_->link.connection();
  if (fault && now->newest(signer) < generation) throw Fault(*fault);
  now->signer(signer, generation);
  if (fault) ::sync();
  return generation;
}

Bytes Vault::ca_public_point() { return public_key(SignerRole::ca); }
Bytes Vault::ca_sign(const Digest& digest) { return sign(SignerRole::ca, digest); }
Bytes Vault::journal_public_key() { return public_key(SignerRole::journal); }
Bytes Vault::journal_sign(View message) { return sign(SignerRole::journal, message); }
Bytes Vault::reopen_spki() { return p256_spki(public_key(SignerRole::reopen)); }
Bytes Vault::label_public_key() { return public_key(SignerRole::label); }
Bytes Vault::label_sign(View message) { return sign(SignerRole::label, message); }

// May be repeated: what a lost session had begun is gone with it, and the next try makes new keys.
WrappedKey Vault::make_unit_key(const UnitKeyOrder& order) {
  return state_->link.run(Repeat::yes, [&](Connection& connection, Session& session) {
    return pkcs11::make_wrapped_key(session, connection.wrap_route(), order);
  });
}

Bytes Vault::clone_fingerprint_key(View spki) {
  Bytes out;
  state_->change([&](Connection& connection, Session& session) {
    out = pkcs11::wrap_fingerprint_key(session, connection.fingerprint_key(), spki);
  });
  return out;
}

TokenReport Vault::describe() {
  return state_->link.run(Repeat::yes, [](Connection& connection, Session& session) {
    return pkcs11::report(connection, session);
  });
}

}  // namespace mintmark
