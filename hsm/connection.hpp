// What the station holds of a token between two mishaps: a login, the handles of its keys, and a
// pool of sessions. A connection is never repaired: when the token goes away it is dropped, with
// everything that was found through it, and the next call makes another.
#pragma once

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "hsm/keys.hpp"
#include "hsm/module.hpp"
#include "hsm/rv.hpp"
#include "hsm/session.hpp"
#include "hsm/uri.hpp"
#include "hsm/vault.hpp"
#include "hsm/wrapping.hpp"

namespace mintmark::pkcs11 {

std::string pin_file(const TokenConfig& config, const TokenUri& uri);

class Connection {
 public:
  // Logs in (pin.hpp), finds and checks all keys.
  Connection(Module& module, const TokenUri& uri, const TokenConfig& config);

  Module& module() const { return module_; }
  CK_SLOT_ID slot() const { return slot_; }
  SessionPool& pool() { return pool_; }

  CK_OBJECT_HANDLE fingerprint_key() const { return fingerprint_; }
  // Of its fingerprint key and its first signers: the same token, wherever it was plugged in.
  const Digest& identity() const { return identity_; }

  struct SignerKey {
    const KeyRole* role = nullptr;
    KeyPair pair;
    Bytes point;
  };
  // Fault("token.key", "missing") for a generation that was not there at the login.
  const SignerKey& signer(SignerRole which, int generation) const;
  int newest(SignerRole which) const;

  // Looked up and checked once for each label. Fault("token.key") if there is none.
  CK_OBJECT_HANDLE lot_key(Session& session, const std::string& label);
  void forget_lot_key(const std::string& label);

  // Looked up and checked when first asked for. Fault("token.key") if there is none.
  CK_OBJECT_HANDLE derivation_key(Session& session);

  // Measured when first asked for.
  WrapRoute wrap_route();

 private:
  void find_keys(Session& session);
  void find_generations(Session& session, SignerRole which);
  Digest identify(Session& session) const;

  Module& module_;
  CK_SLOT_ID slot_;
  // The login ends with the last session of the process: this one stays open for that alone.
  Session anchor_;
  SessionPool pool_;
  CK_OBJECT_HANDLE fingerprint_ = CK_INVALID_HANDLE;
  std::array<std::vector<SignerKey>, kSignerRoles.size()> signers_;  // by generation
  Digest identity_{};
  std::mutex lots_mutex_;
  std::map<std::string, CK_OBJECT_HANDLE> lots_;
  std::atomic<CK_OBJECT_HANDLE> derivation_{CK_INVALID_HANDLE};
  std::mutex wrapping_mutex_;
  std::optional<WrapRoute> wrapping_;
};

// The current connection to one token: made when first asked for, made again after a drop.
class Link {
 public:
  explicit Link(const TokenConfig& config);

  std::shared_ptr<Connection> connection();
  // Only if it is still the current one: several calls may have seen the same token go.
  void drop(const std::shared_ptr<Connection>& gone);

  // Runs `work(Connection&, Session&)` with a leased session. What may be repeated is, once on a
  // new session and once after a new login; nothing is after the token went away.
  enum class Repeat { no, yes };
  template <class Work>
  auto run(Repeat repeat, Work work) {
    for (Tries tries;;) {
      auto current = connection();
      try {
        auto lease = current->pool().lease();
        return work(*current, *lease);
      } catch (const CallFault& fault) {
        if (!again(fault, current, tries) || repeat == Repeat::no) throw;
      }
    }
  }

 private:
  struct Tries {
    bool session = false, login = false;
  };
  bool again(const CallFault& fault, const std::shared_ptr<Connection>& used, Tries& tries);
  std::shared_ptr<Connection> connect();
  std::shared_ptr<Connection> open();

  TokenConfig config_;
  TokenUri uri_;
  std::mutex mutex_;
  std::shared_ptr<Connection> current_;
  std::optional<Digest> identity_;  // of the first connection
};

}  // namespace mintmark::pkcs11
