// Persons, their tokens, and the owner's roster of officers.
#include <algorithm>

#include "station/rest/handlers.hpp"
#include "station/words/crypto.hpp"

namespace mintmark::handlers {

namespace {

Json person_json(const Person& person) {
  Json roles = Json::array();
  for (Role role : person.roles) roles.push_back(word(role));
  return {{"name", person.name},
          {"roles", roles},
          {"uid", person.uid ? Json(*person.uid) : Json()},
          {"created_by", person.created_by}};
}

// A lead hires operators, machines and auditors; leads are an officer's to name, officers the
// owner's.
bool within_leads_power(const std::set<Role>& roles) {
  return std::all_of(roles.begin(), roles.end(), [](Role role) {
    return role == Role::op || role == Role::integrator || role == Role::auditor;
  });
}

void must_be_within_power(const Person& actor, const std::set<Role>& roles) {
  if (!actor.may(Role::officer) && !within_leads_power(roles))
    throw Fault("http.forbidden", {{"roles", "officer"}});
}

std::set<Role> read_roles(Fields& fields) {
  std::set<Role> roles;
  for (const std::string& name : fields.texts("roles")) {
    auto role = role_from(name);
    if (!role || *role == Role::officer) throw Fault("person.role", {{"role", name.substr(0, 32)}});
    roles.insert(*role);
  }
  if (roles.empty()) throw Fault("person.role", {{"role", "none"}});
  return roles;
}

}  // namespace

Task<Response> list_persons(Desk& desk, Call&) {
  auto look = [](Reader& db) { return std::pair(people::list(db), people::solo(db)); };
  auto [all, solo] = co_await desk.services.ledger->read(look);
  Json list = Json::array();
  for (const Person& person : all)
    if (!person.removed) list.push_back(person_json(person));
  Json body = {{"persons", list}, {"solo", solo}};
  co_return json_response(body);
}

// The one secret that an answer ever bears: the new person's token, this once. Only its digest is
// kept.
Task<Response> add_person(Desk& desk, Call& call) {
  Fields fields(call.request.body);
  Person person;
  person.name = fields.text("name", 32);
  person.roles = read_roles(fields);
  if (auto uid = fields.integer_if("uid", 0, 0xFFFFFFFE)) person.uid = static_cast<unsigned>(*uid);
  fields.finish();
  must_be_within_power(call.person, person.roles);
  person.created_by = call.person.name;
  auto draw = [vault = desk.services.vault] { return vault->random(32); };
  Bytes random = co_await on(*desk.services.token_pool, draw);
  std::string token = hex(random);
  Digest digest = sha256(view(token));
  auto act = [&](Transaction& db) { people::add(db, call.actor(), person, digest); };
  co_await desk.services.ledger->transact(act);
  Json body = {{"name", person.name}, {"token", token}};
  co_return json_response(body, 201);
}

Task<Response> remove_person(Desk& desk, Call& call) {
  must_be_empty(call);
  const std::string& name = call.args.at(0);
  auto act = [&](Transaction& db) {
    auto person = people::by_name(db, name);
    if (!person || person->removed) throw Fault("person.unknown", {{"name", name.substr(0, 32)}});
    must_be_within_power(call.person, person->roles);
    people::remove(db, call.actor(), name);
  };
  co_await desk.services.ledger->transact(act);
  desk.sessions.close_all(name);
  co_return Response();
}

Task<Response> apply_roster(Desk& desk, Call& call) {
  Fields fields(call.request.body);
  Bytes bytes = fields.base64("roster");
  std::string signature = fields.text("signature");
  fields.finish();
  Roster roster = read_roster(bytes, signature, desk.owner_key, desk.station);
  auto act = [&](Transaction& db) { people::apply_roster(db, call.actor(), roster); };
  co_await desk.services.ledger->transact(act);
  for (const auto& [name, credential] : roster.officers) desk.sessions.close_all(name);
  Json names = Json::array();
  for (const auto& [name, credential] : roster.officers) names.push_back(name);
  Json body = {{"roster", roster.id}, {"solo", roster.solo}, {"officers", names}};
  co_return json_response(body);
}

}  // namespace mintmark::handlers
