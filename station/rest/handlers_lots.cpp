// Lots: opened from the owner's order, paused, closed.
#include "station/rest/handlers.hpp"
#include "station/words/fault.hpp"

namespace mintmark::handlers {

namespace {

Json or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

// A lot that an integrator may not see is unknown to him.
Task<Lot> find(Desk& desk, const Call& call) {
  auto look = [&](Reader& db) { return lots::get(db, call.args.at(0)); };
  Lot lot = co_await desk.services.ledger->read(look);
  must_be_theirs(call, lot);
  co_return lot;
}

}  // namespace

Json lot_json(const Lot& lot) {
  Json places = Json::array();
  for (const auto& [place, zpl] : lot.templates) places.push_back(place);
  return {{"lot", lot.id},
          {"order", lot.order},
          {"kind", lot.kind},
          {"product", lot.product_name},
          {"product_number", lot.product_number},
          {"state", lot.state},
          {"code", or_null(lot.pause_code)},
          {"quantity", lot.quantity},
          {"spares", lot.spares},
          {"admitted", lot.admitted},
          {"passed", lot.passed},
          {"open", lot.open_runs},
          {"other", lot.other},
          {"places", places},
          {"opened_by", lot.opened_by},
          {"opened_at", lot.opened_at},
          {"closed_at", or_null(lot.closed_at)}};
}

void must_be_theirs(const Call& call, const Lot& lot) {
  if (call.only_integrator() && lot.opened_by != call.person.name) throw Fault("http.not_yours");
}

Task<Response> list_lots(Desk& desk, Call& call) {
  auto look = [](Reader& db) { return lots::list(db); };
  std::vector<Lot> all = co_await desk.services.ledger->read(look);
  Json list = Json::array();
  for (const Lot& lot : all)
    if (!call.only_integrator() || lot.opened_by == call.person.name) list.push_back(lot_json(lot));
  co_return json_response({{"lots", list}});
}

Task<Response> show_lot(Desk& desk, Call& call) {
  Lot lot = co_await find(desk, call);
  co_return json_response(lot_json(lot));
}

Task<Response> open_lot(Desk& desk, Call& call) {
  Fields fields(call.request.body);
  OrderFiles files;
  files.order = fields.base64("order");
  files.signature = fields.text("signature");
  files.product = fields.base64("product");
  files.templates = fields.base64_map("templates");
  fields.finish();
  Lot lot = co_await desk.line.open_lot(call.actor(), std::move(files));
  Response response = json_response(lot_json(lot), 201);
  response.headers.emplace_back("Location", "/api/v1/lots/" + lot.id);
  co_return response;
}

Task<Response> close_lot(Desk& desk, Call& call) {
  must_be_empty(call);
  Lot lot = co_await desk.line.close_lot(call.actor(), call.args.at(0));
  co_return json_response(lot_json(lot));
}

Task<Response> pause_lot(Desk& desk, Call& call) {
  must_be_empty(call);
  Lot lot = co_await desk.line.pause_lot(call.actor(), call.args.at(0));
  co_return json_response(lot_json(lot));
}

Task<Response> resume_lot(Desk& desk, Call& call) {
  must_be_empty(call);
  Lot lot = co_await desk.line.resume_lot(call.actor(), call.args.at(0));
  co_return json_response(lot_json(lot));
}

}  // namespace mintmark::handlers
