#include "station/rest/problem.hpp"

#include <algorithm>
#include <array>

namespace mintmark {

namespace embedded {
std::string_view page_files(std::string_view path);
}

namespace {

struct Row {
  std::string_view code;
  int status;
};

// What is not here is a conflict with the state of the station: 409.
constexpr Row kRows[] = {
    {"http.malformed", 400},
    {"http.unknown_field", 400},
    {"http.missing_field", 400},
    {"http.wrong_type", 400},
    {"http.query", 400},
    {"audit.nonce_malformed", 400},
    {"http.unauthenticated", 401},
    {"http.forbidden", 403},
    {"http.cross_site", 403},
    {"http.not_yours", 403},
    {"http.not_found", 404},
    {"lot.unknown", 404},
    {"run.unknown", 404},
    {"unit.unknown", 404},
    {"person.unknown", 404},
    {"slot.unknown", 404},
    {"act.unknown", 404},
    {"act.same_person", 403},
    {"act.related", 403},
    {"act.officer", 403},
    {"act.not_yours", 403},
    {"act.kind", 422},
    {"act.not_compared", 422},
    {"act.mismatch", 422},
    {"act.arguments", 422},
    {"ca.chain", 422},
    {"clone.check", 422},
    {"clone.request", 422},
    {"escrow.key", 422},
    {"escrow.none", 404},
    {"signer.never", 422},
    {"signer.unknown", 422},
    {"http.method", 405},
    {"http.too_large", 413},
    {"http.content_type", 415},
    {"http.unknown_host", 421},
    {"order.malformed", 422},
    {"order.signature", 422},
    {"order.station", 422},
    {"order.expired", 422},
    {"order.product_differs", 422},
    {"product.digest", 422},
    {"product.token_lacks", 422},
    {"template.digest", 422},
    {"template.missing", 422},
    {"template.invalid", 422},
    {"policy.weak", 422},
    {"policy.length", 422},
    {"policy.alphabet", 422},
    {"policy.derivation_key", 422},
    {"identity.profile", 422},
    {"config.invalid", 422},
    {"roster.malformed", 422},
    {"roster.signature", 422},
    {"roster.station", 422},
    {"roster.expired", 422},
    {"person.malformed", 422},
    {"person.role", 422},
    {"scan.malformed", 422},
    {"serials.malformed", 422},
    {"http.too_many", 429},
    {"http.internal", 500},
    {"crypto.failed", 500},
    {"identity.failed", 500},
    {"journal.too_long", 500},
    {"token.away", 503},
    {"token.missing", 503},
    {"token.refused", 503},
    {"token.key", 503},
    {"token.pin", 503},
    {"token.pin_marked", 503},
    {"token.pin_locked", 503},
    {"token.full", 503},
    {"disk.full", 503},
    {"disk.no_room", 503},
    {"ledger.failed", 503},
    {"ledger.busy", 503},
    {"ledger.tampered", 503},
    {"ledger.replaced", 503},
    {"clock.wrong", 503},
    {"rng.broken", 503},
    {"label.sink", 503},
    {"station.stopping", 503},
    {"memory.unlocked", 503},
};

using Table = std::map<std::string, std::string, std::less<>>;

// Codes are words with dots, so they cannot collide with the page's own phrases.
void collect(const Json& node, Table& table) {
  for (const auto& [key, value] : node.items()) {
    if (value.is_string()) table.emplace(key, value.get<std::string>());
    if (value.is_object()) collect(value, table);
  }
}

Table read_table() {
  Table table;
  Json english = Json::parse(embedded::page_files("lang/en.json"), nullptr, false);
  if (english.is_object()) collect(english, table);
  return table;
}

}  // namespace

std::string sentence(const std::string& code, const Fault::Args& args) {
  static const Table kTable = read_table();
  auto at = kTable.find(code);
  if (at == kTable.end()) return code;
  std::string out;
  const std::string& pattern = at->second;
  for (std::size_t i = 0; i < pattern.size();) {
    std::size_t end = pattern[i] == '{' ? pattern.find('}', i) : std::string::npos;
    auto arg =
        end == std::string::npos ? args.end() : args.find(pattern.substr(i + 1, end - i - 1));
    if (arg == args.end()) {
      out += pattern[i++];
    } else {
      out += arg->second;
      i = end + 1;
    }
  }
  return out;
}

int status_of(const std::string& code) {
  const auto* row = std::find_if(std::begin(kRows), std::end(kRows),
                                 [&](const Row& r) { return r.code == code; });
  return row == std::end(kRows) ? 409 : row->status;
}

Response json_response(const Json& body, int status) {
  return {status, "application/json",
          body.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"};
}

Response problem(const Fault& fault) {
  int status = status_of(fault.code());
  Json body = {{"type", "urn:mintmark:fault:" + fault.code()},
               {"title", sentence(fault.code(), fault.args())},
               {"status", status},
               {"code", fault.code()},
               {"args", Json::object()}};
  for (const auto& [key, value] : fault.args()) body["args"][key] = value;
  Response response = json_response(body, status);
  response.type = "application/problem+json";
  if (status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"mintmark\"");
  if (status == 429) response.headers.emplace_back("Retry-After", "1");
  return response;
}

}  // namespace mintmark
