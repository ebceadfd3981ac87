#include "station/rest/door.hpp"

#include <algorithm>
#include <cctype>

#include "station/rest/bounds.hpp"
#include "station/words/crypto.hpp"

namespace mintmark {

namespace {

constexpr std::size_t kMaxKnown = 1024;

Digest digest_of(std::string_view value) { return sha256(view(value)); }

}  // namespace

void WebSessions::open(View id, const std::string& person) {
  std::erase_if(sessions_, [&](const auto& entry) { return entry.second.until <= now_(); });
  if (sessions_.size() >= kBounds.sessions) {
    auto oldest = std::min_element(sessions_.begin(), sessions_.end(), [](auto& a, auto& b) {
      return a.second.until < b.second.until;
    });
    sessions_.erase(oldest);
  }
  sessions_[digest_of(hex(id))] = Entry{person, now_() + std::chrono::seconds(kSessionSeconds)};
}

std::optional<std::string> WebSessions::person(std::string_view cookie_value) const {
  auto at = sessions_.find(digest_of(cookie_value));
  if (at == sessions_.end() || at->second.until <= now_()) return std::nullopt;
  return at->second.person;
}

void WebSessions::close(std::string_view cookie_value) { sessions_.erase(digest_of(cookie_value)); }

void WebSessions::close_all(const std::string& person) {
  std::erase_if(sessions_, [&](const auto& entry) { return entry.second.person == person; });
}

void Throttle::refill() {
  std::chrono::duration<double> passed = now_() - last_;
  left_ = std::min(10.0, left_ + passed.count());
  last_ = now_();
}

bool Throttle::admits(const Digest& token) {
  refill();
  return left_ >= 1 || known_.contains(token);
}

void Throttle::failed() {
  refill();
  left_ = std::max(0.0, left_ - 1);
}

void Throttle::succeeded(const Digest& token) {
  if (known_.size() >= kMaxKnown) known_.clear();
  known_.insert(token);
}

std::optional<std::string_view> bearer(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  if (authorization.size() <= kScheme.size()) return std::nullopt;
  for (std::size_t i = 0; i < kScheme.size(); ++i)
    if (std::tolower(static_cast<unsigned char>(authorization[i])) != kScheme[i])
      return std::nullopt;
  return authorization.substr(kScheme.size());
}

std::optional<std::string_view> cookie(std::string_view header, std::string_view name) {
  while (!header.empty()) {
    std::size_t end = std::min(header.find(';'), header.size());
    std::string_view pair = header.substr(0, end);
    header.remove_prefix(std::min(end + 1, header.size()));
    while (pair.starts_with(' ')) pair.remove_prefix(1);
    if (pair.starts_with(name) && pair.substr(name.size()).starts_with('='))
      return pair.substr(name.size() + 1);
  }
  return std::nullopt;
}

std::string host_name(std::string_view authority) {
  std::size_t bracket = authority.starts_with('[') ? authority.find(']') : 0;
  if (bracket == std::string_view::npos) return {};
  std::size_t colon = authority.find(':', bracket);
  std::string name(authority.substr(0, colon));
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name;
}

bool same_site(const Request& request, bool proof) {
  if (!request.sec_fetch_site.empty() && request.sec_fetch_site != "same-origin") return false;
  std::string ours = (request.tls ? "https://" : "http://") + request.host;
  if (!request.origin.empty() && request.origin != ours) return false;
  return !proof || !request.origin.empty() || !request.sec_fetch_site.empty();
}

}  // namespace mintmark
