// The HTTP API and the page, without a socket: a request in, an answer out. schema/openapi.yaml is
// the contract; routes() is the same as data, and a test holds the two together.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "station/ledger/acts.hpp"
#include "station/ledger/people.hpp"
#include "station/line/line.hpp"
#include "station/rest/door.hpp"
#include "station/rest/http.hpp"

namespace mintmark {

// One line of `mintmark doctor`, in plain words.
struct Check {
  Check() = default;
  Check(std::string name_, bool ok_, std::string says_)
      : name(std::move(name_)), ok(ok_), says(std::move(says_)) {}
  std::string name;
  bool ok = false;
  std::string says;
};

class Feed;  // one client's queue of events

struct Desk;

// Something that two officers do together (station/ledger/acts.hpp). `check` refuses, when it is
// proposed, what could not be done as things are. Then one of these:
//   execute  changes the ledger, in the transaction that confirms; the actor is who confirmed
//   perform  is run once the confirmation is committed: its answer is the act's result, its Fault
//            the act's failure, which the confirming officer sees; an act that a crash cut off here
//            is failed at the next start
//   neither  the act stays `confirmed`: it is done somewhere else, by who looks for it there
// Where it is `compared`, its subject is the check value of a key that comes from somewhere else,
// and the second officer must give what he has read there.
struct ActKind {
  std::string_view kind;
  void (*check)(Reader& db, const Act& act) = nullptr;
  void (*execute)(Transaction& db, const Actor& actor, const Act& act) = nullptr;
  Task<Json> (*perform)(Desk& desk, Act act) = nullptr;
  bool compared = false;
};
std::vector<ActKind> act_kinds();  // those of this station
// At start: what was confirmed and then cut off did not happen, or only in part.
void fail_interrupted_acts(Desk& desk);

// What the handlers work with; wired once, in main.
struct Desk {
  Desk(Line& line_, const Services& services_) : line(line_), services(services_) {}
  Line& line;
  Services services;
  std::string station;  // UUID
  bool demo = false;
  Bytes owner_key;                 // Ed25519, of orders and rosters
  std::vector<std::string> hosts;  // names that the TLS listener answers to
  std::string ca_name;             // common name of the station's CA
  std::function<Task<std::vector<Check>>()> doctor;
  std::vector<ActKind> act_kinds = mintmark::act_kinds();
  WebSessions sessions;
  std::array<Throttle, 2> throttles;  // of the Unix socket, of the TLS listener

  // Faults "http.unauthenticated", "http.too_many".
  Task<Person> person_of(std::string token, bool tls);
  // Ends every event stream: the station stops.
  void close_streams();
  std::vector<std::weak_ptr<Feed>> feeds;
};

// One request on its way to its handler.
struct Call {
  explicit Call(const Request& request_) : request(request_) {}
  const Request& request;
  std::vector<std::string> args;             // what the pattern's {...} matched, decoded
  std::map<std::string, std::string> query;  // each once, only names that the route allows
  Person person;                             // nobody on public routes

  Actor actor() const { return Actor(person.name); }
  std::optional<std::string> asked(const std::string& name) const;
  // Integrators who are nothing else see the lots that they opened, and no other.
  bool only_integrator() const;
};

using RoleSet = unsigned;
constexpr RoleSet of(Role role) { return 1U << static_cast<unsigned>(role); }
inline constexpr RoleSet kPublic = 0;  // no authentication
inline constexpr RoleSet kAnyone =
    of(Role::op) | of(Role::lead) | of(Role::officer) | of(Role::integrator) | of(Role::auditor);

struct Route {
  std::string_view method, pattern;
  RoleSet roles;
  std::string_view query;  // names, separated by spaces
  Task<Response> (*handler)(Desk&, Call&);
};
std::span<const Route> routes();

class Rest {
 public:
  explicit Rest(Desk& desk);

  // Never throws a Fault: it is the answer.
  Task<Response> handle(Request request);

  // Of the body, in bytes.
  static std::size_t body_limit(std::string_view method, std::string_view target);

  // For what the server itself has to refuse, with the headers that every answer bears.
  static Response refusal(const Fault& fault);

 private:
  Task<Response> dispatch(const Request& request);
  Task<Person> authenticate(const Request& request);
  void check_host(const Request& request) const;

  Desk& desk_;
};

}  // namespace mintmark
