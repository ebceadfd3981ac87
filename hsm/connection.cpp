#include "hsm/connection.hpp"

#include <utility>

#include "hsm/pin.hpp"
#include "station/words/crypto.hpp"

namespace mintmark::pkcs11 {

std::string pin_file(const TokenConfig& config, const TokenUri& uri) {
  return config.pin_file_override.empty() ? uri.pin_file() : config.pin_file_override;
}

Connection::Connection(Module& module, const TokenUri& uri, const TokenConfig& config)
    : module_(module),
      slot_(module.find(uri)),
      anchor_(module, slot_, Session::Access::read),
      pool_(module, slot_, config.sessions) {
  log_in(anchor_, pin_file(config, uri), config.state_dir);
  find_keys(anchor_);
  identity_ = identify(anchor_);
}

Digest Connection::identify(Session& session) const {
  Bytes all = session.sign(kFingerprintKey.use, fingerprint_, view("mintmark kcv"));
  for (SignerRole which : kSignerRoles) {
    const Bytes& point = signer(which, 1).point;
    all.insert(all.end(), point.begin(), point.end());
  }
  return sha256(all);
}

void Connection::find_keys(Session& session) {
  fingerprint_ = find_one(session, kFingerprintKey.secret, kFingerprintKey.label);
  check_fingerprint_key(session, fingerprint_);
  for (SignerRole which : kSignerRoles) find_generations(session, which);
}

// A pair that a failing token left half made, or made twice, was never in use.
static bool is_whole(Session& session, const KeyRole& role, const std::string& label) {
  return find(session, role.secret, label).size() == 1 &&
         find(session, role.open, label).size() == 1;
}

// The first must be there; those that follow are as many as there are without a gap.
void Connection::find_generations(Session& session, SignerRole which) {
  const KeyRole& role = role_of(which);
  auto& found = signers_.at(static_cast<std::size_t>(which));
  for (int generation = 1;; ++generation) {
    std::string label = label_of(role, generation);
    if (generation > 1 && !is_whole(session, role, label)) return;
    SignerKey key;
    key.role = &form_of(session, role, label);
    key.pair = find_checked(session, *key.role, label);
    key.point = public_point(session, *key.role, key.pair.open);
    check_pair(session, *key.role, key.pair, key.point);
    found.push_back(std::move(key));
  }
}

const Connection::SignerKey& Connection::signer(SignerRole which, int generation) const {
  const auto& known = signers_.at(static_cast<std::size_t>(which));
  if (generation >= 1 && generation <= newest(which))
    return known.at(static_cast<std::size_t>(generation - 1));
  throw Fault("token.key",
              {{"key", label_of(role_of(which), generation)}, {"attribute", "missing"}});
}

int Connection::newest(SignerRole which) const {
  return static_cast<int>(signers_.at(static_cast<std::size_t>(which)).size());
}

CK_OBJECT_HANDLE Connection::lot_key(Session& session, const std::string& label) {
  {
    std::lock_guard<std::mutex> guard(lots_mutex_);
    auto known = lots_.find(label);
    if (known != lots_.end()) return known->second;
  }
  if (!is_lot_label(label)) throw Fault("token.key", {{"key", label}, {"attribute", "CKA_LABEL"}});
  CK_OBJECT_HANDLE key = find_checked(session, kLotKey, label).secret;
  std::lock_guard<std::mutex> guard(lots_mutex_);
  lots_[label] = key;
  return key;
}

void Connection::forget_lot_key(const std::string& label) {
  std::lock_guard<std::mutex> guard(lots_mutex_);
  lots_.erase(label);
}

CK_OBJECT_HANDLE Connection::derivation_key(Session& session) {
  if (derivation_ == CK_INVALID_HANDLE)
    derivation_ = find_checked(session, kDerivationKey, kDerivationKey.label).secret;
  return derivation_;
}

WrapRoute Connection::wrap_route() {
  std::lock_guard<std::mutex> guard(wrapping_mutex_);
  auto open = [&] { return std::make_unique<Session>(module_, slot_, Session::Access::read); };
  if (!wrapping_) wrapping_ = measure_wrap_route(open);
  if (!wrapping_) throw Fault("token.refused", {{"call", "C_WrapKey"}, {"rv", "no RFC 5649"}});
  return *wrapping_;
}

Link::Link(const TokenConfig& config) : config_(config), uri_(config.uri) {
  if (config_.sessions < 1) throw Fault("token.uri", {{"reason", "sessions must be 1 or more"}});
  must_not_be_marked(config_.state_dir);
}

std::shared_ptr<Connection> Link::connection() {
  std::lock_guard<std::mutex> guard(mutex_);
  if (!current_) current_ = connect();
  return current_;
}

// A token that comes back must be the one that went: under another one's fingerprint key the ledger
// would find no duplicate any more, whatever that token is called.
std::shared_ptr<Connection> Link::connect() {
  auto made = open();
  if (!identity_) identity_ = made->identity();
  if (*identity_ != made->identity()) throw Fault("token.foreign", {{"what", uri_.name()}});
  return made;
}

static bool is_gone(const Fault& fault) {
  return fault.code() == "token.away" || fault.code() == "token.missing";
}

// Some modules see a device that came back only after they have been initialised again. That ends
// every session of the process with them, so it is done only where none is open.
std::shared_ptr<Connection> Link::open() {
  must_not_be_marked(config_.state_dir);
  Module& module = Module::load(uri_.module_path(), config_.init_parameters);
  try {
    return std::make_shared<Connection>(module, uri_, config_);
  } catch (const Fault& fault) {
    if (!is_gone(fault) || !module.restart()) throw;
  }
  return std::make_shared<Connection>(module, uri_, config_);
}

void Link::drop(const std::shared_ptr<Connection>& gone) {
  std::lock_guard<std::mutex> guard(mutex_);
  if (current_ == gone) current_.reset();
}

// Whether the call may be tried again, and what must be given up before.
bool Link::again(const CallFault& fault, const std::shared_ptr<Connection>& used, Tries& tries) {
  switch (fault.recovery()) {
    case Recovery::session:
      used->pool().close_idle();  // what ended this session may have ended them all
      if (!std::exchange(tries.session, true)) return true;
      drop(used);
      return false;
    case Recovery::login:
      drop(used);
      return !std::exchange(tries.login, true);
    case Recovery::away:
      drop(used);
      return false;
    case Recovery::pin:
    case Recovery::never:
      break;
  }
  return false;
}

}  // namespace mintmark::pkcs11
