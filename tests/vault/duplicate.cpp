// Invariant 10: a generator whose state was put back gives a second unit the first one's password.
// No test of the numbers alone sees that; the ledger does, nothing reaches the unit, and the
// station stops issuing.
#include <cstdio>

#include "tests/vault/fault.hpp"
#include "tests/vault/station.hpp"

namespace mintmark {
namespace {

int failures = 0;

void expect(bool good, const char* what) {
  if (good) return;
  ++failures;
  std::printf("FAILED: %s\n", what);
}

fault::Rule restored() {
  fault::Rule out;
  out.function = "C_GenerateRandom";
  out.occurrence = 1;
  out.times = 0;
  out.harm = fault::Harm::restore_random;
  return out;
}

void run() {
  fault_token();  // before the module is initialised, which reads once where its tokens are
  fault::Control& control = fault::control(MINTMARK_FAULT_MODULE);
  Owner owner;
  TemporaryDirectory flashes;
  Station station(fault_token().config(), owner);
  station.open_lot(10);
  MemoryUnit first(flashes.path(), station.new_hardware(), owner.article());
  MemoryUnit second(flashes.path(), station.new_hardware(), owner.article());
  MemoryUnit third(flashes.path(), station.new_hardware(), owner.article());

  control.disarm();
  Stay good = station.pass(first);
  expect(good.code.empty() && first.locked() && first.has_password(), "the first unit passes");

  control.arm(restored());
  Stay doubled = station.pass(second);
  expect(control.fired() > 0, "the generator is put back");
  control.disarm();
  expect(!doubled.hung && doubled.code == "rng.duplicate", "the second unit's run says why");
  expect(station.sent.empty() && !second.has_password() && !second.locked(),
         "nothing of the first unit's reaches the second");
  expect(station.stopped() == "rng.duplicate", "the station stops issuing");

  Stay waiting = station.pass(third);
  expect(waiting.state == "paused" && waiting.code == "station.stopped", "the third unit waits");
  expect(station.outside.fingerprints(third.hardware()).empty() && !third.certified(),
         "and gets nothing");
}

}  // namespace
}  // namespace mintmark

int main() {
  mintmark::run();
  std::printf("sweep duplicate: tried 3, violations %d\n", mintmark::failures);
  return mintmark::failures == 0 ? 0 : 1;
}
