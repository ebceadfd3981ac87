#include "station/label/template.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "station/label/scan.hpp"
#include "station/words/crypto.hpp"
#include "station/words/fault.hpp"

using namespace mintmark;

namespace {

const std::string kHead = "^XA\n^CI28\n";
const std::string kControl = "^FO10,10^BXN,6,200^FH^FD{{control}}^FS\n";

Template parse(const std::string& zpl) { return Template::parse(view(zpl)); }

// The line and the reason of the refusal; empty when the template was accepted.
std::string refusal(const std::string& zpl) {
  try {
    parse(zpl);
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), "template.invalid");
    return fault.args().at("line") + ": " + fault.args().at("reason");
  }
  return "";
}

std::string with(const std::string& line) { return kHead + kControl + line + "\n^XZ\n"; }

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

Template::Fields fields() {
  return {{"serial", "MM26-000042"},
          {"control", "MM1:MM26-000042:device:1"},
          {"link", "https://acme.example/u/MM26-000042"},
          {"model", "Acme Hub 3"},
          {"contact", "security@acme.example"},
          {"support_until", "2031-12-31"}};
}

Secret password() { return group_by_four(Secret::copy_of(view("K7QMX4HP9WRTBV3N"))); }

std::string render(const std::string& zpl, const Template::Fields& values) {
  Template::Secrets secrets;
  secrets["password"] = password();
  Secret out = parse(zpl).render(values, secrets);
  return std::string(text(out.view()));
}

std::string render_refusal(const std::string& zpl, const Template::Fields& values,
                           const Secret* secret, const std::string& name = "password") {
  Template::Secrets secrets;
  if (secret != nullptr) secrets[name] = secret->clone();
  try {
    parse(zpl).render(values, secrets);
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), "label.sink");
    return fault.args().at("reason");
  }
  return "";
}

std::string shipped() {
  return read_file(std::string(MINTMARK_SOURCE) + "/deploy/examples/label-device.zpl");
}

}  // namespace

TEST(GroupByFour, PutsAHyphenBetweenGroupsOnly) {
  auto grouped = [](std::string_view in) {
    Secret out = group_by_four(Secret::copy_of(view(in)));
    return std::string(text(out.view()));
  };
  EXPECT_EQ(grouped(""), "");
  EXPECT_EQ(grouped("A"), "A");
  EXPECT_EQ(grouped("ABCD"), "ABCD");
  EXPECT_EQ(grouped("ABCDE"), "ABCD-E");
  EXPECT_EQ(grouped("ABCDEFGHJKMNPQRS"), "ABCD-EFGH-JKMN-PQRS");
}

TEST(Template, GoldenRender) {
  std::string zpl = with(
      "^FO20,20^A0N,50,40^FH^FD{{password}}^FS\n"
      "^FO1,1^BY2,3,10^BQN,2,5^FH^FDMA,{{link}}^FS\n"
      "^FO5,5^A0N,20,20^FH^FDS/N _7E {{serial}}, {{model}}^FS");
  Template::Fields values = fields();
  values["model"] = "B\xC3\xBCro_1";
  EXPECT_EQ(render(zpl, values),
            "^XA\n^CI28\n"
            "^FO10,10^BXN,6,200^FH^FDMM1:MM26-000042:device:1^FS\n"
            "^FO20,20^A0N,50,40^FH^FDK7QM-X4HP-9WRT-BV3N^FS\n"
            "^FO1,1^BY2,3,10^BQN,2,5^FH^FDMA,https://acme.example/u/MM26-000042^FS\n"
            "^FO5,5^A0N,20,20^FH^FDS/N _7E MM26-000042, B_C3_BCro_5F1^FS\n^XZ\n");
}

TEST(Template, TheShippedLabelParsesAndRenders) {
  Template label = parse(shipped());
  for (const char* name : {"password", "serial", "control", "link", "model", "contact"})
    EXPECT_TRUE(label.uses(name)) << name;
  EXPECT_FALSE(label.uses("mac"));
  EXPECT_EQ(label.digest(), sha256(view(shipped())));
  std::string zpl = render(shipped(), fields());
  EXPECT_EQ(zpl.find("{{"), std::string::npos);
  auto symbol = read_control_symbol(view(zpl));
  ASSERT_TRUE(symbol);
  EXPECT_EQ(symbol->str(), "MM1:MM26-000042:device:1");
}

const std::string kHostile[] = {"^XA^FO0,0^FDx^FS^XZ",
                                "~DGR:X.GRF,1,1,FF",
                                "^FS^PQ99^FD",
                                "~JA",
                                "_5EXA",
                                "\"quoted\" 'and'",
                                "two\nlines\r\nhere",
                                "\xE2\x82\xAC \xF0\x9F\x94\x92",
                                "{{password}}",
                                "a\\&b",
                                "^CC#",
                                "}}{{",
                                std::string("nul\0byte", 8),
                                "\x1B[2J\x02\x03\x10\x7F",
                                "\xff\xfe\x80",
                                "__ _4 _"};

// Whatever a value holds, the label keeps its commands, and undoing the escapes gives the value.
TEST(Template, HostileValuesStayData) {
  const std::string zpl = with("^FO1,1^A0N,20,20^FH^FD{{model}}^FS");
  const auto plain_count = zpl_commands(render(zpl, fields()))->size();
  for (const std::string& value : kHostile) {
    Template::Fields values = fields();
    values["model"] = value;
    std::string out = render(zpl, values);
    auto commands = zpl_commands(out);
    ASSERT_TRUE(commands) << value;
    EXPECT_EQ(commands->size(), plain_count) << value;
    EXPECT_EQ(out.find('~'), std::string::npos) << value;
    const ZplCommand& data = commands->at(commands->size() - 3);
    EXPECT_EQ(data.code, "FD");
    EXPECT_EQ(zpl_unescape(data.args), value);
    EXPECT_EQ(read_control_symbol(view(out))->serial, "MM26-000042");
  }
}

// The shipped label with hostile names. With MINTMARK_LABELS=DIR they are also left there, for
// tests/page/labels.mjs to have them rendered and read by strangers.
TEST(Template, TheShippedLabelBearsHostileNames) {
  const char* folder = std::getenv("MINTMARK_LABELS");
  int number = 0;
  for (const std::string& value : kHostile) {
    std::string serial = "MM26-" + std::to_string(100000 + ++number);
    Template::Fields values = fields();
    values["model"] = values["contact"] = value;
    values["serial"] = serial;
    values["control"] = "MM1:" + serial + ":device:1";
    values["link"] = "https://acme.example/u/" + serial;
    std::string out = render(shipped(), values);
    EXPECT_EQ(read_control_symbol(view(out))->serial, serial);
    EXPECT_EQ(out.find('~'), std::string::npos) << value;
    if (folder != nullptr) std::ofstream(std::string(folder) + "/" + serial + ".zpl") << out;
  }
}

TEST(Template, EveryByteRoundTrips) {
  const std::string zpl = with("^FO1,1^A0N,20,20^FH^FD{{model}}^FS");
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  Template::Fields values = fields();
  values["model"] = all;
  std::string out = render(zpl, values);
  auto commands = zpl_commands(out);
  ASSERT_TRUE(commands);
  EXPECT_EQ(zpl_unescape(commands->at(commands->size() - 3).args), all);
}

TEST(Template, ABlockDoublesItsBackslash) {
  Template::Fields values = fields();
  values["contact"] = "a\\&b";
  std::string out = render(with("^FO1,1^A0N,20,20^FB500,2,0,L^FH^FD{{contact}}^FS"), values);
  EXPECT_NE(out.find("^FDa_5C_5C_26b^FS"), std::string::npos) << out;
}

TEST(Template, MissingOrEmptyOrLongValueIsRefused) {
  Secret secret = password();
  const std::string zpl = with("^FO1,1^A0N,20,20^FH^FD{{mac}}^FS");
  EXPECT_EQ(render_refusal(zpl, fields(), &secret), "no value for the field mac");
  Template::Fields values = fields();
  values["mac"] = "";
  EXPECT_EQ(render_refusal(zpl, values, &secret), "no value for the field mac");
  values["mac"] = std::string(513, 'A');
  EXPECT_EQ(render_refusal(zpl, values, &secret), "the field mac is too long");
  values["mac"] = "02:00:5E:10:00:2A";
  EXPECT_EQ(render_refusal(zpl, values, &secret), "");
}

TEST(Template, ThePasswordComesAloneOrNotAtAll) {
  Secret secret = password();
  const std::string asks = with("^FO1,1^A0N,20,20^FH^FD{{password}}^FS");
  EXPECT_EQ(render_refusal(asks, fields(), nullptr),
            "the template asks for password and this unit has none");
  EXPECT_EQ(render_refusal(with(""), fields(), nullptr), "");
  Template::Fields values = fields();
  values["password"] = "K7QM-X4HP-9WRT-BV3N";
  EXPECT_EQ(render_refusal(asks, values, &secret), "password outside locked memory");
  Secret nothing;
  EXPECT_EQ(render_refusal(asks, fields(), &nothing), "the secret password is empty");
}

TEST(Template, ALinkWithThePasswordIsRefused) {
  Secret secret = password();
  const std::string zpl = with("^FO1,1^BY2,3,10^BQN,2,5^FH^FDMA,{{link}}^FS");
  for (const char* form : {"K7QM-X4HP-9WRT-BV3N", "K7QMX4HP9WRTBV3N", "K7QM X4HP 9WRT BV3N"}) {
    Template::Fields values = fields();
    values["link"] = std::string("https://acme.example/?p=") + form;
    EXPECT_EQ(render_refusal(zpl, values, &secret), "the field link contains password");
  }
  EXPECT_EQ(render_refusal(zpl, fields(), &secret), "");
}

TEST(Template, ASecretPayloadGoesIntoAQrCodeEscaped) {
  Template::Secrets secrets;
  secrets["wifi_qr"] = Secret::copy_of(view("WIFI:T:WPA;S:a\\;b;P:K7QMX4HP9WRTBV3N;;"));
  Secret out =
      parse(with("^FO1,1^BY2,3,10^BQN,2,5^FH^FDMA,{{wifi_qr}}^FS")).render(fields(), secrets);
  EXPECT_NE(text(out.view()).find("^FDMA,WIFI:T:WPA_3BS:a_5C_3Bb_3BP:K7QMX4HP9WRTBV3N_3B_3B^FS"),
            std::string::npos);
}

TEST(Template, EverySecretStaysOutOfOtherFields) {
  Secret key = Secret::copy_of(view("K7QMX4HP9WRTBV3N"));
  Template::Fields values = fields();
  values["wifi_ssid"] = "Home-K7QMX4HP9WRTBV3N";
  EXPECT_EQ(render_refusal(with(""), values, &key, "wifi_key"),
            "the field wifi_ssid contains wifi_key");
  for (const char* name : {"wifi_key", "wifi_qr", "matter_qr", "matter_manual"}) {
    values = fields();
    values[name] = "something";
    EXPECT_EQ(render_refusal(with(""), values, nullptr),
              std::string(name) + " outside locked memory");
  }
}

TEST(Lint, Accepts) {
  EXPECT_EQ(refusal(with("")), "");
  EXPECT_EQ(refusal(with("^PQ1^PW812^LL406^LH0,0")), "");
  EXPECT_EQ(refusal(with("^FX a comment, with _ and {}\n^FO1,1^GB10,10,2,B,3^FS")), "");
  EXPECT_EQ(refusal(with("^FT1,1^BY2,3,80^BCN,80,Y,N,N^FH^FD{{serial}}^FS")), "");
  EXPECT_EQ(refusal("\r\n^XA\r\n^CI28\r\n" + kControl + "^XZ\r\n"), "");
}

struct Refused {
  std::string zpl;
  std::string says;
};

TEST(Lint, Refuses) {
  const Refused cases[] = {
      {"", "1: does not start with ^XA"},
      {"x" + with(""), "1: text before the first command, or a caret without one"},
      {"^XA^CI28" + kControl, "1: does not end with ^XZ"},
      {"^XA^CI28" + kControl + "^XZ^", "1: text before the first command, or a caret without one"},
      {with("^XZ\n^XA"), "1: more than one ^XA or ^XZ"},
      {with("~JA"), "4: a ~ command"},
      {with("^FO1,1^A0N,20,20^FDa~DGb^FS"), "4: a ~ command"},
      {with("^FO1,1^A0N,20,20^FD\xC3\xBC^FS"),
       "4: a byte that is not printable ASCII: write it as ^FH escape"},
      {with("^FO1,1^A0N,20,20^FDa\tb^FS"),
       "4: a byte that is not printable ASCII: write it as ^FH escape"},
      {with("^ZZ"), "4: unknown command ^ZZ"},
      {with("^CC#"), "4: unknown command ^CC"},
      {with("^DFR:X.ZPL"), "4: unknown command ^DF"},
      {with("^XGR:X.GRF"), "4: unknown command ^XG"},
      {with("^A@N,20,20"), "4: unknown command ^A@"},
      {with("^fo1,1"), "4: unknown command ^fo"},
      {with("^PQ2"), "4: wrong arguments of ^PQ"},
      {with("^PQ1,0,1,Y"), "4: wrong arguments of ^PQ"},
      {with("^CI27"), "4: wrong arguments of ^CI"},
      {with("^FO1"), "4: wrong arguments of ^FO"},
      {with("^FO1,-2"), "4: wrong arguments of ^FO"},
      {with("^FO1,99999"), "4: wrong arguments of ^FO"},
      {with("^FO1,1,1,1"), "4: wrong arguments of ^FO"},
      {with("^FO1,1^A0X,20,20"), "4: wrong arguments of ^A0"},
      {with("^FO1,1^FH$^A0N,20,20^FDx^FS"), "4: wrong arguments of ^FH"},
      {"^XA" + kControl + "^CI28^XZ", "1: a field before ^CI28"},
      {kHead + "^FO1,1^A0N,20,20^FH^FD{{control}}^FS^XZ", "3: no symbol holds {{control}}"},
      {with("^FO1,1^BQN,2,5^FH^FDMA,{{link}}^FS"), "4: ^BQ must stand directly behind ^BY2,3,10"},
      {with("^FO1,1^BY2,3,80^BQN,2,5^FH^FDMA,{{link}}^FS"),
       "4: ^BQ must stand directly behind ^BY2,3,10"},
      {with("^FO1,1^BY2,3,10^BQN,2,99^FH^FDMA,{{link}}^FS"),
       "4: ^BQ must be ^BQN,2, and a magnification of 1 to 10"},
      {with("^FO1,1^BY2,3,10^BQN,2,0^FH^FDMA,{{link}}^FS"),
       "4: ^BQ must be ^BQN,2, and a magnification of 1 to 10"},
      {with("^FO1,1^BY2,3,10^BQN,2,5^FH^FD{{link}}^FS"),
       "4: QR data must start with HA, QA, MA, or LA, and a comma"},
      {with("^FO1,1^BXN,6,140^FH^FD{{serial}}^FS"), "4: ^BX must be of quality 200"},
      {with("^FO1,1^BXN,6,200^FH^FD{{link}}^FS"), "4: {{link}} in a symbol"},
      {with("^FO1,1^BY2,3,10^BQN,2,5^FH^FDMA,{{password}}^FS"), "4: {{password}} in a symbol"},
      {with("^FO1,1^BCN,60,N,N,N^FH^FD{{password}}^FS"), "4: {{password}} in a symbol"},
      {with("^FO1,1^A0N,20,20^FH^FD{{serial}} {{password}}^FS"),
       "4: {{password}} must be alone in its field"},
      {with("^FO1,1^A0N,20,20^FD{{serial}}^FS"), "4: {{serial}} in a field without ^FH"},
      {with("^FO1,1^A0N,20,20^FD{{serial}}^FH^FS"), "4: {{serial}} in a field without ^FH"},
      {with("^FO1,1^A0N,20,20^FH^FD{{serail}}^FS"), "4: unknown placeholder {{serail}}"},
      {with("^FO1,1^A0N,20,20^FH^FD{{serial^FS"), "4: a placeholder without }}"},
      {with("^FO1,1^A0N,20,20^FH^FD{{wifi_qr}}^FS"), "4: {{wifi_qr}} outside of ^BQ"},
      {with("^FO1,1^A0N,20,20^FH^FD{{matter_qr}}^FS"), "4: {{matter_qr}} outside of ^BQ"},
      {with("^FO1,1^A0N,20,20^FH^FD{{dpp_uri}}^FS"), "4: {{dpp_uri}} outside of ^BQ"},
      {with("^FO1,1^BXN,6,200^FH^FD{{wifi_qr}}^FS"), "4: {{wifi_qr}} in a symbol"},
      {with("^FO1,1^BY2,3,10^BQN,2,5^FH^FDMA,{{wifi_key}}^FS"), "4: {{wifi_key}} in a symbol"},
      {with("^FO1,1^BY2,3,10^BQN,2,5^FH^FDMA,{{wifi_ssid}}^FS"), "4: {{wifi_ssid}} in a symbol"},
      {with("^FO1,1^BY2,3,10^BQN,2,5^FH^FDMA,{{wifi_qr}}{{serial}}^FS"),
       "4: {{wifi_qr}} must be alone in its field"},
      {with("^FX {{password}}"), "4: a placeholder outside ^FD"},
      {with("^FO1,1^A0N,20,20^FH^FD_{{serial}}^FS"), "4: a _ that is not an escape of ^FH"},
      {with("^FO1,1^A0N,20,20^FH^FDa_b^FS"), "4: a _ that is not an escape of ^FH"},
      {with("^FO1,1^A0N,20,20^FDa\nb^FS"), "4: a line end inside ^FD"},
      {with("^FO1,1^FDx^FS"), "4: ^FD without a font or symbol"},
      {with("^FO1,1^A0N,20,20^BCN,60^FDx^FS"), "4: a field has one font or one symbol, behind ^FO"},
      {with("^A0N,20,20"), "4: a field has one font or one symbol, behind ^FO"},
      {with("^FO1,1^A0N,20,20^FDx^FDy^FS"), "4: ^FD must stand once, in a field"},
      {with("^FDx^FS"), "4: ^FD must stand once, in a field"},
      {with("^FO1,1^A0N,20,20^FDx^FB5,1,0,L^FS"), "4: a command between ^FD and ^FS"},
      {with("^FS"), "4: ^FS without a field"},
      {with("^FO1,1^FO2,2"), "4: a field inside a field"},
      {with("^FO1,1^A0N,20,20^FDx"), "4: a line end inside ^FD"},
      {kHead + kControl + "^FO1,1^GB9,9,1^XZ", "4: a field without ^FS"},
      {with(std::string(std::size_t{65} * 1024, ' ')), "1: longer than 64 KiB"},
  };
  for (const auto& [zpl, says] : cases) EXPECT_EQ(refusal(zpl), says) << zpl.substr(0, 200);
}

// A template cut short or with one byte replaced is refused or safe to render; never a crash.
TEST(Lint, MutationsNeverCrash) {
  const std::string good = shipped();
  for (std::size_t i = 0; i < good.size(); ++i) {
    refusal(good.substr(0, i));
    for (char c : {'^', '~', '{', '}', '_', '\n', '\xff'}) {
      std::string bad = good;
      bad[i] = c;
      refusal(bad);
    }
  }
  EXPECT_EQ(refusal(good), "");
}

TEST(Scan, ReadsWhatAScannerWould) {
  auto read = [](const std::string& zpl) { return read_control_symbol(view(zpl)); };
  EXPECT_EQ(read("^XA^FO1,1^BXN,6,200^FH^FDMM1:A_5F1:box:12^FS^XZ")->str(), "MM1:A_1:box:12");
  EXPECT_EQ(read("^XA^FO1,1^BCN,6^FDMM1:A1:box:2^FS^XZ")->str(), "MM1:A1:box:2");
  EXPECT_EQ(read("^XA^FO1,1^BQN,2,5^FDMA,MM1:A1:box:2^FS^XZ")->str(), "MM1:A1:box:2");
  EXPECT_EQ(
      read("^XA^FO1,1^BQN,2,5^FDMA,https://x^FS^FO1,1^BXN,6,200^FDMM1:A:device:1^FS^XZ")->str(),
      "MM1:A:device:1");
}

TEST(Scan, ReadsNothingElse) {
  for (const char* zpl :
       {"", "^XA^XZ", "no label", "^", "^XA^FO1,1^A0N,9,9^FDMM1:A1:box:2^FS^XZ",
        "^XA^FO1,1^BXN,6,200^FS^FO2,2^A0N,9,9^FDMM1:A1:box:2^FS^XZ",
        "^XA^FO1,1^BXN,6,200^FH^FDMM1:A_ZZ:box:2^FS^XZ", "^XA^FO1,1^BQN,2,5^FDM^FS^XZ",
        "^XA^FO1,1^BXN,6,200^FDMM1:A1:box:0^FS^XZ"})
    EXPECT_FALSE(read_control_symbol(view(std::string_view(zpl)))) << zpl;
}
