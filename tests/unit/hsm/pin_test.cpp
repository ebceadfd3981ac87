#include "hsm/pin.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>

#include "hsm/rv.hpp"
#include "hsm/uri.hpp"
#include "station/words/fault.hpp"
#include "tests/unit/hsm/softhsm.hpp"

namespace mintmark {
namespace {

namespace fs = std::filesystem;

template <class Work>
Fault caught(Work work) {
  try {
    work();
  } catch (const Fault& fault) {
    return fault;
  }
  return Fault("none");
}

std::string contents(const fs::path& path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

bool user_pin_count_low(const SoftToken& token) {
  auto& module = pkcs11::Module::load(SoftToken::kModule);
  auto slot = module.find(pkcs11::TokenUri(token.uri()));
  return (module.token_info(slot).flags & CKF_USER_PIN_COUNT_LOW) != 0;
}

TEST(WrongPin, IsTriedOnceWrittenDownAndNeverTriedAgain) {
  SoftToken token;
  fs::path mark = token.state_dir() / "pin-refused";
  write_file(token.pin_file(), "not-the-pin\n");
  EXPECT_EQ(caught([&] { Vault vault(token.config()); }).code(), "token.pin");
  EXPECT_TRUE(user_pin_count_low(token));
  std::string line = contents(mark);
  EXPECT_NE(line.find("CKR_PIN_INCORRECT"), std::string::npos);
  EXPECT_EQ(line.find("not-the-pin"), std::string::npos);
  EXPECT_EQ(line.back(), '\n');

  // The right PIN would log in and clear the token's count: nobody tries it.
  write_file(token.pin_file(), "4711-user\n");
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(caught([&] { Vault vault(token.config()); }).code(), "token.pin_marked");
  EXPECT_EQ(caught([&] { Vault::create_keys(token.config()); }).code(), "token.pin_marked");
  EXPECT_TRUE(user_pin_count_low(token));
  EXPECT_TRUE(pin_marked(token.state_dir()));

  // Somebody removes the file behind our back: this process still remembers.
  fs::remove(mark);
  EXPECT_EQ(caught([&] { Vault vault(token.config()); }).code(), "token.pin_marked");

  clear_pin_mark(token.state_dir());
  EXPECT_FALSE(pin_marked(token.state_dir()));
  Vault vault(token.config());
  EXPECT_FALSE(user_pin_count_low(token));
  EXPECT_TRUE(fs::is_empty(token.state_dir()));
}

TEST(WrongPin, IsNotTriedWhereItCouldNotBeWrittenDown) {
  SoftToken token;
  write_file(token.pin_file(), "not-the-pin\n");
  TokenConfig config = token.config();
  config.state_dir = (token.directory() / "no-such-directory").string();
  EXPECT_EQ(caught([&] { Vault vault(config); }).code(), "token.pin_mark");
  EXPECT_FALSE(user_pin_count_low(token));
}

TEST(WrongPin, NoTokenIsBegunWhereItCouldNotBeWrittenDown) {
  SoftToken token(SoftToken::With::nothing);
  TokenConfig config = token.config();
  config.state_dir += "/none";
  EXPECT_EQ(caught([&] { Vault::create(config, view(SoftToken::kSoPin)); }).code(),
            "token.pin_mark");
  Vault::create(token.config(), view(SoftToken::kSoPin));
  Vault vault(token.config());
}

TEST(PinFile, MustBeOursAlone) {
  SoftToken token(SoftToken::With::nothing);
  for (int mode : {0640, 0604, 0660, 0644, 0602, 0610}) {
    ASSERT_EQ(chmod(token.pin_file().c_str(), static_cast<mode_t>(mode)), 0);
    EXPECT_EQ(caught([&] { pkcs11::read_pin(token.pin_file()); }).code(), "token.pin_file")
        << std::oct << mode;
  }
  for (int mode : {0600, 0400}) {
    ASSERT_EQ(chmod(token.pin_file().c_str(), static_cast<mode_t>(mode)), 0);
    EXPECT_EQ(text(pkcs11::read_pin(token.pin_file()).view()), "4711-user");
  }
}

TEST(PinFile, MustBeAFileWithAPinInIt) {
  SoftToken token(SoftToken::With::nothing);
  auto refused = [&](const fs::path& path) {
    return caught([&] { pkcs11::read_pin(path); }).code() == "token.pin_file";
  };
  fs::path fifo = token.directory() / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  fs::path link = token.directory() / "link";
  fs::create_symlink(token.pin_file(), link);
  EXPECT_TRUE(refused(fifo));
  EXPECT_TRUE(refused(link));
  EXPECT_TRUE(refused(token.directory()));
  EXPECT_TRUE(refused(token.directory() / "none"));
  EXPECT_TRUE(refused(""));
  for (const std::string& pin : {std::string(), std::string("\n"), std::string(300, '1')}) {
    write_file(token.pin_file(), pin);
    EXPECT_TRUE(refused(token.pin_file())) << pin.size();
  }
  write_file(token.pin_file(), " 1\r\n");
  EXPECT_EQ(text(pkcs11::read_pin(token.pin_file()).view()), " 1");
}

// Version, then entries of tag, permissions and id, all little-endian.
TEST(PinFile, MayBeGivenToUsByAnAccessListAndToNobodyElse) {
  const std::string owner = "01000400ffffffff", group = "04000000ffffffff",
                    mask = "10000400ffffffff", other = "20000000ffffffff", us = "02000400e8030000",
                    them = "02000400e9030000", readers = "04000400ffffffff",
                    all = "20000400ffffffff";
  auto allows = [](const std::string& list) { return pkcs11::names_only(*from_hex(list), 1000); };
  EXPECT_TRUE(allows("02000000" + owner + us + group + mask + other));
  EXPECT_FALSE(allows("02000000" + owner + them + group + mask + other));
  EXPECT_FALSE(allows("02000000" + owner + us + readers + mask + other));
  EXPECT_FALSE(allows("02000000" + owner + us + group + mask + all));
  EXPECT_FALSE(allows("03000000" + owner + us + group + mask + other));
  EXPECT_FALSE(allows("02000000" + owner + us + "04"));
  EXPECT_FALSE(allows(""));
}

TEST(PinFile, OverridesTheUri) {
  SoftToken token;
  TokenConfig config = token.config();
  fs::path other = token.directory() / "credential";
  fs::rename(token.pin_file(), other);
  EXPECT_EQ(caught([&] { Vault vault(config); }).code(), "token.pin_file");
  config.pin_file_override = other.string();
  Vault vault(config);
}

TEST(Uri, IsReadWhole) {
  pkcs11::TokenUri uri("pkcs11:token=My%20Token?module-path=/m.so&pin-source=file:/run/pin");
  EXPECT_EQ(uri.label(), "My Token");
  EXPECT_EQ(uri.module_path(), "/m.so");
  EXPECT_EQ(uri.pin_file(), "/run/pin");
  EXPECT_EQ(pkcs11::TokenUri("pkcs11:serial=1?module-path=/m.so&pin-source=file:///p").pin_file(),
            "/p");
  EXPECT_EQ(pkcs11::TokenUri("pkcs11:serial=17?module-path=/m.so").name(), "17");
}

TEST(Uri, WithAPinOrWithoutItsPartsIsRefusedAndNotRepeated) {
  for (const char* uri :
       {"pkcs11:token=t?module-path=/m.so&pin-value=8642", "pkcs11:token=t?pin-source=file:/p",
        "pkcs11:?module-path=/m.so", "pkcs11:token=t?module-path=m.so", "token=t", "",
        "pkcs11:token=t?module-path=/m.so&pin-source=8642",
        "pkcs11:token=t?module-path=/m.so&pin-source=%7Ccat%208642",
        "pkcs11:token=t?module-path=/m.so&pin-source=file:8642",
        "pkcs11:token=t;colour=8642?module-path=/m.so"}) {
    Fault fault = caught([&] { pkcs11::TokenUri parsed(uri); });
    EXPECT_EQ(fault.code(), "token.uri") << uri;
    EXPECT_EQ(std::string(fault.what()).find("8642"), std::string::npos) << uri;
  }
}

TEST(Module, ThatIsNoneIsRefused) {
  EXPECT_EQ(caught([] { pkcs11::Module::load("/no/such.so"); }).code(), "token.module");
  EXPECT_EQ(caught([] { pkcs11::Module::load("/lib/x86_64-linux-gnu/libz.so.1"); }).code(),
            "token.module");
}

TEST(ReturnValues, HaveOneTable) {
  using pkcs11::CallFault;
  EXPECT_EQ(CallFault("C_Sign", CKR_DEVICE_REMOVED).code(), "token.away");
  EXPECT_EQ(CallFault("C_Sign", CKR_SESSION_CLOSED).code(), "token.away");
  EXPECT_EQ(CallFault("C_Sign", CKR_KEY_FUNCTION_NOT_PERMITTED).code(), "token.refused");
  EXPECT_EQ(CallFault("C_Login", CKR_PIN_LOCKED).code(), "token.pin_locked");
  EXPECT_EQ(CallFault("C_GenerateKey", CKR_DEVICE_MEMORY).code(), "token.full");
  CallFault unheard_of("C_Sign", CKR_VENDOR_DEFINED + 7);
  EXPECT_EQ(unheard_of.code(), "token.refused");
  EXPECT_EQ(unheard_of.args().at("rv"), "0x80000007");
  EXPECT_EQ(unheard_of.recovery(), pkcs11::Recovery::never);
}

}  // namespace
}  // namespace mintmark
