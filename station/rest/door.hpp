// The door: who is asking. A bearer token, a session cookie that was traded for one, or the peer of
// the Unix socket, as the kernel names it.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "station/ledger/people.hpp"
#include "station/rest/http.hpp"

namespace mintmark {

// Cookie sessions live in memory: a restart ends them all. Kept by digest, so that reading them
// out opens nothing, and each look-up compares digests only.
class WebSessions {
 public:
  using Now = std::function<std::chrono::steady_clock::time_point()>;
  explicit WebSessions(Now now = [] { return std::chrono::steady_clock::now(); })
      : now_(std::move(now)) {}

  void open(View id, const std::string& person);  // `id`: 32 random bytes from the token
  std::optional<std::string> person(std::string_view cookie_value) const;
  void close(std::string_view cookie_value);
  void close_all(const std::string& person);
  std::size_t size() const { return sessions_.size(); }

 private:
  struct Entry {
    std::string person;
    std::chrono::steady_clock::time_point until;
  };
  Now now_;
  std::map<Digest, Entry> sessions_;
};
inline constexpr int kSessionSeconds = 12 * 3600;

// Failed attempts at one listener: ten at once, then one a second. A token that was good before is
// let through all the while, so that a stranger who guesses cannot lock the line out.
class Throttle {
 public:
  using Now = WebSessions::Now;
  explicit Throttle(Now now = [] { return std::chrono::steady_clock::now(); })
      : now_(std::move(now)), last_(now_()) {}

  bool admits(const Digest& token);
  void failed();
  void succeeded(const Digest& token);

 private:
  void refill();
  Now now_;
  std::chrono::steady_clock::time_point last_;
  double left_ = 10;
  std::set<Digest> known_;
};

// "Bearer <token>"; nullopt for anything else.
std::optional<std::string_view> bearer(std::string_view authorization);
// The value of one cookie of a Cookie header (RFC 6265 section 5.4).
std::optional<std::string_view> cookie(std::string_view header, std::string_view name);
// The host of a Host or Origin authority, without its port, lower case.
std::string host_name(std::string_view authority);
// True unless a browser says that another site's page sent this. With `proof`, silence is refused
// as well: what a cookie authenticates must be shown to come from our own page.
bool same_site(const Request& request, bool proof);

}  // namespace mintmark
