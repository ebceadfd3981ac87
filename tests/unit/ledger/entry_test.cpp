// A journal entry's fields as text: what nlohmann would write, in the order in which they came.
#include "station/ledger/entry.hpp"

#include <gtest/gtest.h>

#include "station/ledger/strict.hpp"
#include "tests/unit/fault_of.hpp"

namespace mintmark {
namespace {

TEST(EntryFields, NoneIsNothing) {
  EXPECT_EQ(Entry().text(), "");
  EXPECT_EQ(Entry::of(Json::object()).text(), "");
}

TEST(EntryFields, KeepTheirOrderAndTheirKinds) {
  Entry inner;
  inner.add("source", "emmc-cid");
  Entry out;
  out.add("z", std::string("last first")).add("a", true).add("n", -7).add("u", UINT64_MAX);
  out.add("in", inner).add("list", Json::array({1, "two", nullptr})).add("none", Json());
  EXPECT_EQ(out.text(), R"("z":"last first","a":true,"n":-7,"u":18446744073709551615,)"
                        R"("in":{"source":"emmc-cid"},"list":[1,"two",null],"none":null)");
}

TEST(EntryFields, AreWhatJsonWouldBe) {
  std::vector<std::string> texts = {"",
                                    "plain ~",
                                    "a\"b",
                                    "back\\slash",
                                    "tab\tline\n",
                                    "\x01\x1f",
                                    "\x7f",
                                    "gr\xc3\xbc\xc3\x9f",
                                    "\xff\xfe broken",
                                    "\xc3",
                                    std::string("a\0b", 3)};
  for (int c = 0; c < 256; ++c) texts.emplace_back(3, static_cast<char>(c));
  for (const std::string& text : texts) {
    Json object = Json::object({{text, text}});
    std::string whole = compact(object), fields = Entry::of(object).text();
    EXPECT_EQ("{" + fields + "}", whole);
    std::string quoted;
    append_quoted(quoted, text);
    EXPECT_EQ(quoted, compact(Json(text)));
  }
}

TEST(EntryFields, KnowTheirRun) {
  EXPECT_EQ(Entry().add("lot", "a").run(), "");
  EXPECT_EQ(Entry().add("run", "r-1").add("lot", "a").run(), "r-1");
  EXPECT_EQ(Entry::of({{"slot", "s1"}, {"run", "r-2"}}).run(), "r-2");
}

// What every entry says of itself, nobody else may say.
TEST(EntryFields, AreNeverFixedKeys) {
  for (const char* key : {"seq", "station", "at", "mono", "boot", "actor", "type"}) {
    EXPECT_EQ(fault_of([&] { Entry().add(key, "x"); }), "ledger.failed") << key;
    EXPECT_EQ(fault_of([&] { Entry::of({{key, 1}}); }), "ledger.failed") << key;
  }
}

TEST(Strict, DepthIsSeenBeforeParsing) {
  EXPECT_TRUE(shallow(R"({"a":[{"b":"[[[[[[[[[["}]})", 3));
  EXPECT_TRUE(shallow(R"({"a":"\"[[[["})", 1));
  EXPECT_FALSE(shallow("[[[[", 3));
}

TEST(Strict, AnEntryIsAnObjectOfBoundedSizeAndDepth) {
  EXPECT_EQ(read_entry(R"({"seq":1,"a":[[[{"b":2}]]]})")->at("seq"), 1);
  for (const char* line : {"", "[]", "1", "{", "{}x", "\xff"})
    EXPECT_FALSE(read_entry(line)) << line;
  auto nested = [](std::size_t depth) {
    return "{\"a\":" + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  EXPECT_TRUE(read_entry(nested(15)));
  EXPECT_FALSE(read_entry(nested(16)));
  EXPECT_FALSE(read_entry(nested(30'000)));
  std::string longest = "{\"a\":\"" + std::string(65'535 - 8, 'x') + "\"}";
  EXPECT_TRUE(read_entry(longest));
  EXPECT_FALSE(read_entry(longest + " "));
}

}  // namespace
}  // namespace mintmark
