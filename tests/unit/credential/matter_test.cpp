#include "station/credential/matter.hpp"

#include <gtest/gtest.h>

#include <set>

#include "tests/unit/fault_of.hpp"
#include "tests/unit/hsm/shared.hpp"

namespace mintmark {
namespace {

Secret code(std::string_view digits) { return Secret::copy_of(view(digits)); }
std::string plain(const Secret& secret) { return std::string(text(secret.view())); }

struct Vector {
  MatterProduct product;
  std::uint16_t discriminator;
  const char* passcode;
  const char* qr;
  const char* manual;
};

constexpr MatterProduct product(std::uint16_t vendor, std::uint16_t id, std::uint8_t flow,
                                std::uint8_t discovery) {
  MatterProduct out;
  out.vendor = vendor;
  out.product = id;
  out.flow = flow;
  out.discovery = discovery;
  return out;
}

const Vector kVectors[] = {
    {product(0xFFF1, 0x8000, 0, 2), 3840, "20202021", "MT:Y.K9042C00KA0648G00", "34970112332"},
    {product(0xFFF1, 0x8001, 0, 2), 3840, "20202021", "MT:-24J042C00KA0648G00", "34970112332"},
    {product(0xFFF1, 0x8001, 0, 4), 3840, "20202021", "MT:-24J0AFN00KA0648G00", "34970112332"},
    {product(0xFFF1, 0x8001, 2, 2), 3840, "20202021", "MT:-24J0YXE00KA0648G00",
     "749701123365521327694"},
    {product(0, 0, 0, 4), 3840, "20202021", "MT:00000CQM00KA0648G00", "34970112332"},
    {product(0x1317, 0x0002, 0, 2), 3431, "49910688", "MT:-8VJ0OMV172PX813210", "32140830464"},
    {product(0x2345, 0x1023, 0, 4), 80, "54757432", "MT:0A.T0RTM00Y0OJ0.510", "00210433428"},
    {product(0x1123, 0x0012, 2, 4), 3091, "43338551", "MT:KSNK4SIC13-JPR4UY00",
     "702871264504387000187"},
    {product(0x0001, 0x0001, 1, 4), 3781, "12349876", "MT:A3L90ARR15G6N57Y900",
     "745492075300001000013"},
    {product(0x1123, 0x0012, 2, 2), 3091, "43338551", "MT:KSNK4M5113-JPR4UY00",
     "702871264504387000187"},
    {product(0x0045, 0x0010, 1, 7), 174, "81235604", "MT:EPX0482F26DAVY09R10",
     "403732495800069000166"},
    {product(0xFFF3, 0x8098, 2, 4), 2310, "23005908", "MT:MZWA6G6026O2XP0II00",
     "619156140465523329207"},
};

TEST(Matter, OnboardingPayloads) {
  for (const Vector& v : kVectors) {
    EXPECT_EQ(plain(matter_qr(v.product, v.discriminator, code(v.passcode))), v.qr);
    EXPECT_EQ(plain(matter_manual_code(v.product, v.discriminator, code(v.passcode))), v.manual);
  }
}

TEST(Matter, ManualCodesArePrintedInGroups) {
  EXPECT_EQ(plain(group_manual_code(code("34970112332"))), "3497-011-2332");
  EXPECT_EQ(plain(group_manual_code(code("749701123365521327694"))), "7497-011-2336-55213-27694");
}

TEST(Matter, CheckDigits) {
  EXPECT_EQ(verhoeff_digit(view("2361087535")), '0');
  EXPECT_EQ(verhoeff_digit(view("63610875350000100001")), '5');
  EXPECT_EQ(verhoeff_digit(view("63610875354536714526")), '0');
  EXPECT_EQ(verhoeff_digit(view("76553581916553565535")), '6');
  EXPECT_NE(verhoeff_digit(view("0268435458")), '9');
}

Secret bytes_of_base64(const char* text) { return Secret::copy_of(*from_base64(text)); }

TEST(Matter, Verifiers) {
  View salt = view("SPAKE2P Key Salt");
  Secret one = matter_verifier(code("20202021"), salt, 1000);
  EXPECT_EQ(hex(one.view().first(32)),
            "b96170aae803346884724fe9a3b287c30330c2a660375d17bb205a8cf1aecb35");
  EXPECT_TRUE(same(one.view(), bytes_of_base64("uWFwqugDNGiEck/po7KHwwMwwqZgN10XuyBajPGuyzUEV/"
                                               "iree4lOrao5GuwnlQ65CJzbeUB49s31EH+NEkg0JVI5MGCQGM"
                                               "MT/SRPFNRODm3wH/MBiehuFc6FJ/NH6Rmzw==")
                                   .view()));
  EXPECT_TRUE(same(matter_verifier(code("20240205"), salt, 1000).view(),
                   bytes_of_base64("bXZXB2d79kDBpEqo9xuAUpBiFa0i/qUEURgSXjj2fqgEV1+9oeY9qvuz1L2+"
                                   "pW00Lv7NUXLorehTPmt7aGBW8PsUu6FAVkxK87OyaLcYI/8bZG8DLeADZ4kS"
                                   "beUZl7Amng==")
                       .view()));
}

TEST(Matter, ForbiddenPasscodes) {
  for (std::uint32_t digit = 0; digit <= 9; ++digit)
    EXPECT_FALSE(is_matter_passcode(digit * 11'111'111));
  for (std::uint32_t bad : {12'345'678U, 87'654'321U, 99'999'999U, 100'000'000U, (1U << 27) - 1})
    EXPECT_FALSE(is_matter_passcode(bad));
  for (std::uint32_t good : {1U, 99'999'998U, 20'202'021U, 12'345'679U, 11'111'112U})
    EXPECT_TRUE(is_matter_passcode(good));
}

TEST(Matter, MintedPasscodesAreEightDigitsAndDiffer) {
  std::set<std::string> seen;
  for (int i = 0; i < 200; ++i) {
    std::string minted = plain(mint_matter_passcode(vault()));
    EXPECT_EQ(minted.size(), 8U);
    EXPECT_TRUE(is_matter_passcode(static_cast<std::uint32_t>(std::stoul(minted)))) << minted;
    seen.insert(minted);
  }
  EXPECT_GE(seen.size(), 199U);
}

TEST(Matter, TheUnitsBlobIsReadBack) {
  Secret salt(kMatterSalt);
  salt.mutable_view()[0] = 7;
  Secret verifier = matter_verifier(code("20202021"), salt.view(), 1000);
  Secret blob = matter_blob(0xF05, 1000, salt.view(), verifier);
  EXPECT_EQ(blob.size(), 135U);
  EXPECT_EQ(hex(blob.view().first(8)), "0f05000003e80700");
  EXPECT_EQ(matter_discriminator(blob), 0xF05);
  EXPECT_TRUE(same(matter_salted(blob).last(kMatterVerifier), verifier.view()));
  EXPECT_EQ(fault_of([&] { matter_discriminator(salt); }), "crypto.failed");
}

}  // namespace
}  // namespace mintmark
