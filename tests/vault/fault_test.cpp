// The fault module does what fault.hpp says: a sweep with a module that did no harm would find
// nothing.
#include <cstdio>

#include "hsm/rv.hpp"
#include "tests/unit/fault_of.hpp"
#include "tests/vault/fault.hpp"
#include "tests/vault/token.hpp"

namespace mintmark {
namespace {

using fault::Harm;
using fault::Rule;

int failures = 0;

void expect(bool good, const char* what) {
  if (good) return;
  ++failures;
  std::printf("FAILED: %s\n", what);
}

Rule rule(const char* function, unsigned long occurrence, Harm harm, CK_RV rv = CKR_OK) {
  Rule out;
  out.function = function;
  out.occurrence = occurrence;
  out.harm = harm;
  out.rv = rv;
  return out;
}

void refuses_at_the_occurrence(fault::Control& control, Vault& vault) {
  control.arm(rule("C_Sign", 2, Harm::refuse, CKR_KEY_FUNCTION_NOT_PERMITTED));
  expect(fault_of([&] { vault.fingerprint(view("x")); }).empty(), "the first call is let through");
  expect(fault_of([&] { vault.fingerprint(view("x")); }) == "token.refused", "the second is not");
  expect(fault_of([&] { vault.fingerprint(view("x")); }).empty(), "the third is let through");
  expect(control.fired() == 1, "it fired once");
}

void counts_calls(fault::Control& control, Vault& vault) {
  control.disarm();
  vault.fingerprint(view("x"));
  auto calls = control.calls();
  expect(calls.size() == 2 && calls[0].function == "C_SignInit" && calls[1].function == "C_Sign" &&
             calls[1].occurrence == 1,
         "a fingerprint is two calls");
}

void harms_random(fault::Control& control) {
  for (Harm harm : {Harm::zero_random, Harm::repeat_random}) {
    Vault fresh(fault_token().config());
    control.arm(rule("C_GenerateRandom", 2, harm));
    expect(fault_of([&] { fresh.random(32); }).empty(), "good random bytes pass");
    expect(fault_of([&] { fresh.random(32); }) == "rng.broken", "zero or repeated bytes do not");
  }
}

void forges(fault::Control& control, Vault& vault) {
  control.disarm();
  Digest honest = vault.fingerprint(view("x"));
  control.arm(rule("C_Sign", 1, Harm::forge_signature));
  expect(vault.fingerprint(view("x")) != honest, "a forged code differs");
}

}  // namespace
}  // namespace mintmark

int main() {
  using namespace mintmark;
  fault::Control& control = fault::control(MINTMARK_FAULT_MODULE);
  Vault vault(fault_token().config());
  refuses_at_the_occurrence(control, vault);
  counts_calls(control, vault);
  harms_random(control);
  forges(control, vault);
  std::printf("note fault module: %s\n", failures == 0 ? "does what it says" : "FAILED");
  return failures == 0 ? 0 : 1;
}
