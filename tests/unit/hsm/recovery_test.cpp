// What the vault does when sessions, login or module go: shown by taking them away through the same
// module, as another library in this process could.
#include <gtest/gtest.h>

#include "hsm/module.hpp"
#include "hsm/session.hpp"
#include "station/words/fault.hpp"
#include "tests/unit/fault_of.hpp"
#include "tests/unit/hsm/shared.hpp"

namespace mintmark {
namespace {

class Recovery : public testing::Test {
 protected:
  Recovery() : module_(pkcs11::Module::load(SoftToken::kModule)), vault_(token_.config(4)) {
    vault_.create_lot_key("lot");
    before_ = vault_.fingerprint(view("x"));
    sealed_ = vault_.seal("lot", Iv{}, view("a"), Secret::copy_of(view("secret")));
  }

  CK_SLOT_ID slot() { return module_.find(pkcs11::TokenUri(token_.uri())); }
  void close_all() { ASSERT_EQ(module_.api().C_CloseAllSessions(slot()), CKR_OK); }
  void log_out() {
    CK_SESSION_HANDLE other = 0;
    const auto& api = module_.api();
    ASSERT_EQ(api.C_OpenSession(slot(), CKF_SERIAL_SESSION, nullptr, nullptr, &other), CKR_OK);
    ASSERT_EQ(api.C_Logout(other), CKR_OK);
    ASSERT_EQ(api.C_CloseSession(other), CKR_OK);
  }
  void expect_whole() {
    EXPECT_EQ(vault_.fingerprint(view("x")), before_);
    EXPECT_EQ(text(vault_.open("lot", Iv{}, view("a"), sealed_).view()), "secret");
    EXPECT_EQ(vault_.ca_sign(before_).size(), 64U);
    EXPECT_EQ(vault_.random(40).size(), 40U);
  }

  SoftToken token_;
  pkcs11::Module& module_;
  Vault vault_;
  Digest before_{};
  Bytes sealed_;
};

TEST_F(Recovery, ClosedSessionsAreNotNoticed) {
  for (int i = 0; i < 3; ++i) {
    close_all();
    expect_whole();
  }
}

TEST_F(Recovery, EachOperationHealsALostLoginByItself) {
  log_out();
  EXPECT_EQ(vault_.fingerprint(view("x")), before_);
  log_out();
  EXPECT_EQ(text(vault_.open("lot", Iv{}, view("a"), sealed_).view()), "secret");
  log_out();
  EXPECT_EQ(vault_.journal_sign(view("x")).size(), 64U);
  log_out();
  EXPECT_EQ(vault_.describe().keys.size(), 10U);
}

// Without a login a token shows no private object: that must not look like a key that is gone.
TEST_F(Recovery, ALostLoginIsNoLostKey) {
  log_out();
  EXPECT_TRUE(vault_.has_lot_key("lot"));
  log_out();
  EXPECT_EQ(fault_of([&] { vault_.create_lot_key("lot"); }), "token.exists");
  log_out();
  vault_.destroy_lot_key("lot");
  EXPECT_FALSE(vault_.has_lot_key("lot"));
}

TEST_F(Recovery, AModuleThatWasFinalisedIsAwayOnceAndThenBack) {
  shared_vault().reset();  // a module is only initialised again where nobody has a session
  module_.api().C_Finalize(nullptr);
  EXPECT_EQ(fault_of([&] { vault_.fingerprint(view("x")); }), "token.away");
  expect_whole();
}

TEST_F(Recovery, TriesAWrongPinOnceToo) {
  write_file(token_.pin_file(), "changed\n");
  close_all();
  EXPECT_EQ(fault_of([&] { vault_.fingerprint(view("x")); }), "token.pin");
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(fault_of([&] { vault_.fingerprint(view("x")); }), "token.pin_marked");
  EXPECT_TRUE(pin_marked(token_.state_dir()));
  write_file(token_.pin_file(), "4711-user\n");
  EXPECT_EQ(fault_of([&] { vault_.fingerprint(view("x")); }), "token.pin_marked");
  clear_pin_mark(token_.state_dir());
  expect_whole();
}

// What a user sees of a token that was pulled out: SoftHSM2's directory, moved.
class MovedAway {
 public:
  MovedAway() { std::filesystem::rename(tokens_, aside_); }
  ~MovedAway() { put_back(); }
  MovedAway(const MovedAway&) = delete;
  MovedAway& operator=(const MovedAway&) = delete;
  void put_back() {
    if (!std::filesystem::exists(aside_)) return;
    std::filesystem::remove_all(tokens_);
    std::filesystem::rename(aside_, tokens_);
  }
  void leave_an_empty_one() { std::filesystem::create_directory(tokens_); }

 private:
  std::filesystem::path tokens_ = softhsm_directory() / "tokens";
  std::filesystem::path aside_ = softhsm_directory() / "aside";
};

TEST_F(Recovery, ATokenThatWasTakenAwayIsFoundAgainHoweverOftenItWasMissed) {
  shared_vault().reset();
  for (bool empty : {false, true}) {
    MovedAway away;
    if (empty) away.leave_an_empty_one();
    for (int i = 0; i < 3; ++i) {
      std::string code = fault_of([&] { vault_.fingerprint(view("x")); });
      EXPECT_TRUE(code == "token.away" || code == "token.missing") << code;
    }
    away.put_back();
    expect_whole();
  }
}

// The same name and the same PIN, and yet another: the ledger would find no duplicate any more.
TEST_F(Recovery, AnotherTokenOfTheSameNameIsNotTakenForTheOneThatWent) {
  shared_vault().reset();
  MovedAway away;
  away.leave_an_empty_one();
  EXPECT_NE(fault_of([&] { vault_.fingerprint(view("x")); }), "");
  Vault::create(token_.config(), view(SoftToken::kSoPin));
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(fault_of([&] { vault_.fingerprint(view("x")); }), "token.foreign");
  away.put_back();
  module_.api().C_Finalize(nullptr);  // SoftHSM2 does not see by itself that its files are others
  fault_of([&] { vault_.fingerprint(view("x")); });
  expect_whole();
}

}  // namespace
}  // namespace mintmark
