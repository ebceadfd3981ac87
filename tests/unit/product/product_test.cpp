#include "station/product/product.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "station/words/fault.hpp"

namespace mintmark {
namespace {

std::string lamp() {
  std::ifstream file(MINTMARK_SOURCE "/deploy/examples/lamp.toml");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string with(std::string from, const std::string& to) {
  std::string text = lamp();
  auto at = text.find(from);
  EXPECT_NE(at, text.npos) << from;
  return text.replace(at, from.size(), to);
}

std::string refusal(const std::string& toml) {
  try {
    Product::parse(toml, "p.toml");
  } catch (const Fault& fault) {
    return fault.code() + " line " + fault.args().at("line") + " " + fault.args().at("key") + ": " +
           fault.args().at("reason");
  }
  return "accepted";
}

std::string example(const char* file) {
  std::ifstream in(std::string(MINTMARK_SOURCE "/deploy/examples/") + file);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

TEST(Product, ARouterHasTwoSecretsOfItsOwn) {
  Product p = Product::parse(example("router.toml"), "router.toml");
  EXPECT_EQ(p.wifi->ssid, "Aurora-{serial4}");
  EXPECT_EQ(p.wifi->key.length, 16);
  EXPECT_EQ(p.password->length, 16);
  ASSERT_EQ(p.keys.size(), 1u);
  EXPECT_EQ(p.keys[0].bytes, 32u);
  EXPECT_EQ(p.easy_connect->channels, (std::vector<std::string>{"81/1", "115/36"}));
}

TEST(Product, AMatterLampHasACodeAndNoPassword) {
  Product p = Product::parse(example("matter-lamp.toml"), "matter-lamp.toml");
  EXPECT_FALSE(p.password);
  EXPECT_EQ(p.matter->product.vendor, 0xFFF1);
  EXPECT_EQ(p.matter->product.discovery, 2);
  EXPECT_EQ(p.matter->iterations, 10'000u);
  EXPECT_EQ(p.matter->most, 999'999);
}

// The example with one line changed, and what is said of it.
struct Change {
  const char* file;
  const char* from;
  const char* to;
  const char* says;
};

TEST(Product, RefusesCredentialsThatAreWeakOrContradict) {
  const Change cases[] = {
      {"router.toml", "[wifi]", "[wps]\npin = 12345670\n\n[wifi]", "wps: is refused"},
      {"router.toml", "ssid = \"Aurora-{serial4}\"", "ssid = \"Aurora\"", "wifi.ssid: gives every"},
      {"router.toml", "length = 16  ", "length = 12  ", "wifi.length: makes a weak password"},
      {"router.toml", "[wifi]", "[wlan]", "needs both [wifi] and [password]"},
      {"router.toml", "kind = \"router\"", "kind = \"toaster\"", "kind: must be"},
      {"router.toml", "name = \"cloud\"", "name = \"wifi-key\"", "that of another credential"},
      {"router.toml", "name = \"cloud\"", "name = \"admin\"", "that of another credential"},
      {"router.toml", "bits = 256", "bits = 64", "bits: must be 128"},
      {"router.toml", "key = \"identity\"", "key = \"other\"", "key: must be"},
      {"router.toml", "\"115/36\"", "\"36\"", "is not class/number"},
      {"router.toml", ", \"inject-raw\"", "", "capabilities lack 'inject-raw'"},
      {"matter-lamp.toml", "discovery = [\"ble\"]", "discovery = []", "names no way"},
      {"matter-lamp.toml", "discovery = [\"ble\"]", "discovery = [\"nfc\"]", "must be of"},
      {"matter-lamp.toml", "iterations = 10000", "iterations = 999", "iterations: must be from"},
      {"matter-lamp.toml", "iterations = 10000", "most = 1000000", "most: must be from"},
      {"matter-lamp.toml", "iterations = 10000", "flow = \"fast\"", "flow: must be"},
      {"matter-lamp.toml", "iterations = 10000", "passcode = 20202021", "passcode: is not a key"},
  };
  for (const Change& change : cases) {
    std::string toml = example(change.file);
    auto at = toml.find(change.from);
    ASSERT_NE(at, toml.npos) << change.from;
    toml.replace(at, std::string(change.from).size(), change.to);
    EXPECT_NE(refusal(toml).find(change.says), std::string::npos)
        << change.to << " said " << refusal(toml);
  }
}

TEST(Product, TheExampleIsRead) {
  Product p = Product::parse(lamp(), "lamp.toml");
  EXPECT_EQ(p.name, "Aurora Lamp");
  EXPECT_EQ(p.password->length, 16);
  EXPECT_FALSE(p.keyed);
  EXPECT_FALSE(p.has_escrow());
  EXPECT_TRUE(Product::parse(with("length = 16", "escrow = true"), "lamp.toml").has_escrow());
  EXPECT_TRUE(Product::parse(with("length = 16", "derivation = \"keyed\""), "lamp.toml").keyed);
  EXPECT_EQ(p.labels.size(), 1u);
  EXPECT_EQ(p.link_for("SN-1"), "https://aurora.example/u/SN-1");
  EXPECT_TRUE(p.matches(HardwareId("demo-otp", "00"), "LAMP-3"));
  EXPECT_FALSE(p.matches(HardwareId("other", "00"), "LAMP-3"));
}

struct Bad {
  const char* from;
  const char* to;
  const char* says;
};

TEST(Product, TakesPatternsOfHexadecimalDigits) {
  for (const char* good : {"00[0-9a-f]{6}|01[0-9a-f]{8,10}", "[^0].{15}", "ab.."})
    EXPECT_EQ(Product::parse(with("[0-9a-f]{16}", good), "p.toml").hardware_pattern, good);
}

TEST(Product, RefusesWithFileLineAndReason) {
  const Bad cases[] = {
      {"number = 1 ", "number = \"1\" ", "number: must be a whole number"},
      {"number = 1 ", "number = 0 ", "number: must be from 1"},
      {"model = \"LAMP-3\"", "", "model: is missing"},
      {"model = \"LAMP-3\"", "model = \"LAMP-3\"\ncolour = \"red\"", "colour: is not a key"},
      {"length = 16", "length = 8", "password.length: makes a weak password"},
      {"length = 16", "alphabet = \"0123456789\"\nlength = 16", "weak"},
      {"length = 16", "derivation = \"counter\"", "password.derivation: \"counter\" lets"},
      {"length = 16", "derivation = \"serial\"", "password.derivation: \"serial\" makes"},
      {"length = 16", "derivation = \"keyed\"\nlength = 8",
       "password.length: makes a weak password"},
      {"length = 16", "derivation = \"dice\"", "password.derivation: must be \"random\""},
      {"lockout = 10", "lockout = 4", "password.lockout: leaves no room"},
      {"pattern = \"[0-9a-f]{16}\"", "pattern = \"[0-9\"", "pattern: must be"},
      {"pattern = \"[0-9a-f]{16}\"", "pattern = \"[f-0]\"", "pattern: must be"},
      {"pattern = \"[0-9a-f]{16}\"", "pattern = \"0{1999999999999999999999}\"", "pattern: must be"},
      {"pattern = \"[0-9a-f]{16}\"", "pattern = \"((a*)*)*b\"", "pattern: must be"},
      {"pattern = \"[0-9a-f]{16}\"", "pattern = \".{0,9}.{0,9}.{0,9}.{0,9}\"", "pattern: must be"},
      {"policy = \"own_credential\"", "policy = \"none\"", "reset.policy"},
      {"policy = \"own_credential\"", "policy = \"set_up_state\"", "password: has no place"},
      {"hw_type = \"1.3.6.1.4.1.99999.1.1\"", "hw_type = \"lamp\"", "identity.hw_type"},
      {"support_until = \"2032-12-31\"", "support_until = \"2020-12-31\"", "has passed already"},
      {"support_until = \"2032-12-31\"", "support_until = \"2032-02-30\"", "must be a date"},
      {"contact = \"security@aurora.example\"", "", "security.contact: is missing"},
      {"link = \"https://", "link = \"http://", "label.link"},
      {"\"prove\", \"login\",", "\"login\",", "capabilities lack 'prove'"},
      {"check = \"each\"", "check = \"sample\"", "reset.every: is missing"},
  };
  for (const Bad& bad : cases) {
    std::string said = refusal(with(bad.from, bad.to));
    EXPECT_NE(said.find(bad.says), said.npos) << bad.to << " -> " << said;
    EXPECT_EQ(said.find("line 0 "), said.npos) << said;
  }
  EXPECT_NE(refusal("a = ").find("config.invalid line 1"), std::string::npos);
}

// The algorithm is for keys that units make and ask for with a PKCS#10 request.
TEST(Product, TheIdentityKeysAlgorithm) {
  EXPECT_EQ(Product::parse(lamp(), "lamp.toml").key_algorithm, KeyAlgorithm::p256);
  const std::string identity = "[identity]\n", can = "\"lock\"]";
  auto asks = [&](const std::string& line, const std::string& capabilities = "\"lock\", \"csr\"]") {
    std::string text = with(can, capabilities);
    text.replace(text.find(identity), identity.size(), identity + line + "\n");
    return text;
  };
  for (const char* word : {"P-256", "P-384", "RSA-2048", "RSA-3072", "Ed25519"}) {
    Product p =
        Product::parse(asks("algorithm = \"" + std::string(word) + "\""), std::string("lamp.toml"));
    EXPECT_EQ(mintmark::word(p.key_algorithm), word);
  }
  const Bad cases[] = {{"algorithm = \"RSA-1024\"", "", "identity.algorithm: must be \"P-256\""},
                       {"algorithm = \"p256\"", "", "identity.algorithm: must be"},
                       {"algorithm = \"P-384\"", "\"lock\"]", "needs units with the capability"}};
  for (const Bad& bad : cases) {
    std::string said = refusal(*bad.to == 0 ? asks(bad.from) : asks(bad.from, bad.to));
    EXPECT_NE(said.find(bad.says), said.npos) << bad.from << " -> " << said;
  }
  std::string rsa = asks("algorithm = \"RSA-2048\"") +
                    "\n[[certificate]]\nname = \"cloud\"\norganization = \"Aurora\"\n"
                    "common_name = \"x\"\ndays = 9\n";
  EXPECT_NE(refusal(rsa).find("has no room in a unit"), std::string::npos);
}

TEST(Product, FirmwareIsComparedNumberByNumber) {
  EXPECT_TRUE(firmware_below("1.9", "1.10.0"));
  EXPECT_FALSE(firmware_below("1.10", "1.10.0"));
  EXPECT_FALSE(firmware_below("2", "1.99.99"));
  EXPECT_TRUE(firmware_below("beta", "0"));
  EXPECT_TRUE(firmware_below("", "0"));
  EXPECT_TRUE(firmware_below("1..2", "0.1"));
}

}  // namespace
}  // namespace mintmark
