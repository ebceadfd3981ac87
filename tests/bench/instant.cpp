#include "tests/bench/instant.hpp"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "fixtures/smp.hpp"
#include "station/words/crypto.hpp"
#include "station/words/fault.hpp"
#include "station/words/secret.hpp"

namespace mintmark::bench {

static Bytes fresh_spki() {
  EVP_PKEY* key = EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256");
  Bytes out(static_cast<std::size_t>(i2d_PUBKEY(key, nullptr)));
  unsigned char* at = out.data();
  i2d_PUBKEY(key, &at);
  EVP_PKEY_free(key);
  return out;
}

std::vector<Blank> make_blanks(int count) {
  std::vector<Blank> out;
  for (int i = 0; i < count; ++i) out.push_back({hex(random_bytes(8)), fresh_spki()});
  return out;
}

InstantUnit::InstantUnit(Blank blank) : blank_(std::move(blank)) {}

Identification InstantUnit::who() const {
  Identification out;
  out.hardware_id = HardwareId("demo-otp", blank_.hardware);
  out.model = "LAMP-3";
  out.firmware = "1.4.0";
  out.boot_id = Bytes(8, static_cast<std::uint8_t>(starts_));
  out.secure_boot = true;
  out.locked = locked_;
  out.certified = certified_;
  out.state = "factory";
  out.capabilities = {"enrol", "inject", "prove", "login", "marker", "factory-reset", "lock"};
  return out;
}

Task<Identification> InstantUnit::identify() { co_return who(); }

Task<Identification> InstantUnit::restart() {
  ++starts_;
  co_return who();
}

Task<UnitError> InstantUnit::open_enrolment(HardwareId /*unit*/, Bytes /*run*/) {
  co_return certified_ ? UnitError::certified : UnitError::ok;
}
Task<KeyRequest> InstantUnit::request_certificate(std::string /*algorithm*/) {
  co_return KeyRequest(blank_.spki);
}
Task<UnitError> InstantUnit::store_certificate(Bytes /*certificate*/, Bytes /*reopen*/) {
  certified_ = true;
  co_return UnitError::ok;
}
Task<Bytes> InstantUnit::static_key() { co_return Bytes(); }
Task<UnitError> InstantUnit::store_key(KeyDelivery /*key*/, Bytes /*certificate*/,
                                       Bytes /*reopen*/) {
  co_return UnitError::not_supported;
}

Task<UnitError> InstantUnit::open_identity(HardwareId /*unit*/, Bytes /*run*/, Bytes spki) {
  if (spki != blank_.spki) throw Fault("hwid.second_key");
  co_return certified_ ? UnitError::ok : UnitError::no_certificate;
}
Task<Bytes> InstantUnit::open_identity_of_any_key(HardwareId /*unit*/, Bytes /*run*/) {
  co_return blank_.spki;
}
Task<std::optional<Bytes>> InstantUnit::run_nonce() { co_return nonce_; }
Task<UnitError> InstantUnit::set_run_nonce(Bytes nonce) {
  nonce_ = std::move(nonce);
  co_return UnitError::ok;
}

Task<UnitError> InstantUnit::inject(std::string /*name*/, const Secret& canonical) {
  if (!locked_) own_ = Secret::copy_of(canonical.view());
  co_return unless_locked();
}
Task<UnitError> InstantUnit::inject_raw(std::string /*name*/, const Secret& /*value*/) {
  co_return UnitError::not_supported;
}
Task<Proof> InstantUnit::prove(std::string /*name*/, const Secret& canonical) {
  co_return same(own_.view(), canonical.view()) ? Proof::holds : Proof::fails;
}
Task<Proof> InstantUnit::prove_raw(std::string /*name*/, const Secret& /*value*/) {
  co_return Proof::unsupported;
}
Task<UnitError> InstantUnit::ask_proof(std::string /*name*/) { co_return unless_locked(); }

Task<std::optional<bool>> InstantUnit::login(std::string /*name*/, const Secret& password) {
  const Secret& in_force = users_.empty() ? own_ : users_;
  bool right = same(in_force.view(), password.view());
  co_return std::optional<bool>(right);
}
Task<UnitError> InstantUnit::ask_login(std::string /*name*/, const Secret& /*password*/) {
  co_return unless_locked();
}
Task<UnitError> InstantUnit::set_password(std::string /*name*/, const Secret& password) {
  users_ = Secret::copy_of(password.view());
  co_return UnitError::ok;
}
Task<bool> InstantUnit::feature(std::string /*feature*/) { co_return false; }
Task<std::optional<Bytes>> InstantUnit::marker() { co_return marker_; }
Task<UnitError> InstantUnit::set_marker(Bytes value) {
  marker_ = std::move(value);
  co_return UnitError::ok;
}

Task<Identification> InstantUnit::factory_reset() {
  marker_.reset();
  users_ = Secret();
  ++starts_;
  co_return who();
}
Task<UnitError> InstantUnit::lock() {
  locked_ = true;
  nonce_.reset();
  co_return UnitError::ok;
}
Task<Bytes> InstantUnit::reopen_nonce() { co_return Bytes(); }
Task<UnitError> InstantUnit::reopen(std::vector<std::string> /*acts*/, Bytes /*signature*/) {
  co_return UnitError::not_supported;
}

static SlotConfig config_of(const std::string& name) {
  SlotConfig out;
  out.name = name;
  out.protocol = "smp";
  out.port = "instant";
  return out;
}

InstantSlot::InstantSlot(const std::string& name, std::vector<Blank>& blanks, Event& more)
    : config_(config_of(name)), blanks_(blanks), more_(more) {}

Task<Identification> InstantSlot::arrival(std::function<void(const std::string&)> /*trouble*/) {
  while (blanks_.empty()) co_await more_.wait_past(more_.count());
  unit_ = std::make_unique<InstantUnit>(std::move(blanks_.back()));
  blanks_.pop_back();
  co_return unit_->who();
}

Task<void> InstantSlot::departure() { co_return; }

}  // namespace mintmark::bench
