#include "station/main/config.hpp"

#include <gtest/gtest.h>

#include "station/words/fault.hpp"

namespace mintmark {
namespace {

const std::string kGood = R"(state_dir = "/srv/m"
[token]
uri = "pkcs11:token=x?module-path=/m.so&pin-source=file:/pin"
[http]
listen = "127.0.0.1:8443"
names = ["a.example"]
[label]
sink = "spool"
directory = "labels"
allow_plaintext_spool = true
[[slot]]
name = "1"
protocol = "smp"
port = "/dev/serial/by-path/x"
)";

std::string edited(const std::string& before, const std::string& after) {
  std::string text = kGood;
  std::size_t at = text.find(before);
  EXPECT_NE(at, std::string::npos) << before;
  return text.replace(at, before.size(), after);
}

Fault refusal(const std::string& text) {
  try {
    parse_config(text, "/etc/m/station.toml");
  } catch (const Fault& fault) {
    return fault;
  }
  ADD_FAILURE() << "taken: " << text;
  return Fault("none");
}

TEST(Config, IsRead) {
  Config config = parse_config(kGood, "/etc/m/station.toml");
  EXPECT_EQ(config.listen.address, "127.0.0.1");
  EXPECT_EQ(config.listen.port, 8443);
  EXPECT_EQ(config.listen.socket, "/srv/m/mintmark.sock");
  EXPECT_EQ(config.listen.key, "/srv/m/tls-key.pem");
  EXPECT_EQ(config.label_directory, "/etc/m/labels");
  EXPECT_EQ(config.slots.at(0).baud, 115200U);
  EXPECT_EQ(config.ledger(), "/srv/m/ledger.db");
  EXPECT_FALSE(config.simulate_scanner);
  EXPECT_EQ(config.when_away, WhenAway::wait);
  Config stops = parse_config(edited("[http]", "when_away = \"stop\"\n[http]"), "x");
  EXPECT_EQ(stops.when_away, WhenAway::stop);
  Config v6 = parse_config(edited("127.0.0.1:8443", "[::1]:1"), "x");
  EXPECT_EQ(v6.listen.address, "::1");
}

TEST(Config, WithoutListenThereIsNoPort) {
  Config config = parse_config(edited("listen = \"127.0.0.1:8443\"\n", ""), "x");
  EXPECT_EQ(config.listen.address, "");
}

TEST(Config, RefusesWithFileAndLine) {
  struct Row {
    std::string before, after, line, key;
  };
  const Row rows[] = {
      {"state_dir", "sate_dir", "", "state_dir"},
      {"[token]", "color = 1\n[token]", "2", "color"},
      {"uri = \"pkcs11:", "uri = \"", "3", "token.uri"},
      {"pin-source=file:/pin", "pin-value=1234", "3", "token.uri"},
      {"[http]", "sessions = 0\n[http]", "4", "token.sessions"},
      {"[http]", "when_away = \"run\"\n[http]", "4", "token.when_away"},
      {"127.0.0.1:8443", "127.0.0.1", "5", "http.listen"},
      {"127.0.0.1:8443", "localhost:8443", "5", "http.listen"},
      {"127.0.0.1:8443", "127.0.0.1:99999", "5", "http.listen"},
      {"a.example", "A_B", "6", "http.names"},
      {"\"spool\"", "\"printer\"", "8", "label.sink"},
      {"allow_plaintext_spool = true", "allow_plaintext_spool = false", "8", "label.sink"},
      {"allow_plaintext_spool = true", "allow_plaintext_spool = 1", "10",
       "label.allow_plaintext_spool"},
      {"\"smp\"", "\"at\"", "13", "slot.protocol"},
      {"/dev/serial/by-path/x", "/dev/ttyUSB0", "14", "slot.port"},
      {"/dev/serial/by-path/x", "/dev/ttyACM12", "14", "slot.port"},
      {"/dev/serial/by-path/x", "tty0", "14", "slot.port"},
      {"name = \"1\"", "name = \"a b\"", "12", "slot.name"},
  };
  for (const Row& row : rows) {
    Fault fault = refusal(edited(row.before, row.after));
    EXPECT_EQ(fault.code(), "config.invalid") << row.after;
    EXPECT_EQ(fault.args().at("file"), "/etc/m/station.toml");
    EXPECT_EQ(fault.args().at("key"), row.key) << row.after;
    EXPECT_FALSE(fault.args().at("reason").empty());
    if (!row.line.empty()) {
      EXPECT_EQ(fault.args().at("line"), row.line) << row.after;
    }
  }
}

TEST(Config, NeverRepeatsAPin) {
  Fault fault = refusal(edited("pin-source=file:/pin", "pin-value=geheim99"));
  EXPECT_EQ(std::string(fault.what()).find("geheim99"), std::string::npos);
}

TEST(Config, SlotsAreDifferent) {
  std::string twice = kGood + "[[slot]]\nname = \"1\"\nprotocol = \"smp\"\nport = \"/dev/y\"\n";
  EXPECT_EQ(refusal(twice).args().at("key"), "slot.name");
  twice = kGood + "[[slot]]\nname = \"2\"\nprotocol = \"smp\"\nport = \"/dev/serial/by-path/x\"\n";
  EXPECT_EQ(refusal(twice).args().at("key"), "slot.port");
}

TEST(Config, ThePinMayBeACredential) {
  EXPECT_EQ(parse_config(kGood, "x").token.pin_file_override, "");
}

TEST(Config, TheExampleIsGood) {
  Config config = read_config(MINTMARK_SOURCE "/deploy/examples/station.toml");
  EXPECT_EQ(config.slots.size(), 2U);
}

TEST(Config, AMissingFileIsNamed) {
  try {
    read_config("/nowhere/station.toml");
    FAIL();
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), "config.missing");
  }
}

}  // namespace
}  // namespace mintmark
