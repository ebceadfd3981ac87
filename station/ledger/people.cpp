#include "station/ledger/people.hpp"

#include <algorithm>
#include <array>

#include "station/words/clock.hpp"
#include "station/words/crypto.hpp"
#include "station/words/fault.hpp"

namespace mintmark {

static constexpr std::array<std::string_view, 5> kRoles = {"operator", "lead", "officer",
                                                           "integrator", "auditor"};

std::string_view word(Role role) { return kRoles.at(static_cast<std::size_t>(role)); }

std::optional<Role> role_from(std::string_view word) {
  for (std::size_t i = 0; i < kRoles.size(); ++i)
    if (kRoles.at(i) == word) return static_cast<Role>(i);
  return std::nullopt;
}

namespace people {

bool is_name(std::string_view text) {
  auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  return !text.empty() && text.size() <= 32 && text.front() >= 'a' && text.front() <= 'z' &&
         std::all_of(text.begin(), text.end(), plain);
}

static Json words(const std::set<Role>& roles) {
  Json out = Json::array();
  for (Role role : roles) out.push_back(word(role));
  return out;
}

static std::set<Role> roles_from(const std::string& json) {
  std::set<Role> out;
  Json list = Json::parse(json, nullptr, false);
  for (const Json& item : list)
    if (auto role = item.is_string() ? role_from(item.get<std::string>()) : std::nullopt)
      out.insert(*role);
  return out;
}

static constexpr std::string_view kPerson =
    "SELECT name, roles, uid, created_by, removed FROM person ";

static Person from(const sqlite::Statement& row) {
  Person out;
  out.name = row.get<std::string>(0);
  out.roles = roles_from(row.get<std::string>(1));
  out.uid = row.get<std::optional<unsigned>>(2);
  out.created_by = row.get<std::string>(3);
  out.removed = row.get<bool>(4);
  return out;
}

template <class T>
static std::optional<Person> find(Reader& db, std::string_view column, const T& value) {
  auto row = db.query(
      std::string(kPerson) + "WHERE removed = 0 AND " + std::string(column) + " = ?", value);
  if (!row.step()) return std::nullopt;
  return from(row);
}

std::optional<Person> by_token(Reader& db, std::string_view token) {
  // The look-up compares digests: what its time tells is nothing about a token.
  return find(db, "token", sha256(view(token)));
}

std::optional<Person> by_uid(Reader& db, unsigned uid) { return find(db, "uid", uid); }

std::optional<Person> by_name(Reader& db, const std::string& name) {
  return find(db, "name", name);
}

std::vector<Person> list(Reader& db) {
  std::vector<Person> out;
  auto row = db.query(std::string(kPerson) + "ORDER BY name");
  while (row.step()) out.push_back(from(row));
  return out;
}

static void check(Reader& db, const Person& person) {
  static constexpr std::string_view kReserved[] = {"station", "owner"};
  bool reserved =
      std::find(std::begin(kReserved), std::end(kReserved), person.name) != std::end(kReserved);
  if (!is_name(person.name) || reserved) throw Fault("person.malformed", {{"field", "name"}});
  if (person.roles.empty()) throw Fault("person.malformed", {{"field", "roles"}});
  if (person.may(Role::officer)) throw Fault("person.role", {{"role", "officer"}});
  if (db.exists("SELECT 1 FROM person WHERE name = ?", person.name))
    throw Fault("person.exists", {{"name", person.name}});
  auto same_uid = person.uid ? by_uid(db, *person.uid) : std::nullopt;
  if (same_uid) throw Fault("person.exists", {{"name", same_uid->name}});
}

static void must_be_unused(Reader& db, const std::string& name, View token_digest) {
  auto owner =
      db.value<std::string>("SELECT name FROM person WHERE token = ?", to_bytes(token_digest));
  if (owner && *owner != name) throw Fault("person.exists", {{"name", *owner}});
}

static void insert(Transaction& db, const std::string& created_by, const Person& person,
                   View token_digest) {
  db.exec(
      "INSERT INTO person (name, roles, uid, token, created_by, created_at) VALUES (?, ?, ?, ?, ?, "
      "?)",
      person.name, words(person.roles).dump(), person.uid, token_digest, created_by, utc_now());
}

void add(Transaction& db, const Actor& actor, const Person& person, const Digest& token_digest) {
  check(db, person);
  must_be_unused(db, person.name, token_digest);
  insert(db, actor.name, person, token_digest);
  Json entry = {{"name", person.name}, {"roles", words(person.roles)}};
  if (person.uid) entry["uid"] = *person.uid;
  db.journal(actor, "person.add", entry);
}

static Person must_be_known(Reader& db, const std::string& name) {
  auto person = by_name(db, name);
  if (!person) throw Fault("person.unknown", {{"name", name}});
  return *person;
}

void set_token(Transaction& db, const Actor& actor, const std::string& name,
               const Digest& token_digest) {
  // An officer's credential is the owner's to name.
  if (must_be_known(db, name).may(Role::officer)) throw Fault("person.role", {{"role", "officer"}});
  must_be_unused(db, name, token_digest);
  db.exec("UPDATE person SET token = ? WHERE name = ?", token_digest, name);
  db.journal(actor, "person.token", {{"name", name}});
}

void remove(Transaction& db, const Actor& actor, const std::string& name) {
  must_be_known(db, name);
  db.exec("UPDATE person SET removed = 1, token = NULL WHERE name = ?", name);
  db.journal(actor, "person.remove", {{"name", name}});
}

// Officers that the new roster does not name lose the role and, where that was their only one, go.
static void retire_officers(Transaction& db, const Roster& roster) {
  for (Person& person : list(db)) {
    if (!person.may(Role::officer)) continue;
    bool stays = std::any_of(roster.officers.begin(), roster.officers.end(),
                             [&](const auto& officer) { return officer.first == person.name; });
    if (stays) continue;
    person.roles.erase(Role::officer);
    bool removed = person.removed || person.roles.empty();
    // The token that the owner gave to an officer opens nothing else.
    db.exec("UPDATE person SET roles = ?, removed = ?, token = NULL WHERE name = ?",
            words(person.roles).dump(), removed, person.name);
  }
}

static void appoint(Transaction& db, const std::string& name, const Bytes& digest) {
  must_be_unused(db, name, digest);
  auto row = db.query(std::string(kPerson) + "WHERE name = ?", name);
  Person person;
  if (row.step()) person = from(row);
  bool known = !person.name.empty();
  if (person.removed) person.roles.clear();  // what was taken away does not come back by a roster
  person.name = name;
  person.roles.insert(Role::officer);
  if (!known) return insert(db, "owner", person, digest);
  db.exec(
      "UPDATE person SET roles = ?, token = ?, removed = 0, uid = CASE removed WHEN 1 THEN NULL "
      "ELSE uid END WHERE name = ?",
      words(person.roles).dump(), digest, name);
}

void apply_roster(Transaction& db, const Actor& actor, const Roster& roster) {
  // UUIDv7: the text sorts by time.
  if (db.exists("SELECT 1 FROM roster WHERE id >= ?", roster.id))
    throw Fault("roster.used", {{"roster", roster.id}});
  db.exec(
      "INSERT INTO roster (id, solo, bytes, signature, applied_by, applied_at) "
      "VALUES (?, ?, ?, ?, ?, ?)",
      roster.id, roster.solo, roster.bytes, roster.signature, actor.name, utc_now());
  retire_officers(db, roster);
  Json names = Json::array();
  for (const auto& [name, credential] : roster.officers) {
    appoint(db, name, from_hex(credential).value_or(Bytes{}));
    names.push_back(name);
  }
  db.journal(actor, "roster.apply",
             {{"roster", roster.id},
              {"solo", roster.solo},
              {"officers", std::move(names)},
              {"sha256", hex(sha256(roster.bytes))},
              {"signature", base64(roster.signature)}});
}

bool solo(Reader& db) {
  return db.value<bool>("SELECT solo FROM roster ORDER BY id DESC LIMIT 1").value_or(false);
}

}  // namespace people
}  // namespace mintmark
