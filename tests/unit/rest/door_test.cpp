#include "station/rest/door.hpp"

#include <gtest/gtest.h>

#include "station/words/crypto.hpp"

namespace mintmark {
namespace {

using std::chrono::seconds;
using Instant = std::chrono::steady_clock::time_point;

TEST(Door, SessionsEnd) {
  Instant now{};
  WebSessions sessions([&] { return now; });
  Bytes id(32, 5);
  sessions.open(id, "anna");
  EXPECT_EQ(sessions.person(hex(id)), "anna");
  EXPECT_EQ(sessions.person("x"), std::nullopt);
  now += seconds(kSessionSeconds - 1);
  EXPECT_EQ(sessions.person(hex(id)), "anna");
  now += seconds(1);
  EXPECT_EQ(sessions.person(hex(id)), std::nullopt);
  sessions.open(Bytes(32, 6), "bert");
  EXPECT_EQ(sessions.size(), 1U) << "an expired one is forgotten";
  sessions.close_all("bert");
  EXPECT_EQ(sessions.size(), 0U);
}

TEST(Door, SessionsAreBounded) {
  WebSessions sessions;
  for (int i = 0; i < 3000; ++i) {
    Bytes id(32, 0);
    id[0] = static_cast<std::uint8_t>(i);
    id[1] = static_cast<std::uint8_t>(i >> 8);
    sessions.open(id, "anna");
  }
  EXPECT_LE(sessions.size(), 1024U);
}

TEST(Door, GuessesAreThrottledAndGoodTokensAreNot) {
  Instant now{};
  Throttle throttle([&] { return now; });
  Digest good = sha256(view("good")), bad = sha256(view("bad"));
  EXPECT_TRUE(throttle.admits(good));
  throttle.succeeded(good);
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(throttle.admits(bad)) << i;
    throttle.failed();
  }
  EXPECT_FALSE(throttle.admits(bad));
  EXPECT_TRUE(throttle.admits(good));
  now += seconds(1);
  EXPECT_TRUE(throttle.admits(bad));
  throttle.failed();
  EXPECT_FALSE(throttle.admits(bad));
}

TEST(Door, Headers) {
  EXPECT_EQ(bearer("Bearer abc"), "abc");
  EXPECT_EQ(bearer("bearer abc"), "abc");
  EXPECT_EQ(bearer("Basic abc"), std::nullopt);
  EXPECT_EQ(bearer("Bearer "), std::nullopt);
  EXPECT_EQ(cookie("a=1; mintmark_session=xyz; b=2", "mintmark_session"), "xyz");
  EXPECT_EQ(cookie("xmintmark_session=1; a", "mintmark_session"), std::nullopt);
  EXPECT_EQ(host_name("LocalHost:8443"), "localhost");
  EXPECT_EQ(host_name("[::1]:8443"), "[::1]");
  EXPECT_EQ(host_name("[::1"), "");
  EXPECT_EQ(host_name(""), "");
}

TEST(Door, OnlyOurOwnPageChangesByCookie) {
  Request request("POST", "/api/v1/scan");
  request.tls = true;
  request.host = "localhost:8443";
  EXPECT_FALSE(same_site(request, true)) << "silence proves nothing";
  EXPECT_TRUE(same_site(request, false));
  request.origin = "https://localhost:8443";
  EXPECT_TRUE(same_site(request, true));
  for (const char* other :
       {"https://localhost:8444", "http://localhost:8443", "https://evil.example", "null"}) {
    request.origin = other;
    EXPECT_FALSE(same_site(request, true)) << other;
  }
  request.origin = "";
  request.sec_fetch_site = "same-origin";
  EXPECT_TRUE(same_site(request, true));
  for (const char* other : {"same-site", "cross-site", "none"}) {
    request.sec_fetch_site = other;
    EXPECT_FALSE(same_site(request, false)) << other;
  }
}

}  // namespace
}  // namespace mintmark
