// What two officers do together: proposed by one, confirmed by another.
#include <spdlog/spdlog.h>

#include <algorithm>

#include "station/rest/handlers.hpp"
#include "station/words/clock.hpp"

namespace mintmark {

namespace {

Json null_if_empty(const std::string& text) { return text.empty() ? Json() : Json(text); }

const ActKind* find_kind(const Desk& desk, const std::string& kind) {
  auto found = std::find_if(desk.act_kinds.begin(), desk.act_kinds.end(),
                            [&](const ActKind& k) { return k.kind == kind; });
  return found == desk.act_kinds.end() ? nullptr : &*found;
}

Json act_json(const Desk& desk, const Act& act) {
  const ActKind* kind = find_kind(desk, act.kind);
  return {{"act", act.id},
          {"kind", act.kind},
          {"subject", act.subject},
          {"compared", kind != nullptr && kind->compared},
          {"arguments", act.arguments},
          {"reason", act.reason},
          {"state", act.state},
          {"code", null_if_empty(act.code)},
          {"result", act.result},
          {"proposed_by", act.proposed_by},
          {"proposed_at", act.proposed_at},
          {"expires_at", act.expires_at},
          {"confirmed_by", null_if_empty(act.confirmed_by)},
          {"confirmed_at", null_if_empty(act.confirmed_at)},
          {"solo", act.solo}};
}

const ActKind& kind_of(const Desk& desk, const std::string& kind) {
  const ActKind* found = find_kind(desk, kind);
  if (found == nullptr) throw Fault("act.kind", {{"kind", kind.substr(0, 64)}});
  return *found;
}

// The value that the second officer gives, where this kind of act is compared.
std::string given_value(const Call& call, const ActKind& kind) {
  if (call.request.body.empty()) return {};
  Fields fields(call.request.body);
  auto given = kind.compared ? fields.text_if("check", 64) : std::nullopt;
  fields.finish();
  return given.value_or("");
}

// Nothing where what was to be compared differs.
std::optional<Act> confirm_here(Transaction& db, const Desk& desk, const Call& call) {
  const std::string& id = call.args.at(0);
  const ActKind& kind = kind_of(desk, acts::get(db, id).kind);
  std::string given = given_value(call, kind);
  if (kind.compared && given.empty()) throw Fault("act.not_compared");
  std::string state = kind.execute != nullptr ? "done" : "confirmed";
  std::optional<Act> act = kind.compared
                               ? acts::confirm_compared(db, call.person.name, id, state, given)
                               : acts::confirm(db, call.person.name, id, state);
  if (act && kind.execute != nullptr) kind.execute(db, call.actor(), *act);
  return act;
}

// After the confirmation is committed: whatever comes of it is on record, and a fault is the
// confirming officer's to see.
Task<Act> perform_act(Desk& desk, const ActKind& kind, Act act) {
  Actor actor(act.confirmed_by);
  std::optional<Fault> fault;
  Json result;
  try {
    result = co_await kind.perform(desk, act);
  } catch (const Fault& f) {
    fault = f;
  } catch (const std::exception& e) {
    fault = Fault("station.internal", {}, e.what());
  }
  auto note = [&](Transaction& db) {
    return fault ? acts::fail(db, actor, act.id, *fault) : acts::finish(db, actor, act.id, result);
  };
  Act over = co_await desk.services.ledger->transact(note);
  if (fault) throw Fault(*fault);
  co_return over;
}

}  // namespace

void fail_interrupted_acts(Desk& desk) {
  auto fail = [&](Transaction& db) {
    for (const Act& act : acts::list(db, true)) {
      const ActKind* kind = find_kind(desk, act.kind);
      if (act.state != "confirmed" || kind == nullptr || kind->perform == nullptr) continue;
      spdlog::warn("act {} {}: the station stopped while it was being done", act.kind, act.id);
      acts::fail(db, Actor("station"), act.id, Fault("act.interrupted"));
    }
  };
  desk.services.ledger->transact_now(fail);
}

namespace handlers {

Task<Response> list_acts(Desk& desk, Call& call) {
  bool all = call.asked("all") == "true";
  if (call.asked("all") && !all) throw Fault("http.query", {{"name", "all"}});
  auto look = [all](Reader& db) { return acts::list(db, all); };
  std::vector<Act> found = co_await desk.services.ledger->read(look);
  Json list = Json::array();
  for (const Act& act : found) list.push_back(act_json(desk, act));
  Json body = {{"acts", list}};
  co_return json_response(body);
}

Task<Response> propose_act(Desk& desk, Call& call) {
  Fields fields(call.request.body);
  Act act;
  act.kind = fields.text("kind", 64);
  act.subject = fields.text("subject", 256);
  act.arguments = fields.object_if("arguments");
  act.reason = fields.text("reason");
  std::chrono::minutes lifetime(
      fields.integer_if("minutes", 1, 7 * 24 * 60).value_or(acts::kLifetime.count()));
  fields.finish();
  const ActKind& kind = kind_of(desk, act.kind);
  auto draw = [vault = desk.services.vault] { return uuid_v7(vault->random(16)); };
  act.id = co_await on(*desk.services.token_pool, draw);
  auto propose = [&](Transaction& db) {
    if (kind.check != nullptr) kind.check(db, act);
    return acts::propose(db, call.person.name, act, lifetime);
  };
  Act made = co_await desk.services.ledger->transact(propose);
  co_return json_response(act_json(desk, made), 201);
}

Task<Response> confirm_act(Desk& desk, Call& call) {
  auto confirm = [&](Transaction& db) { return confirm_here(db, desk, call); };
  std::optional<Act> act = co_await desk.services.ledger->transact(confirm);
  if (!act) throw Fault("act.mismatch");
  const ActKind& kind = kind_of(desk, act->kind);
  if (kind.perform != nullptr) act = co_await perform_act(desk, kind, *act);
  co_await desk.line.look_again();
  co_return json_response(act_json(desk, *act));
}

Task<Response> withdraw_act(Desk& desk, Call& call) {
  must_be_empty(call);
  auto withdraw = [&](Transaction& db) { acts::withdraw(db, call.person.name, call.args.at(0)); };
  co_await desk.services.ledger->transact(withdraw);
  co_return Response();
}

}  // namespace handlers
}  // namespace mintmark
