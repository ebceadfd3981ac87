#include "station/product/lint.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "station/words/fault.hpp"

namespace mintmark {
namespace {

LabelSample sample(std::string password, std::string serial = "", std::string mac = "",
                   std::string ssid = "") {
  LabelSample out;
  out.password = std::move(password);
  out.serial = std::move(serial);
  out.mac = std::move(mac);
  out.ssid = std::move(ssid);
  return out;
}

std::set<std::string> found(const std::vector<LabelSample>& samples) {
  std::set<std::string> out;
  for (const PasswordFinding& finding : lint_passwords(samples, known_defaults()))
    out.insert(finding.code.substr(9) + " " + std::to_string(finding.sample));
  return out;
}

using Codes = std::set<std::string>;

TEST(PasswordLint, GoodPasswordsAreLeftAlone) {
  EXPECT_EQ(found({sample("H7KM-2QWX-9TRE-5VBN", "SN-0001", "AA:BB:CC:00:11:22", "Aurora-1122"),
                   sample("3YFD-P8ZC-KA4J-W6GS", "SN-0002", "AA:BB:CC:00:11:23", "Aurora-1123"),
                   sample("B2NV-XQ7T-M5RH-9CEK", "SN-0003", "AA:BB:CC:00:11:24", "Aurora-1124")}),
            Codes());
}

// What the mint makes passes, in numbers in which a rule that sees too much would show.
TEST(PasswordLint, RandomPasswordsRaiseNoAlarm) {
  std::mt19937 random(1);
  std::string alphabet = "23456789ABCDEFGHJKMNPQRSTUVWXYZ";
  std::vector<LabelSample> samples;
  for (int i = 0; i < 2000; ++i) {
    std::string password;
    for (int n = 0; n < 16; ++n) password += alphabet[random() % alphabet.size()];
    samples.push_back(sample(password, "AL-00" + std::to_string(1000 + i)));
  }
  // Four symbols shared by accident: unfit() draws such a password again.
  EXPECT_LE(found(samples).size(), 2U);
}

TEST(PasswordLint, TooShortKnownAndConstant) {
  EXPECT_EQ(found({sample("x7Kq2mZp")}), (Codes{"short 1"}));
  EXPECT_EQ(found({sample("8264917305183726")}), (Codes{"short 1"})) << "digits are few bits";
  EXPECT_EQ(found({sample("admin")}), (Codes{"known_default 1", "short 1"}));
  EXPECT_EQ(found({sample("Pass-Word")}), (Codes{"known_default 1", "short 1"}));
  EXPECT_EQ(found({sample("H7KM2QWX9TRE5VBN"), sample("h7km-2qwx-9tre-5vbn")}),
            (Codes{"constant 2"}));
  EXPECT_EQ(found({sample("AAAAAAAAAAAAAAAAAAAA")}), (Codes{"constant 1"}));
}

TEST(PasswordLint, CountersInAnyBase) {
  EXPECT_EQ(
      found({sample("H7KM2QWX9TRE0098"), sample("H7KM2QWX9TRE0099"), sample("H7KM2QWX9TRE0100")}),
      (Codes{"counter 3"}));
  EXPECT_EQ(
      found({sample("QWX9TREH7KM200fe"), sample("QWX9TREH7KM200ff"), sample("QWX9TREH7KM20100")}),
      (Codes{"counter 3"}));
  EXPECT_EQ(
      found({sample("H7KM07QWX9TREVBN"), sample("H7KM14QWX9TREVBN"), sample("H7KM21QWX9TREVBN")}),
      (Codes{"counter 3"}))
      << "any step, anywhere";
}

TEST(PasswordLint, WhatIsDerivedFromTheLabel) {
  EXPECT_EQ(found({sample("XQ7T-0042-M5RH-9CEK", "SN-10042")}), (Codes{"derived 1"}));
  EXPECT_EQ(found({sample("XQ7T-2400-M5RH-9CEK", "SN-10042")}), (Codes{"derived 1"}))
      << "backwards";
  EXPECT_EQ(found({sample("XQ7TCC0011M5RH9C", "", "AA:BB:CC:00:11:22")}), (Codes{"derived 1"}));
  EXPECT_EQ(found({sample("rora7TM5RH9CEKXW2P", "", "", "Aurora-1122")}), (Codes{"derived 1"}));
  // printf SN-10042 | md5sum, | sha1sum, | sha256sum; the MAC as bytes.
  for (const char* digest :
       {"47EEA5F78DAA72C05E8D", "R3WBIMCHKAW24EUYVBFT", "tbX6w790fCTt+SOV", "048b272e7b6f6178328a"})
    EXPECT_EQ(found({sample(digest, "SN-10042", "AA:BB:CC:00:11:22")}), (Codes{"derived 1"}))
        << digest;
}

TEST(PasswordLint, FindingsNeverShowThePassword) {
  for (const PasswordFinding& finding :
       lint_passwords({sample("admin"), sample("admin")}, known_defaults()))
    EXPECT_EQ(finding.says.find("admin"), std::string::npos);
}

std::string refused(std::string_view csv) {
  try {
    read_samples(csv);
  } catch (const Fault& fault) {
    return fault.args().at("line") + ": " + fault.args().at("reason");
  }
  return "";
}

TEST(PasswordLint, ReadsSamplesStrictly) {
  auto all = read_samples("serial,password\r\n\"SN,1\",\"a\"\"b\"\r\n\nSN2,c\n");
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].serial, "SN,1");
  EXPECT_EQ(all[0].password, "a\"b");
  EXPECT_EQ(all[1].password, "c");
  EXPECT_EQ(refused(""), "1: no header");
  EXPECT_EQ(refused("serial\nx\n"), "1: the column password is missing");
  EXPECT_EQ(refused("password,colour\n"), "1: no column is called 'colour'");
  EXPECT_EQ(refused("password,mac\nx\n"), "2: not as many values as columns");
  EXPECT_EQ(refused("password\n--\n"), "2: no password");
}

TEST(PasswordLint, TheListIsShippedAndCanBeAddedTo) {
  EXPECT_GT(known_defaults().size(), 100U);
  EXPECT_TRUE(known_defaults().contains("xmhdipc"));
  EXPECT_EQ(read_defaults("# ours\nAurora-1\n\n"), (std::set<std::string>{"aurora1"}));
}

}  // namespace
}  // namespace mintmark
