// Who may do what (FORMATS, "Roles", "Roster"). Credentials are kept as digests only.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "station/ledger/ledger.hpp"

namespace mintmark {

enum class Role { op, lead, officer, integrator, auditor };
std::string_view word(Role role);  // operator, lead, officer, integrator, auditor
std::optional<Role> role_from(std::string_view word);

struct Person {
  Person() = default;
  std::string name;  // [a-z][a-z0-9-]{0,31}
  std::set<Role> roles;
  std::optional<unsigned> uid;  // of the Unix socket's peer
  std::string created_by;
  bool removed = false;
  bool may(Role role) const { return roles.contains(role); }
};

// A roster, signed by the owner like an order: {"roster": UUIDv7, "station": UUID, "solo": bool,
// "not_after": date, "officers": [{"name": ..., "credential": hex SHA-256 of the token}]}.
struct Roster {
  Roster() = default;
  std::string id, station;
  bool solo = false;
  std::vector<std::pair<std::string, std::string>> officers;
  Bytes bytes, signature;
};
// Faults "roster.signature", "roster.station", "roster.malformed" (field, reason),
// "roster.expired".
Roster read_roster(View bytes, std::string_view signature_base64, View owner_key,
                   const std::string& station);

namespace people {

bool is_name(std::string_view text);
// None of these finds a person who was removed; list() has them all.
std::optional<Person> by_token(Reader& db,
                               std::string_view token);  // constant-time by digest look-up
std::optional<Person> by_uid(Reader& db, unsigned uid);
std::optional<Person> by_name(Reader& db, const std::string& name);
std::vector<Person> list(Reader& db);
// Officers come from a roster only. Fault "person.exists", "person.malformed", "person.role".
void add(Transaction& db, const Actor& actor, const Person& person, const Digest& token_digest);
void set_token(Transaction& db, const Actor& actor, const std::string& name,
               const Digest& token_digest);
void remove(Transaction& db, const Actor& actor, const std::string& name);
// Replaces the officers by the roster's. Fault "roster.used" for one that was applied before (or an
// older one).
void apply_roster(Transaction& db, const Actor& actor, const Roster& roster);
bool solo(Reader& db);

}  // namespace people
}  // namespace mintmark
