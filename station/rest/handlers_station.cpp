// The page, who is logged in, how the station is, and what happens on the line.
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>

#include "station/rest/bounds.hpp"
#include "station/rest/handlers.hpp"

namespace mintmark {

namespace embedded {
std::string_view page_files(std::string_view path);
}

// One client's queue of events. One that does not read is dropped: it comes back and is given a
// snapshot, which is worth more than what it missed.
class Feed {
 public:
  explicit Feed(const asio::any_io_executor& executor) : wake_(executor) {}

  void put(std::uint64_t id, const std::string& name, const Json& data) {
    if (queue_.size() >= kBounds.events) closed_ = true;
    if (!closed_)
      queue_.push_back("id: " + std::to_string(id) + "\nevent: " + name + "\ndata: " +
                       data.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n\n");
    wake_.cancel();
  }

  void close() {
    closed_ = true;
    wake_.cancel();
  }

  Task<std::optional<std::string>> take() {
    if (queue_.empty() && !closed_) {
      wake_.expires_after(std::chrono::seconds(kStreamPause));
      co_await wake_.async_wait(asio::as_tuple(asio::use_awaitable));
    }
    if (closed_) co_return std::nullopt;
    std::string out;
    for (const std::string& event : queue_) out += event;
    queue_.clear();
    if (out.empty()) out = ": ping\n\n";
    co_return out;
  }

 private:
  asio::steady_timer wake_;
  std::deque<std::string> queue_;
  bool closed_ = false;
};

void Desk::close_streams() {
  for (const auto& weak : feeds)
    if (auto feed = weak.lock()) feed->close();
  feeds.clear();
}

namespace handlers {

namespace {

class EventStream : public Stream {
 public:
  EventStream(std::shared_ptr<Feed> feed, std::shared_ptr<void> subscription)
      : feed_(std::move(feed)), subscription_(std::move(subscription)) {}
  Task<std::optional<std::string>> next() override { return feed_->take(); }

 private:
  std::shared_ptr<Feed> feed_;
  std::shared_ptr<void> subscription_;
};

Json roles_json(const Person& person) {
  Json out = Json::array();
  for (Role role : person.roles) out.push_back(word(role));
  return out;
}

std::string cookie_header(const std::string& value, bool tls, int seconds) {
  return "mintmark_session=" + value +
         "; Path=/; HttpOnly; SameSite=Strict; Max-Age=" + std::to_string(seconds) +
         (tls ? "; Secure" : "");
}

std::string_view type_of(std::string_view path) {
  if (path.ends_with(".html")) return "text/html; charset=utf-8";
  if (path.ends_with(".js")) return "text/javascript; charset=utf-8";
  if (path.ends_with(".css")) return "text/css; charset=utf-8";
  if (path.ends_with(".svg")) return "image/svg+xml";
  return "application/json";
}

}  // namespace

Task<Response> page_file(Desk&, Call& call) {
  std::string path = call.request.target.substr(1, call.request.target.find('?') - 1);
  if (path.empty()) path = "index.html";
  std::string_view bytes = embedded::page_files(path);
  if (bytes.empty()) throw Fault("http.not_found");
  co_return Response(200, std::string(type_of(path)), std::string(bytes));
}

Task<Response> health(Desk& desk, Call&) {
  Json station = desk.line.station();
  std::string status = "ok", reason;
  if (station["stopped"].is_string()) {
    status = "stopped";
    reason = station["stopped"].get<std::string>();
  } else if (station["token"] != "ok") {
    status = "degraded";
    reason = station["token_code"].get<std::string>();
  } else if (auto trouble = desk.line.trouble()) {
    status = "degraded";
    reason = *trouble;
  }
  Json body = {{"status", status},
               {"version", MINTMARK_VERSION},
               {"station", desk.station},
               {"demo", desk.demo}};
  if (!reason.empty()) body["reason"] = reason;
  co_return json_response(body);
}

Task<Response> doctor(Desk& desk, Call&) {
  std::vector<Check> checks = co_await desk.doctor();
  Json body = {{"ok", true}, {"checks", Json::array()}};
  for (const Check& check : checks) {
    if (!check.ok) body["ok"] = false;
    body["checks"].push_back({{"name", check.name}, {"ok", check.ok}, {"says", check.says}});
  }
  co_return json_response(body);
}

Task<Response> open_session(Desk& desk, Call& call) {
  if (!same_site(call.request, false)) throw Fault("http.cross_site");
  Fields fields(call.request.body);
  std::string token = fields.text("token", 256);
  fields.finish();
  Person person = co_await desk.person_of(std::move(token), call.request.tls);
  auto draw = [vault = desk.services.vault] { return vault->random(32); };
  Bytes id = co_await on(*desk.services.token_pool, draw);
  desk.sessions.open(id, person.name);
  Response response;
  response.headers.emplace_back("Set-Cookie",
                                cookie_header(hex(id), call.request.tls, kSessionSeconds));
  co_return response;
}

Task<Response> show_session(Desk&, Call& call) {
  co_return json_response({{"name", call.person.name}, {"roles", roles_json(call.person)}});
}

Task<Response> close_session(Desk& desk, Call& call) {
  must_be_empty(call);
  if (auto value = cookie(call.request.cookie, "mintmark_session")) desk.sessions.close(*value);
  Response response;
  response.headers.emplace_back("Set-Cookie", cookie_header("", call.request.tls, 0));
  co_return response;
}

Task<Response> slots(Desk& desk, Call&) { co_return json_response(desk.line.snapshot()); }

Task<Response> events(Desk& desk, Call&) {
  auto executor = co_await asio::this_coro::executor;
  auto feed = std::make_shared<Feed>(executor);
  std::erase_if(desk.feeds, [](const auto& weak) { return weak.expired(); });
  desk.feeds.push_back(feed);
  feed->put(desk.line.last_event(), "snapshot", desk.line.snapshot());
  auto subscription = desk.line.subscribe([feed](std::uint64_t id, const std::string& name,
                                                 const Json& data) { feed->put(id, name, data); });
  Response response(200, "text/event-stream", "");
  response.stream = std::make_unique<EventStream>(std::move(feed), std::move(subscription));
  co_return response;
}

Task<Response> resume_slot(Desk& desk, Call& call) {
  must_be_empty(call);
  co_await desk.line.resume_slot(call.actor(), call.args.at(0));
  co_return Response();
}

}  // namespace handlers
}  // namespace mintmark
