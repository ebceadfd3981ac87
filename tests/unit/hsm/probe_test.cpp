// Modules that are none, crash, exit or hang are named, and this process lives.
#include "hsm/probe.hpp"

#include <gtest/gtest.h>

#include "hsm/rv.hpp"
#include "tests/unit/fault_of.hpp"
#include "tests/unit/hsm/softhsm.hpp"

namespace mintmark::pkcs11 {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLongEnough{60000};

// What comes of trying: the code, or "sound".
Fault outcome(const std::string& path, milliseconds patience = kLongEnough) {
  try {
    try_module(MINTMARK_TRIAL, path, "", patience);
  } catch (const Fault& fault) {
    return fault;
  }
  return Fault("sound");
}

Fault outcome_of_bad(const char* what, milliseconds patience = kLongEnough) {
  setenv("MINTMARK_BAD_MODULE", what, 1);
  Fault out = outcome(MINTMARK_BAD_MODULE, patience);
  unsetenv("MINTMARK_BAD_MODULE");
  return out;
}

TEST(Probe, ASoundModuleIsSound) {
  softhsm_directory();
  EXPECT_EQ(outcome(SoftToken::kModule).code(), "sound");
  EXPECT_EQ(outcome_of_bad("nothing").code(), "sound");
}

TEST(Probe, WhatIsNoModuleIsNamed) {
  Fault absent = outcome("/nowhere/module.so");
  EXPECT_EQ(absent.code(), "token.module");
  EXPECT_NE(absent.cause().find("/nowhere/module.so"), std::string::npos) << absent.cause();
  EXPECT_EQ(outcome("/usr/lib/x86_64-linux-gnu/libz.so.1").code(), "token.module");
  EXPECT_EQ(outcome_of_bad("no list").code(), "token.module");
  EXPECT_EQ(outcome("/etc/passwd").code(), "token.module");
}

TEST(Probe, ACrashIsNamedWithItsCall) {
  Fault crash = outcome_of_bad("crash");
  EXPECT_EQ(crash.code(), "token.module_crashed");
  EXPECT_EQ(crash.args().at("call"), "C_Initialize");
  EXPECT_EQ(crash.args().at("how"), "SIGABRT");
  EXPECT_EQ(crash.args().at("path"), MINTMARK_BAD_MODULE);
  EXPECT_EQ(outcome_of_bad("crash later").args().at("call"), "C_GetInfo");
  Fault exited = outcome_of_bad("exit");
  EXPECT_EQ(exited.code(), "token.module_crashed");
  EXPECT_EQ(exited.args().at("how"), "exit status 0");
  EXPECT_EQ(outcome_of_bad("crash at the end").code(), "sound") << "nobody was left waiting for it";
}

TEST(Probe, AHangEnds) {
  Fault hung = outcome_of_bad("hang", milliseconds(5000));
  EXPECT_EQ(hung.code(), "token.module_hung");
  EXPECT_EQ(hung.args().at("call"), "C_Initialize");
  EXPECT_EQ(hung.args().at("seconds"), "5");
}

TEST(Probe, ARefusalIsTheModulesOwn) {
  Fault refused = outcome_of_bad("refuse");
  EXPECT_EQ(refused.code(), "token.away");
  EXPECT_EQ(refused.args().at("call"), "C_Initialize");
  EXPECT_EQ(refused.args().at("rv"), "CKR_DEVICE_ERROR");
}

TEST(Probe, AProgramThatCannotBeStartedIsSaid) {
  EXPECT_EQ(fault_of([] { try_module("/nowhere", SoftToken::kModule, "", kLongEnough); }),
            "token.module");
}

TEST(Probe, WithoutAProgramNothingIsTried) {
  EXPECT_EQ(fault_of([] { try_module("/nowhere/module.so", ""); }), "");
}

}  // namespace
}  // namespace mintmark::pkcs11
