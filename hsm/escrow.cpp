#include "hsm/escrow.hpp"

#include <unistd.h>

#include "hsm/connection.hpp"
#include "hsm/pin.hpp"
#include "hsm/setup.hpp"
#include "station/words/crypto.hpp"

namespace mintmark {

using pkcs11::kEscrowKey;
using pkcs11::KeyPair;
using pkcs11::Module;
using pkcs11::Session;
using pkcs11::TokenUri;

struct EscrowToken::Open {
  explicit Open(const TokenConfig& config)
      : uri(config.uri),
        module(Module::load(uri.module_path(), config.init_parameters)),
        session(module, module.find(uri), Session::Access::read) {
    pkcs11::must_not_be_marked(config.state_dir);
    pkcs11::log_in(session, pkcs11::pin_file(config, uri), config.state_dir);
    key = pkcs11::find_checked(session, kEscrowKey, kEscrowKey.label);
    spki = p256_spki(pkcs11::public_point(session, kEscrowKey, key.open));
  }
  TokenUri uri;
  Module& module;
  Session session;
  KeyPair key;
  Bytes spki;
};

Bytes EscrowToken::create(const TokenConfig& config, View so_pin) {
  TokenUri uri(config.uri);
  if (!so_pin.empty()) pkcs11::make_token(config, so_pin);
  Module& module = Module::load(uri.module_path(), config.init_parameters);
  Session session(module, module.find(uri), Session::Access::write);
  pkcs11::must_not_be_marked(config.state_dir);
  pkcs11::log_in(session, pkcs11::pin_file(config, uri), config.state_dir);
  if (!pkcs11::find(session, kEscrowKey.secret, kEscrowKey.label).empty())
    throw Fault("token.exists", {{"token", uri.name()}});
  KeyPair made = pkcs11::generate(session, kEscrowKey, kEscrowKey.label);
  pkcs11::find_checked(session, kEscrowKey, kEscrowKey.label);
  ::sync();  // SoftHSM2 leaves that to others
  return p256_spki(pkcs11::public_point(session, kEscrowKey, made.open));
}

EscrowToken::EscrowToken(const TokenConfig& config) : open_(std::make_unique<Open>(config)) {}
EscrowToken::~EscrowToken() = default;

const Bytes& EscrowToken::spki() const { return open_->spki; }

// Section 2.3.8 of the mechanisms: the point as it is, which every token must take.
Secret EscrowToken::agree(View point) {
  CK_ECDH1_DERIVE_PARAMS params{};
  params.kdf = CKD_NULL;
  params.public_data_len = point.size();
  params.public_data = const_cast<CK_BYTE*>(point.data());
  pkcs11::Attributes shared;
  shared.number(CKA_CLASS, CKO_SECRET_KEY).number(CKA_KEY_TYPE, CKK_GENERIC_SECRET);
  shared.number(CKA_VALUE_LEN, 32).flag(CKA_TOKEN, false).flag(CKA_PRIVATE, true);
  shared.flag(CKA_SENSITIVE, false).flag(CKA_EXTRACTABLE, true);
  CK_MECHANISM with{CKM_ECDH1_DERIVE, &params, sizeof params};
  CK_OBJECT_HANDLE key = open_->session.derive(with, open_->key.secret, shared);
  Secret out = open_->session.value(key, 32);
  open_->session.destroy(key);
  return out;
}

}  // namespace mintmark
