#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "station/credential/dpp.hpp"
#include "station/credential/wifi.hpp"
#include "station/words/crypto.hpp"
#include "tests/unit/fault_of.hpp"

namespace mintmark {
namespace {

std::string guest(std::string_view ssid, std::string_view key) {
  return std::string(text(wifi_qr(ssid, Secret::copy_of(view(key))).view()));
}

TEST(Wifi, Payloads) {
  EXPECT_EQ(guest("Home-1A2B", "K7QM-2XRD-9HVT-WN4C"),
            "WIFI:T:WPA;S:Home-1A2B;P:K7QM-2XRD-9HVT-WN4C;;");
  EXPECT_EQ(guest(R"(Caf"e;a,b:c\d)", R"(p;a:s,s"w\d1)"),
            R"(WIFI:T:WPA;S:Caf\"e\;a\,b\:c\\d;P:p\;a\:s\,s\"w\\d1;;)");
}

TEST(Wifi, NamesAreDerivedFromWhatIsPublic) {
  EXPECT_EQ(derive_ssid("Home-{serial4}", "SN-000123.A", ""), "Home-123A");
  EXPECT_EQ(derive_ssid("{mac6}_Net {serial2}", "SN-1", "02:00:5E:10:AB:CD"), "10ABCD_Net N1");
  EXPECT_EQ(fault_of([] { derive_ssid("Home-{mac4}", "SN-1", ""); }), "policy.ssid");
  EXPECT_EQ(fault_of([] { derive_ssid("Home-{serial8}", "SN-1", ""); }), "policy.ssid");
  EXPECT_TRUE(ssid_needs_mac("a{mac4}"));
  EXPECT_FALSE(ssid_needs_mac("a{serial4}"));
}

TEST(Wifi, PatternsThatAreNone) {
  for (const char* bad :
       {"", "Home", "Home-{serial}", "Home-{serial1}", "Home-{serial13}", "Home-{key4}",
        "Home-{mac4", "Home-}{mac4}", "Home\n{mac4}", "Caf\xc3\xa9-{mac4}", " Home-{mac4}",
        "Home-{mac4} ", "A name of twenty-nine letters{mac4}", "Home-{mac 4}", "Home-{mac+4}",
        "Home-{mac4x}"})
    EXPECT_TRUE(fault_in_ssid_pattern(bad)) << bad;
  EXPECT_FALSE(fault_in_ssid_pattern("A name of twenty-8 letters.-{mac4}"));
  EXPECT_EQ(derive_ssid("A name of twenty-8 letters.-{mac4}", "", "02005E10ABCD").size(), 32U);
}

// The compressed key of a URI, as the station knows keys.
Bytes uncompressed(const char* base64_of_spki) {
  Bytes der = *from_base64(base64_of_spki);
  const std::uint8_t* at = der.data();
  EVP_PKEY* key = d2i_PUBKEY(nullptr, &at, static_cast<long>(der.size()));
  EVP_PKEY_set_utf8_string_param(key, "point-format", "uncompressed");
  std::uint8_t* point = nullptr;
  std::size_t size = EVP_PKEY_get1_encoded_public_key(key, &point);
  Bytes out = p256_spki(View(point, size));
  OPENSSL_free(point);
  EVP_PKEY_free(key);
  return out;
}

const char* const kEvenKey =
    "MDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgADM2206avxHJaHXgLMkq/24e0rsrfMP9K1Tm8gx+ovP0I=";
const char* const kOddKey =
    "MDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgADURzxmttZoIRIPWGoQMV00XHWCAQIhXruVWOz0NjlkIA=";

TEST(Dpp, UrisAsOthersWriteThem) {
  EXPECT_EQ(dpp_uri(uncompressed(kEvenKey), "", "", {"81/1", "115/36"}),
            std::string("DPP:C:81/1,115/36;K:") + kEvenKey + ";;");
  EXPECT_EQ(dpp_uri(uncompressed(kOddKey), "SN=4774LH2b4044", "01:02:03:04:05:06", {}),
            std::string("DPP:I:SN=4774LH2b4044;M:010203040506;K:") + kOddKey + ";;");
}

TEST(Dpp, NothingElseGoesIntoAUri) {
  Bytes key = uncompressed(kEvenKey);
  EXPECT_EQ(fault_of([&] { dpp_uri(View(key).first(90), "", "", {}); }), "policy.dpp");
  EXPECT_EQ(fault_of([&] { dpp_uri(key, "a;K:b", "", {}); }), "policy.dpp");
  EXPECT_EQ(fault_of([&] { dpp_uri(key, "a b", "", {}); }), "policy.dpp");
  EXPECT_EQ(fault_of([&] { dpp_uri(key, "", "0102030405", {}); }), "policy.dpp");
  EXPECT_EQ(fault_of([&] { dpp_uri(key, "", "", {"81"}); }), "policy.dpp");
  EXPECT_EQ(fault_of([&] { dpp_uri(key, "", "", {"81/1;"}); }), "policy.dpp");
}

}  // namespace
}  // namespace mintmark
