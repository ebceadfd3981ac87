// Units, their runs and their labels.
#include "station/rest/handlers.hpp"
#include "station/rest/units.hpp"

namespace mintmark::handlers {

namespace {

constexpr int kMaxPage = 1000;

int read_limit(const Call& call) {
  auto text = call.asked("limit");
  return text ? static_cast<int>(read_number(*text, "limit", 1, kMaxPage)) : 100;
}

void must_be_theirs(const Call& call, const Json& found) {
  if (call.only_integrator() && found["opened_by"] != call.person.name)
    throw Fault("http.not_yours");
}

}  // namespace

Task<Response> list_units(Desk& desk, Call& call) {
  std::string lot = call.asked("lot").value_or(""), after = call.asked("after").value_or("");
  std::string owner = call.only_integrator() ? call.person.name : "";
  int limit = read_limit(call);
  auto look = [&](Reader& db) { return units::page(db, lot, owner, after, limit); };
  Json body = co_await desk.services.ledger->read(look);
  co_return json_response(body);
}

Task<Response> show_unit(Desk& desk, Call& call) {
  auto look = [&](Reader& db) { return units::one(db, call.args.at(0)); };
  Json body = co_await desk.services.ledger->read(look);
  must_be_theirs(call, body);
  co_return json_response(body);
}

Task<Response> show_run(Desk& desk, Call& call) {
  auto look = [&](Reader& db) { return units::run(db, call.args.at(0)); };
  Json body = co_await desk.services.ledger->read(look);
  must_be_theirs(call, body);
  co_return json_response(body);
}

Task<Response> abandon_run(Desk& desk, Call& call) {
  Fields fields(call.request.body);
  std::string reason = fields.text("reason");
  fields.finish();
  co_await desk.line.abandon(call.actor(), call.args.at(0), std::move(reason));
  co_return Response();
}

Task<Response> scan(Desk& desk, Call& call) {
  Fields fields(call.request.body);
  std::string unit = fields.text("unit", 512), symbol = fields.text("symbol", 512);
  fields.finish();
  Json body = co_await desk.line.scan(call.actor(), std::move(unit), std::move(symbol));
  co_return json_response(body);
}

Task<Response> void_label(Desk& desk, Call& call) {
  Fields fields(call.request.body);
  std::string symbol = fields.text("symbol", 512), reason = fields.text("reason");
  fields.finish();
  co_await desk.line.void_label(call.actor(), std::move(symbol), std::move(reason));
  co_return Response();
}

Task<Response> lose_label(Desk& desk, Call& call) {
  Fields fields(call.request.body);
  std::string serial = fields.text("serial", 64), reason = fields.text("reason");
  fields.finish();
  co_await desk.line.lose_label(call.actor(), std::move(serial), std::move(reason));
  co_return Response();
}

}  // namespace mintmark::handlers
