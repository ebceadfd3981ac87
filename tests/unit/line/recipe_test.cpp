// What a product asks for is drawn, or derived where it says so; and counted either way.
#include "station/line/recipe.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "tests/unit/hsm/shared.hpp"

namespace mintmark {
namespace {

Product router(bool keyed) {
  std::ifstream file(MINTMARK_SOURCE "/deploy/examples/router.toml");
  std::string profile{std::istreambuf_iterator<char>(file), {}};
  Product out = Product::parse(profile, "router.toml");
  out.keyed = keyed;
  return out;
}

class Recipe : public testing::Test {
 protected:
  SoftToken token;
  Vault vault{token.config()};
  Recipe() { vault.create_derivation_key(); }

  std::vector<Drawn> drawn(bool keyed, int mints, const std::string& hardware = "aa01",
                           const std::string& ledger = "ledger", const std::string& id = "run 1") {
    mintmark::Run run;
    run.id = id;
    run.serial = "SN-0001";
    run.hardware_id = HardwareId("demo-otp", hardware);
    return draw_credentials(vault, router(keyed), run, "02:00:00:00:00:01", ledger, mints);
  }
};

TEST_F(Recipe, ADerivedPasswordIsTheUnitsAndThisMints) {
  Digest one = drawn(true, 0)[0].kept.fingerprint;
  EXPECT_EQ(drawn(true, 0)[0].kept.fingerprint, one) << "a mint that was not committed is repeated";
  EXPECT_NE(drawn(true, 1)[0].kept.fingerprint, one);
  EXPECT_NE(drawn(true, 0, "aa02")[0].kept.fingerprint, one);
  EXPECT_NE(drawn(true, 0, "aa01", "another ledger")[0].kept.fingerprint, one);
  EXPECT_NE(drawn(true, 0, "aa01", "ledger", "run 2")[0].kept.fingerprint, one)
      << "a ledger that was put back counts from there again";
  EXPECT_NE(drawn(false, 0)[0].kept.fingerprint, drawn(false, 0)[0].kept.fingerprint);
}

TEST_F(Recipe, OnlyThePasswordIsDerivedAndItsSymbolsAreCounted) {
  std::vector<Drawn> first = drawn(true, 3), again = drawn(true, 3);
  ASSERT_EQ(first.size(), 3U);
  EXPECT_EQ(first[0].kept.derived_at, 3);
  EXPECT_EQ(first[0].policy->length, 16);
  for (std::size_t i = 1; i < first.size(); ++i) {
    EXPECT_EQ(first[i].kept.derived_at, std::nullopt) << first[i].kept.name;
    EXPECT_NE(first[i].kept.fingerprint, again[i].kept.fingerprint) << first[i].kept.name;
  }
  EXPECT_EQ(drawn(false, 3)[0].kept.derived_at, std::nullopt);
}

}  // namespace
}  // namespace mintmark
