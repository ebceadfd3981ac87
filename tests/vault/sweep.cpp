// The sweep: a fault at every PKCS#11 call of a unit's run, one at a time, and a look from outside
// after each. MINTMARK_SOAK=1 takes every fault at every call of a reconnect too.
#include <spdlog/spdlog.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <thread>
#include <utility>

#include "hsm/module.hpp"
#include "tests/unit/fault_of.hpp"
#include "tests/vault/checks.hpp"
#include "tests/vault/kinds.hpp"

namespace mintmark {
namespace {

using fault::Harm;

// How a run meets the token: with a connection, with one that has just gone, or with a module that
// must be initialised again.
enum class Token { connected, gone, finalised };
constexpr const char* kMeeting[] = {"", " (connecting)", " (initialising)"};

struct Target {
  fault::Call call;
  Token token;
};

class Sweep {
 public:
  Sweep(const Article& article, unsigned shard, unsigned shards)
      : control_(fault::control(MINTMARK_FAULT_MODULE)),
        shard_(shard),
        shards_(shards),
        owner_(article) {
    fault_token();  // before the module is initialised, which reads once where its tokens are
  }

  void units();
  bool notices_a_forged_fingerprint();
  int tried() const { return tried_; }
  int violations() const { return checks_.violations(); }

 private:
  CK_SLOT_ID slot_of_token();
  void begin_station();
  void retire_station();
  MemoryUnit new_unit();
  std::vector<fault::Call> dry_run(Token token);
  std::vector<Target> targets();
  std::size_t stride(const Target& target, std::size_t before, std::size_t kinds) const;
  bool thorough() const { return owner_.article().sweep.empty(); }
  void prepare(Token token);
  void try_one(const Target& target, const Kind& kind);
  void finish(MemoryUnit& unit, Stay& stay);
  void next_unit();
  bool says_why(const Stay& stay);
  bool has_passed(const MemoryUnit& unit);
  void look(MemoryUnit& unit, const Stay& stay);

  fault::Control& control_;
  unsigned shard_, shards_, number_ = 0;
  Owner owner_;
  Checks checks_;
  TemporaryDirectory flashes_;
  std::unique_ptr<Station> station_;
  std::string seal_key_;
  int tried_ = 0, silent_ = 0;
  int age_ = 0;  // tries of this station
};

CK_SLOT_ID Sweep::slot_of_token() {
  pkcs11::TokenUri uri(fault_token().uri());  // first: the module reads where its tokens are once
  return pkcs11::Module::load(MINTMARK_FAULT_MODULE).find(uri);
}

void Sweep::begin_station() {
  control_.disarm();
  clear_pin_mark(fault_token().inner().state_dir());
  station_ = std::make_unique<Station>(fault_token().config(2), owner_);
  seal_key_ = station_->open_lot(500).seal_key;
  age_ = 0;
}

void Sweep::retire_station() {
  checks_.no_secret_in_files(*station_);
  station_->vault.destroy_lot_key(seal_key_);
  station_.reset();
}

MemoryUnit Sweep::new_unit() {
  return {flashes_.path(), station_->new_hardware(), owner_.article()};
}

// Sessions and login end at once, as where another program closed them or a device was reset.
void Sweep::prepare(Token token) {
  if (token == Token::gone &&
      control_.real().C_CloseAllSessions(slot_of_token()) != CKR_OK)  // its number may have changed
    checks_.violation("the sessions could not be closed");
  if (token != Token::finalised) return;
  control_.real().C_Finalize(nullptr);
  control_.disarm();
  if (fault_of([&] { station_->vault.check_value(); }) != "token.away")
    checks_.violation("nobody noticed that the module was finalised");
}

std::vector<fault::Call> Sweep::dry_run(Token token) {
  begin_station();
  std::vector<fault::Call> calls;
  for (int i = 0; i < 2; ++i) {
    MemoryUnit unit = new_unit();
    if (i == 1) prepare(token);
    control_.disarm();
    Stay stay = station_->pass(unit);
    calls = control_.calls();
    look(unit, stay);
    if (!has_passed(unit)) checks_.violation("a run without any fault does not pass");
  }
  retire_station();
  return calls;
}

// Every call of a run. Of a run that has to connect again, the calls that the other has not: those
// are many and alike.
std::vector<Target> Sweep::targets() {
  std::vector<Target> out;
  std::map<std::string, unsigned long> known;
  for (const fault::Call& call : dry_run(Token::connected)) {
    known[call.function] = call.occurrence;
    out.push_back({call, Token::connected});
  }
  if (!thorough()) return out;
  for (Token token : {Token::gone, Token::finalised})
    for (const fault::Call& call : dry_run(token)) {
      if (call.occurrence <= known[call.function]) continue;
      known[call.function] = call.occurrence;
      out.push_back({call, token});
    }
  return out;
}

bool Sweep::has_passed(const MemoryUnit& unit) {
  return station_->outside.one(
             "SELECT ending FROM run JOIN unit ON unit.id = run.unit WHERE unit.hw = ? "
             "ORDER BY run.id DESC LIMIT 1",
             unit.hardware()) == "passed";
}

// The token works again: what of it was lost is found again by the first call.
void Sweep::look(MemoryUnit& unit, const Stay& stay) {
  try {
    station_->vault.check_value();
  } catch (const Fault& fault) {
    if (fault.code() != "token.away") checks_.violation(std::string("the token: ") + fault.what());
  }
  checks_.look(*station_, unit, stay);
  station_->clear_log();
}

// The station stands still, and says what a person has to do.
bool Sweep::says_why(const Stay& stay) {
  return station_->stopped() || stay.code == "rng.broken" || stay.code == "station.stopped";
}

void Sweep::finish(MemoryUnit& unit, Stay& stay) {
  for (int i = 0; i < 2 && !has_passed(unit) && !says_why(stay); ++i) {
    stay = station_->pass(unit);
    look(unit, stay);
  }
  if (!has_passed(unit) && !says_why(stay))
    checks_.violation("the unit does not get on: " + stay.code);
}

void Sweep::next_unit() {
  MemoryUnit unit = new_unit();
  Stay stay;
  for (int i = 0; i < 2 && !has_passed(unit); ++i) {
    stay = station_->pass(unit);
    look(unit, stay);
  }
  if (!has_passed(unit) && !says_why(stay))
    checks_.violation("the next unit does not pass: " + stay.code);
  if (!has_passed(unit)) age_ = 1000;  // a person must act: this station is done
}

void Sweep::try_one(const Target& target, const Kind& kind) {
  if (!station_) begin_station();
  const std::string& function = target.call.function;
  checks_.during(function + " " + std::to_string(target.call.occurrence) +
                 kMeeting[static_cast<std::size_t>(target.token)] + ": " + kind.name);
  MemoryUnit unit = new_unit();
  prepare(target.token);
  control_.arm(rule_of(target.call, kind));
  Stay stay = station_->pass(unit, Station::Token::harmed);
  bool fired = control_.fired() > 0;
  control_.disarm();
  clear_pin_mark(fault_token().inner().state_dir());  // a person has looked at the PIN
  look(unit, stay);
  finish(unit, stay);
  next_unit();
  fired ? ++tried_ : ++silent_;
  if (tried_ % 200 == 0) std::cout << "tried " << tried_ << " at " << function << std::endl;
  if (++age_ > 30) retire_station();
}

// Of how many faults a call gets one, the next call the next one. A run of the lamp gets them all.
// Connecting again looks for keys and reads their attributes by some 300 calls that are alike, and
// other products do for the most part as the lamp does.
std::size_t Sweep::stride(const Target& target, std::size_t before, std::size_t kinds) const {
  if (std::getenv("MINTMARK_SOAK") != nullptr) return 1;
  if (target.token != Token::connected && before >= 2) return kinds;
  return thorough() ? 1 : 6;
}

void Sweep::units() {
  const auto all = targets();
  if (shard_ == 0)
    std::cout << "note calls of a run, and of connecting: " << all.size() << std::endl;
  std::map<std::pair<bool, std::string>, std::size_t> seen;
  for (const Target& target : all) {
    const auto& kinds = kinds_for(target.call.function);
    std::size_t before = seen[{target.token == Token::connected, target.call.function}]++;
    std::size_t step = stride(target, before, kinds.size());
    for (std::size_t i = before % step; i < kinds.size(); i += step)
      if (number_++ % shards_ == shard_) try_one(target, kinds[i]);
  }
  if (station_) retire_station();
  if (silent_ == 0) return;
  std::cout << "note faults that met no call: " << silent_ << std::endl;
  if (silent_ > tried_ / 20) checks_.violation("the sweep misses what it aims at");
}

// A sweep that finds nothing may be blind: a token that answers with another fingerprint than the
// secret's must not get past it.
bool Sweep::notices_a_forged_fingerprint() {
  auto calls = dry_run(Token::connected);
  begin_station();
  Checks blind;
  std::swap(blind, checks_);
  std::cout.setstate(std::ios::failbit);  // these are wanted
  for (const fault::Call& call : calls) {
    if (call.function != "C_Sign") continue;
    MemoryUnit unit = new_unit();
    control_.arm(rule_of(call, {"forged", Harm::forge_signature}));
    Stay stay = station_->pass(unit, Station::Token::harmed);
    control_.disarm();
    look(unit, stay);
  }
  std::cout.clear();
  std::swap(blind, checks_);
  retire_station();
  return blind.violations() > 0;
}

// Every spelling of a planted secret is found.
bool finds_planted_secrets() {
  Bytes secret = to_bytes(view("K7QM2XRD9HVTWN4C"));
  std::string file =
      "....K7QM2XRD9HVTWN4C.." + hex(secret) + ".." + base64(secret) + "..K7QM-2XRD-9HVT-WN4C..";
  for (std::uint8_t c : secret) file += {static_cast<char>(c), '\0'};
  return exposures({secret}, "file", file).size() == 5 &&
         exposures({to_bytes(view("K7QM2XRD9HVTWN4D"))}, "file", file).empty();
}

sweeps::Result work(const Article& article, unsigned shard, unsigned shards) {
  Sweep sweep(article, shard, shards);
  sweeps::Result out;
  if (shard == 0 && !(finds_planted_secrets() && sweep.notices_a_forged_fingerprint())) {
    std::printf("violation: the sweep is blind\n");
    out.violations = 1;
  }
  sweep.units();
  out.tried = sweep.tried();
  out.violations += sweep.violations();
  return out;
}

}  // namespace
}  // namespace mintmark

int main() {
  using namespace mintmark;
  int failed = 0;
  for (const Article& article : {kLamp, kRouter, kWrapped}) {
    auto share = [&](unsigned shard, unsigned shards) { return work(article, shard, shards); };
    failed |= sweeps::run_all("vault" + article.sweep, share);
  }
  return failed;
}
