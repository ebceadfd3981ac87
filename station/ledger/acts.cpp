#include "station/ledger/acts.hpp"

#include <ctime>

#include "station/ledger/rows.hpp"
#include "station/words/clock.hpp"

namespace mintmark::acts {

static std::string in(std::chrono::seconds lifetime) {
  return utc(static_cast<std::int64_t>(std::time(nullptr)) + lifetime.count());
}

static bool expired(const Act& act) { return act.expires_at <= in(std::chrono::seconds(0)); }

static Json object(const std::string& text) {
  Json out = Json::parse(text, nullptr, false);
  return out.is_object() ? out : Json::object();
}

static constexpr std::string_view kAct =
    "SELECT id, kind, subject, arguments, reason, proposed_by, proposed_at, expires_at, "
    "coalesce(confirmed_by, ''), confirmed_at, solo, state, result, code FROM act ";

static Act act_from(const sqlite::Statement& row) {
  Act out;
  out.id = row.get<std::string>(0);
  out.kind = row.get<std::string>(1);
  out.subject = row.get<std::string>(2);
  out.arguments = object(row.get<std::string>(3));
  out.reason = row.get<std::string>(4);
  out.proposed_by = row.get<std::string>(5);
  out.proposed_at = row.get<std::string>(6);
  out.expires_at = row.get<std::string>(7);
  out.confirmed_by = row.get<std::string>(8);
  out.confirmed_at = row.get<std::string>(9);
  out.solo = row.get<bool>(10);
  out.state = row.get<std::string>(11);
  out.result = object(row.get<std::string>(12));
  out.code = row.get<std::string>(13);
  if (out.state == "proposed" && expired(out)) out.state = "expired";
  return out;
}

Act get(Reader& db, const std::string& id) {
  auto row = db.query(std::string(kAct) + "WHERE id = ?", id);
  if (!row.step()) throw Fault("act.unknown", {{"act", id.substr(0, 36)}});
  return act_from(row);
}

std::vector<Act> list(Reader& db, bool all) {
  std::vector<Act> out;
  auto row = db.query(std::string(kAct) + "ORDER BY id DESC");
  while (row.step()) {
    Act act = act_from(row);
    if (all || act.state == "proposed" || act.state == "confirmed") out.push_back(std::move(act));
  }
  return out;
}

static Person must_be_officer(Reader& db, const std::string& name) {
  auto person = people::by_name(db, name);
  if (!person || !person->may(Role::officer)) throw Fault("act.officer", {{"name", name}});
  return *person;
}

// How every entry about an act begins.
static Json about_act(const Act& act) {
  return {{"act", act.id},          {"kind", act.kind},
          {"subject", act.subject}, {"arguments", act.arguments},
          {"reason", act.reason},   {"proposed_by", act.proposed_by}};
}

Act propose(Transaction& db, const std::string& by, const Act& asked,
            std::chrono::seconds lifetime) {
  must_be_officer(db, by);
  db.exec(
      "INSERT INTO act (id, kind, subject, arguments, reason, proposed_by, proposed_at, "
      "expires_at) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      asked.id, asked.kind, asked.subject, asked.arguments.dump(), asked.reason, by, utc_now(),
      in(lifetime));
  Act out = get(db, asked.id);
  Json entry = about_act(out);
  entry["expires_at"] = out.expires_at;
  db.journal(Actor(by), "act.propose", entry);
  return out;
}

static Act must_wait(Reader& db, const std::string& id, std::string_view state) {
  Act act = get(db, id);
  if (act.state == "expired") throw Fault("act.expired", {{"act", id}});
  if (act.state != state) throw Fault("act.ended", {{"act", id}, {"state", act.state}});
  return act;
}

static void must_be_two(Reader& db, const Act& act, const std::string& by) {
  Person second = must_be_officer(db, by), first = must_be_officer(db, act.proposed_by);
  if (people::solo(db)) return;
  if (first.name == second.name) throw Fault("act.same_person", {{"name", by}});
  if (first.created_by == second.name || second.created_by == first.name)
    throw Fault("act.related", {{"first", first.name}, {"second", second.name}});
}

static Act must_be_confirmable(Reader& db, const std::string& by, const std::string& id) {
  Act act = must_wait(db, id, "proposed");
  must_be_two(db, act, by);
  return act;
}

static Act confirmed(Transaction& db, const std::string& by, const std::string& id,
                     const std::string& state, const std::string& check) {
  db.exec("UPDATE act SET confirmed_by = ?, confirmed_at = ?, solo = ?, state = ? WHERE id = ?", by,
          utc_now(), people::solo(db), state, id);
  Act out = get(db, id);
  Json entry = about_act(out);
  entry["confirmed_by"] = by;
  entry["solo"] = out.solo;
  if (!check.empty()) entry["check"] = check;
  db.journal(Actor(by), "act.confirm", entry);
  return out;
}

Act confirm(Transaction& db, const std::string& by, const std::string& id,
            const std::string& state) {
  must_be_confirmable(db, by, id);
  return confirmed(db, by, id, state, "");
}

std::optional<Act> confirm_compared(Transaction& db, const std::string& by, const std::string& id,
                                    const std::string& state, const std::string& given) {
  Act act = must_be_confirmable(db, by, id);
  if (given == act.subject) return confirmed(db, by, id, state, given);
  Json entry = about_act(act);
  entry["check"] = given;
  db.journal(Actor(by), "act.mismatch", entry);
  return std::nullopt;
}

Act finish(Transaction& db, const Actor& actor, const std::string& id, const Json& result) {
  must_wait(db, id, "confirmed");
  db.exec("UPDATE act SET state = 'done', result = ? WHERE id = ?", result.dump(), id);
  Act out = get(db, id);
  Json entry = about_act(out);
  entry["result"] = result;
  db.journal(actor, "act.done", entry);
  return out;
}

Act fail(Transaction& db, const Actor& actor, const std::string& id, const Fault& why) {
  must_wait(db, id, "confirmed");
  db.exec("UPDATE act SET state = 'failed', code = ? WHERE id = ?", why.code(), id);
  Act out = get(db, id);
  Json entry = about_act(out);
  entry["code"] = why.code();
  entry["args"] = rows::args(why.args());
  db.journal(actor, "act.fail", entry);
  return out;
}

void withdraw(Transaction& db, const std::string& by, const std::string& id) {
  must_be_officer(db, by);
  Act act = must_wait(db, id, "proposed");
  db.exec("UPDATE act SET state = 'withdrawn' WHERE id = ?", id);
  db.journal(Actor(by), "act.withdraw", about_act(act));
}

}  // namespace mintmark::acts
