#include "station/rest/fields.hpp"

#include <gtest/gtest.h>

#include "station/words/fault.hpp"

namespace mintmark {
namespace {

template <class F>
Fault caught(F work) {
  try {
    work();
  } catch (const Fault& fault) {
    return fault;
  }
  ADD_FAILURE() << "no fault";
  return Fault("none");
}

TEST(Fields, TakesWhatIsAskedFor) {
  Fields fields(R"({"name":"a","n":3,"b":"AQI=","m":{"device":"AQ=="},"l":["x","y"]})");
  EXPECT_EQ(fields.text("name"), "a");
  EXPECT_EQ(fields.integer_if("n", 0, 5), 3);
  EXPECT_EQ(fields.integer_if("absent", 0, 5), std::nullopt);
  EXPECT_EQ(fields.text_if("name"), "a");
  EXPECT_EQ(fields.text_if("absent"), std::nullopt);
  EXPECT_EQ(fields.base64("b"), (Bytes{1, 2}));
  EXPECT_EQ(fields.base64_map("m").at("device"), (Bytes{1}));
  EXPECT_EQ(fields.texts("l").size(), 2U);
  fields.finish();
}

TEST(Fields, RefusesWhatNobodyAskedFor) {
  Fault fault = caught([] {
    Fields fields(R"({"name":"a","nmae":"b"})");
    fields.text("name");
    fields.finish();
  });
  EXPECT_EQ(fault.code(), "http.unknown_field");
  EXPECT_EQ(fault.args().at("field"), "nmae");
}

TEST(Fields, RefusesWrongTypes) {
  for (const char* body : {R"({"x":1})", R"({"x":null})", R"({"x":""})", R"({"x":["a"]})"})
    EXPECT_EQ(caught([&] { Fields(body).text("x"); }).code(), "http.wrong_type") << body;
  for (const char* body : {R"({"x":"AQ"})", R"({"x":"AR=="})", R"({"x":"A Q="})", R"({"x":7})"})
    EXPECT_EQ(caught([&] { Fields(body).base64("x"); }).code(), "http.wrong_type") << body;
  for (const char* body : {R"({"x":1.5})", R"({"x":-1})", R"({"x":9})", R"({"x":"1"})",
                           R"({"x":18446744073709551615})", R"({"x":true})"})
    EXPECT_EQ(caught([&] { Fields(body).integer_if("x", 0, 5); }).code(), "http.wrong_type")
        << body;
  EXPECT_EQ(caught([] { Fields("{}").text("x"); }).code(), "http.missing_field");
  EXPECT_EQ(caught([] { Fields(R"({"x":""})").text_if("x"); }).code(), "http.wrong_type");
}

TEST(Fields, RefusesWhatIsNoObject) {
  for (const char* body :
       {"", "[]", "1", "\"a\"", "{", "{}x", "{\"a\":}", "nul", "{\"a\":\"\x80\"}"})
    EXPECT_EQ(caught([&] { Fields fields(body); }).code(), "http.malformed") << body;
  EXPECT_EQ(caught([] { Fields fields(R"({"a":1,"a":2})"); }).code(), "http.malformed");
  EXPECT_EQ(caught([] { Fields fields(R"({"m":{"a":1,"\u0061":2}})"); }).code(), "http.malformed");
}

TEST(Fields, DepthIsBoundedBeforeParsing) {
  std::string deep(100000, '[');
  EXPECT_EQ(caught([&] { Fields fields(deep); }).code(), "http.malformed");
  EXPECT_EQ(caught([&] { Fields fields(R"({"a":)" + deep + "}"); }).args().at("reason"),
            "nested too deeply");
}

}  // namespace
}  // namespace mintmark
