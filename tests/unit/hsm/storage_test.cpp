// Where tokens in software keep their files.
#include "hsm/storage.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/unit/hsm/shared.hpp"

namespace mintmark {
namespace {

TEST(Storage, OfSoftHsmIsInItsConfiguration) {
  SoftToken token;
  auto found = token_directory(token.config());
  ASSERT_TRUE(found);
  EXPECT_FALSE(std::filesystem::is_empty(*found));
  std::string before = std::getenv("SOFTHSM2_CONF");
  std::string other = *found + "/other.conf";
  for (const char* said : {"", "directories.tokendir = /nowhere/at/all\n",
                           "# directories.tokendir = /tmp\nlog.level = ERROR\n"}) {
    std::ofstream(other) << said;
    ::setenv("SOFTHSM2_CONF", other.c_str(), 1);
    EXPECT_FALSE(token_directory(token.config())) << said;
  }
  std::ofstream(other) << "directories.tokendir=/tmp # here\n";
  EXPECT_EQ(token_directory(token.config()), "/tmp");
  ::setenv("SOFTHSM2_CONF", before.c_str(), 1);
  std::filesystem::remove(other);
}

TEST(Storage, OfAnotherModuleIsWhereItsParametersSay) {
  TokenConfig config;
  config.uri = "pkcs11:token=x?module-path=/usr/lib/libother.so&pin-source=file:/pin";
  EXPECT_FALSE(token_directory(config));
  config.init_parameters = "configdir='sql:/tmp' certPrefix=''";
  EXPECT_EQ(token_directory(config), "/tmp");
  config.init_parameters = "configdir='/nowhere/at/all'";
  EXPECT_FALSE(token_directory(config));
}

}  // namespace
}  // namespace mintmark
