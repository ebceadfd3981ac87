// Units that answer at once and compute nothing, and slots that are never without one: what is
// measured with them is the station alone.
#pragma once

#include <string>
#include <vector>

#include "fixtures/slot.hpp"
#include "station/line/passage.hpp"

namespace mintmark::bench {

// What a unit needs before it can sit in a slot: made beforehand, because keys cost time.
struct Blank {
  std::string hardware;  // 8 bytes in hex
  Bytes spki;            // of a P-256 key that nobody has the private half of any more
};
std::vector<Blank> make_blanks(int count);

// Keeps what it is told, and says of it what a good unit would.
class InstantUnit : public Protocol {
 public:
  explicit InstantUnit(Blank blank);

  Identification who() const;
  Task<Identification> identify() override;
  Task<Identification> restart() override;
  Task<UnitError> open_enrolment(HardwareId unit, Bytes run) override;
  Task<KeyRequest> request_certificate(std::string algorithm) override;
  Task<UnitError> store_certificate(Bytes certificate, Bytes reopen) override;
  Task<Bytes> static_key() override;
  Task<UnitError> store_key(KeyDelivery key, Bytes certificate, Bytes reopen) override;
  Bytes attestation() const override { return {}; }
  Task<UnitError> open_identity(HardwareId unit, Bytes run, Bytes spki) override;
  Task<Bytes> open_identity_of_any_key(HardwareId unit, Bytes run) override;
  Task<std::optional<Bytes>> run_nonce() override;
  Task<UnitError> set_run_nonce(Bytes nonce) override;
  Task<UnitError> inject(std::string name, const Secret& canonical) override;
  Task<UnitError> inject_raw(std::string name, const Secret& value) override;
  Task<Proof> prove(std::string name, const Secret& canonical) override;
  Task<Proof> prove_raw(std::string name, const Secret& value) override;
  Task<UnitError> ask_proof(std::string name) override;
  Task<std::optional<bool>> login(std::string name, const Secret& password) override;
  Task<UnitError> ask_login(std::string name, const Secret& password) override;
  Task<UnitError> set_password(std::string name, const Secret& password) override;
  Task<bool> feature(std::string feature) override;
  Task<std::optional<Bytes>> marker() override;
  Task<UnitError> set_marker(Bytes value) override;
  Task<Identification> factory_reset() override;
  Task<UnitError> lock() override;
  Task<Bytes> reopen_nonce() override;
  Task<UnitError> reopen(std::vector<std::string> acts, Bytes signature) override;
  std::uint64_t bytes_on_wire() const override { return 0; }

 private:
  UnitError unless_locked() const { return locked_ ? UnitError::locked : UnitError::ok; }

  Blank blank_;
  int starts_ = 1;
  bool certified_ = false, locked_ = false;
  std::optional<Bytes> nonce_, marker_;
  Secret own_, users_;
};

// Seats the next of `blanks` as soon as the one before has left, and waits for `more` when there is
// none.
class InstantSlot : public Slot {
 public:
  InstantSlot(const std::string& name, std::vector<Blank>& blanks, Event& more);
  const SlotConfig& config() const override { return config_; }
  Task<Identification> arrival(std::function<void(const std::string&)> trouble) override;
  Task<void> departure() override;
  Protocol& protocol() override { return *unit_; }

 private:
  SlotConfig config_;
  std::vector<Blank>& blanks_;
  Event& more_;
  std::unique_ptr<InstantUnit> unit_;
};

}  // namespace mintmark::bench
