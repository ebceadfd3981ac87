#include "station/rest/rest.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include "station/rest/bounds.hpp"
#include "station/rest/problem.hpp"
#include "station/words/crypto.hpp"

namespace mintmark {

namespace {

constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'none'; "
    "require-trusted-types-for 'script'";

bool is_api(std::string_view target) { return target.starts_with("/api/"); }

void secure(Response& response, bool api) {
  auto& headers = response.headers;
  headers.emplace_back("Content-Security-Policy", kPolicy);
  headers.emplace_back("X-Content-Type-Options", "nosniff");
  headers.emplace_back("Referrer-Policy", "no-referrer");
  headers.emplace_back("Cross-Origin-Resource-Policy", "same-origin");
  headers.emplace_back("Cache-Control", api ? "no-store" : "no-cache");
}

struct Target {
  std::vector<std::string> path;
  std::map<std::string, std::string> query;
};

Target read_target(const std::string& target) {
  auto url = boost::urls::parse_origin_form(target);
  if (!url) throw Fault("http.malformed", {{"reason", "the address is not one"}});
  Target out;
  for (auto segment : url->segments()) out.path.emplace_back(segment);
  for (auto param : url->params())
    if (!out.query.emplace(param.key, param.value).second)
      throw Fault("http.query", {{"name", param.key}});
  return out;
}

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    std::size_t end = std::min(text.find(at), text.size());
    if (end > 0) out.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

// The pattern's {...} take one segment each.
std::optional<std::vector<std::string>> match(std::string_view pattern,
                                              const std::vector<std::string>& path) {
  auto wanted = split(pattern, '/');
  if (path == std::vector<std::string>{""}) {
    if (wanted.empty()) return std::vector<std::string>{};
    return std::nullopt;
  }
  if (wanted.size() != path.size()) return std::nullopt;
  std::vector<std::string> args;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (wanted[i].starts_with('{') && !path[i].empty()) {
      args.push_back(path[i]);
    } else if (wanted[i] != path[i]) {
      return std::nullopt;
    }
  }
  return args;
}

const Route& find_route(const Request& request, const Target& target, Call& call) {
  std::string allowed;
  for (const Route& route : routes()) {
    auto args = match(route.pattern, target.path);
    if (!args) continue;
    if (route.method == request.method) {
      call.args = std::move(*args);
      return route;
    }
    allowed += (allowed.empty() ? "" : ", ") + std::string(route.method);
  }
  if (allowed.empty()) throw Fault("http.not_found");
  throw Fault("http.method", {{"allowed", allowed}});
}

void check_query(const Route& route, Call& call, Target target) {
  auto names = split(route.query, ' ');
  for (const auto& [name, value] : target.query)
    if (std::find(names.begin(), names.end(), name) == names.end())
      throw Fault("http.query", {{"name", name.substr(0, 64)}});
  call.query = std::move(target.query);
}

// A body is JSON and says so: what a form of another site can send is refused before it is read.
void check_content_type(const Request& request) {
  if (request.body.empty()) return;
  if (!request.content_type.starts_with("application/json")) throw Fault("http.content_type");
}

RoleSet roles_of(const Person& person) {
  RoleSet out = 0;
  for (Role role : person.roles) out |= of(role);
  return out;
}

std::string needed(RoleSet roles) {
  std::string out;
  for (Role role : {Role::op, Role::lead, Role::officer, Role::integrator, Role::auditor})
    if ((roles & of(role)) != 0) out += (out.empty() ? "" : ", ") + std::string(word(role));
  return out;
}

bool changes(const Request& request) { return request.method != "GET"; }

void log_refusal(const Request& request, const Fault& fault) {
  std::string path = request.target.substr(0, std::min<std::size_t>(request.target.find('?'), 200));
  std::replace_if(
      path.begin(), path.end(), [](unsigned char c) { return c < 0x20; }, '?');
  bool broken = status_of(fault.code()) >= 500;
  spdlog::log(broken ? spdlog::level::err : spdlog::level::info, "{} {} refused: {}",
              request.method, path, fault.what());
}

}  // namespace

std::optional<std::string> Call::asked(const std::string& name) const {
  auto at = query.find(name);
  if (at == query.end()) return std::nullopt;
  return at->second;
}

bool Call::only_integrator() const { return roles_of(person) == of(Role::integrator); }

Rest::Rest(Desk& desk) : desk_(desk) {}

std::size_t Rest::body_limit(std::string_view method, std::string_view target) {
  bool lot = method == "POST" && target == "/api/v1/lots";
  return lot ? kBounds.lot_body : kBounds.body;
}

Response Rest::refusal(const Fault& fault) {
  Response response = problem(fault);
  secure(response, true);
  return response;
}

Task<Response> Rest::handle(Request request) {
  std::optional<Fault> fault;
  try {
    Response response = co_await dispatch(request);
    secure(response, is_api(request.target));
    co_return response;
  } catch (const Fault& refused) {
    fault.emplace(refused);
  } catch (const std::exception& error) {
    fault.emplace("http.internal", Fault::Args{}, error.what());
  }
  log_refusal(request, *fault);
  Response response = refusal(*fault);
  if (fault->code() == "http.method")
    response.headers.emplace_back("Allow", fault->args().at("allowed"));
  co_return response;
}

Task<Response> Rest::dispatch(const Request& request) {
  check_host(request);
  if (request.body.size() > body_limit(request.method, request.target))
    throw Fault("http.too_large");
  Call call(request);
  Target target = read_target(request.target);
  const Route& route = find_route(request, target, call);
  check_query(route, call, std::move(target));
  check_content_type(request);
  if (route.roles != kPublic) {
    call.person = co_await authenticate(request);
    if ((roles_of(call.person) & route.roles) == 0)
      throw Fault("http.forbidden", {{"roles", needed(route.roles)}});
  }
  co_return co_await route.handler(desk_, call);
}

// A name that is not ours is another site's, rebound to our address.
void Rest::check_host(const Request& request) const {
  if (!request.tls) return;
  std::string host = host_name(request.host);
  if (std::find(desk_.hosts.begin(), desk_.hosts.end(), host) == desk_.hosts.end())
    throw Fault("http.unknown_host");
}

Task<Person> Desk::person_of(std::string token, bool tls) {
  if (token.size() > 256) throw Fault("http.unauthenticated");
  Throttle& throttle = throttles.at(tls ? 1 : 0);
  Digest digest = sha256(view(token));
  if (!throttle.admits(digest)) throw Fault("http.too_many");
  auto look = [&token](Reader& db) { return people::by_token(db, token); };
  std::optional<Person> found = co_await services.ledger->read(look);
  if (!found || found->removed) {
    throttle.failed();
    throw Fault("http.unauthenticated");
  }
  throttle.succeeded(digest);
  co_return std::move(*found);
}

Task<Person> Rest::authenticate(const Request& request) {
  if (!request.authorization.empty()) {
    auto token = bearer(request.authorization);
    if (!token) throw Fault("http.unauthenticated");
    co_return co_await desk_.person_of(std::string(*token), request.tls);
  }
  std::optional<std::string> name;
  bool by_name = false;
  if (auto value = cookie(request.cookie, "mintmark_session")) {
    if (changes(request) && !same_site(request, true)) throw Fault("http.cross_site");
    name = desk_.sessions.person(*value);
    by_name = true;
  }
  bool somebody = by_name ? name.has_value() : request.uid.has_value();
  if (!somebody) throw Fault("http.unauthenticated");
  auto look = [&](Reader& db) {
    return by_name ? people::by_name(db, *name) : people::by_uid(db, *request.uid);
  };
  std::optional<Person> found = co_await desk_.services.ledger->read(look);
  if (!found || found->removed) throw Fault("http.unauthenticated");
  co_return std::move(*found);
}

}  // namespace mintmark
