// Faults around what a token keeps: a lot's key made and destroyed, the station's keys made. After
// each the token has exactly the keys that the ledger knows of, or can be given those it lacks.
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <set>

#include "hsm/connection.hpp"
#include "tests/unit/fault_of.hpp"
#include "tests/vault/kinds.hpp"
#include "tests/vault/station.hpp"

namespace mintmark {
namespace {

using fault::Call;

class KeySweep {
 public:
  KeySweep(unsigned shard, unsigned shards)
      : control_(fault::control(MINTMARK_FAULT_MODULE)), shard_(shard), shards_(shards) {}

  void lots();
  void stations_keys();
  sweeps::Result result;

 private:
  void each(const std::vector<Call>& calls,
            const std::function<void(const Call&, const Kind&)>& work);
  bool with_fault(const Call& call, const Kind& kind, const std::function<void()>& work);
  void violation(const std::string& what);
  std::set<std::string> lot_keys_on_token();
  void expect_keys_of_open_lots();
  void try_open(const Call& call, const Kind& kind);
  void try_close(const Call& call, const Kind& kind);
  void begin_station();
  void empty_token();
  void try_create(const Call& call, const Kind& kind);

  fault::Control& control_;
  unsigned shard_, shards_, number_ = 0;
  Owner owner_;
  std::unique_ptr<Station> station_;
  int age_ = 0;
  std::string fault_, code_;
};

void KeySweep::violation(const std::string& what) {
  ++result.violations;
  std::cout << "violation: " << what << "  [" << fault_ << "]" << std::endl;
}

// Of calls that are alike (looking for keys, reading their attributes) each gets one of the faults,
// the next call the next one.
void KeySweep::each(const std::vector<Call>& calls,
                    const std::function<void(const Call&, const Kind&)>& work) {
  std::size_t alike = 0;
  for (const Call& call : calls) {
    const auto& kinds = kinds_for(call.function);
    bool some = (call.function.starts_with("C_FindObjects") ||
                 call.function == "C_GetSessionInfo" || call.function == "C_GetAttributeValue") &&
                call.occurrence > 2;
    if (some) ++alike;
    for (std::size_t i = 0; i < kinds.size(); ++i) {
      if (some && i != alike % kinds.size()) continue;
      if (number_++ % shards_ == shard_) work(call, kinds[i]);
    }
  }
}

// Whether the fault met its call; what the work says of it is in `code_`.
bool KeySweep::with_fault(const Call& call, const Kind& kind, const std::function<void()>& work) {
  control_.arm(rule_of(call, kind));
  code_ = fault_of(work);
  bool fired = control_.fired() > 0;
  control_.disarm();
  clear_pin_mark(fault_token().inner().state_dir());
  if (fired) ++result.tried;
  return fired;
}

std::set<std::string> KeySweep::lot_keys_on_token() {
  pkcs11::Link link(fault_token().config(1));
  return link.run(pkcs11::Link::Repeat::yes, [](pkcs11::Connection&, pkcs11::Session& session) {
    std::set<std::string> out;
    pkcs11::Attributes secret_keys;
    secret_keys.number(CKA_CLASS, CKO_SECRET_KEY).number(CKA_KEY_TYPE, CKK_AES);
    for (CK_OBJECT_HANDLE key : session.find(secret_keys)) {
      Bytes label = session.attribute(key, CKA_LABEL).value_or(Bytes());
      if (!out.emplace(text(label)).second) out.emplace("a label twice");
    }
    return out;
  });
}

void KeySweep::expect_keys_of_open_lots() {
  std::set<std::string> wanted;
  for (const Bytes& key :
       station_->outside.rows("SELECT seal_key FROM lot WHERE state <> 'closed'"))
    wanted.emplace(text(key));
  if (lot_keys_on_token() != wanted) violation("the token's lot keys are not those of open lots");
}

void KeySweep::begin_station() {
  if (station_ && ++age_ < 40) return;
  station_.reset();
  station_ = std::make_unique<Station>(fault_token().config(2), owner_);
  age_ = 0;
}

// A lot that is not open has no key; one that is open can be closed, and its key is gone then. What
// the token could not be told at once it is told with the next lot.
void KeySweep::try_open(const Call& call, const Kind& kind) {
  begin_station();
  fault_ = "open lot, " + call.function + " " + std::to_string(call.occurrence) + ": " + kind.name;
  std::string lot;
  with_fault(call, kind, [&] { lot = station_->open_lot(5).id; });
  if (lot.empty() == code_.empty()) violation("neither a lot nor a fault");
  if (lot.empty()) {
    for (int i = 0; i < 2 && lot.empty(); ++i)
      code_ = fault_of([&] { lot = station_->open_lot(5).id; });
  }
  if (lot.empty()) {
    age_ = 1000;  // this station is done, and must say so
    if (code_ != "rng.broken") violation("no lot can be opened any more: " + code_);
    return;
  }
  expect_keys_of_open_lots();
  station_->close_lot(lot);
  expect_keys_of_open_lots();
}

void KeySweep::try_close(const Call& call, const Kind& kind) {
  begin_station();
  fault_ = "close lot, " + call.function + " " + std::to_string(call.occurrence) + ": " + kind.name;
  std::string lot = station_->open_lot(5).id;
  with_fault(call, kind, [&] { station_->close_lot(lot); });
  fault_of([&] { station_->vault.check_value(); });  // connects again
  fault_of([&] { station_->vault.check_value(); });
  lot = station_->open_lot(5).id;
  expect_keys_of_open_lots();
  station_->close_lot(lot);
}

void KeySweep::lots() {
  begin_station();
  station_->close_lot(station_->open_lot(5).id);
  control_.disarm();
  std::string lot = station_->open_lot(5).id;
  auto opening = control_.calls();
  control_.disarm();
  station_->close_lot(lot);
  auto closing = control_.calls();
  each(opening, [this](const Call& call, const Kind& kind) { try_open(call, kind); });
  each(closing, [this](const Call& call, const Kind& kind) { try_close(call, kind); });
  station_.reset();
}

void KeySweep::empty_token() {
  pkcs11::Module& module = pkcs11::Module::load(MINTMARK_FAULT_MODULE);
  pkcs11::Session session(module, module.find(pkcs11::TokenUri(fault_token().uri())),
                          pkcs11::Session::Access::write);
  Secret pin = Secret::copy_of(view("4711-user"));
  session.login(CKU_USER, pin.view());
  for (CK_OBJECT_HANDLE object : session.find({})) session.destroy(object);
}

// Whatever happened, a second try makes a token that a station can work with.
void KeySweep::try_create(const Call& call, const Kind& kind) {
  fault_ = "make keys, " + call.function + " " + std::to_string(call.occurrence) + ": " + kind.name;
  empty_token();
  with_fault(call, kind, [] { Vault::create_keys(fault_token().config()); });
  std::string again = "token.away";
  for (int i = 0; i < 2 && again == "token.away"; ++i)
    again = fault_of([] { Vault::create_keys(fault_token().config()); });
  if (!again.empty() && again != "token.exists") violation("keys cannot be made: " + again);
  std::string opens = fault_of([] { Vault vault(fault_token().config()); });
  if (!opens.empty()) violation("the token is of no use: " + opens);
}

void KeySweep::stations_keys() {
  fault_token();
  empty_token();
  control_.disarm();
  Vault::create_keys(fault_token().config());
  each(control_.calls(), [this](const Call& call, const Kind& kind) { try_create(call, kind); });
}

sweeps::Result work(unsigned shard, unsigned shards) {
  fault_token();
  KeySweep sweep(shard, shards);
  sweep.lots();
  sweep.stations_keys();
  return sweep.result;
}

}  // namespace
}  // namespace mintmark

int main() { return mintmark::sweeps::run_all("keys", mintmark::work); }
