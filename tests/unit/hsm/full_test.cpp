// A token without room: a named fault, and nothing half made.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>

#include "hsm/session.hpp"
#include "hsm/uri.hpp"
#include "tests/unit/fault_of.hpp"
#include "tests/unit/hsm/shared.hpp"

namespace mintmark {
namespace {

// No file of this process may grow while it lives: SoftHSM2's directory is full.
class FullDisk {
 public:
  FullDisk() {
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    rlimit full{0, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &full);
  }
  ~FullDisk() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int) = nullptr;
};

TEST(Full, ALotKeyThatFindsNoRoomIsNamedAndNotThere) {
  SoftToken token;
  Vault full(token.config());
  std::string code;
  {
    FullDisk disk;
    code = fault_of([&] { full.create_lot_key("mintmark-lot-full"); });
  }
  EXPECT_EQ(code, "token.full");
  EXPECT_FALSE(full.has_lot_key("mintmark-lot-full"));
  for (const KeyReport& key : Vault::inspect(token.config()).keys)
    EXPECT_EQ(key.wrong, "") << key.label;
  full.create_lot_key("mintmark-lot-full");
  EXPECT_TRUE(full.has_lot_key("mintmark-lot-full"));
}

TEST(Full, AllOfTheStationsKeysOrNone) {
  SoftToken token;
  {
    Vault made(token.config());
    auto& module = pkcs11::Module::load(SoftToken::kModule);
    pkcs11::Session session(module, module.find(pkcs11::TokenUri(token.uri())),
                            pkcs11::Session::Access::write);
    for (CK_OBJECT_HANDLE key : session.find({})) session.destroy(key);
    FullDisk disk;
    EXPECT_NE(fault_of([&] { Vault::create_keys(token.config()); }), "");
    EXPECT_TRUE(session.find({}).empty());
  }
  Vault::create_keys(token.config());
  Vault again(token.config());
  EXPECT_EQ(again.check_value().size(), 8U);
}

}  // namespace
}  // namespace mintmark
