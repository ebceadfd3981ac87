// Orders, lots, and whether the station may issue at all.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "station/ledger/acts.hpp"

namespace mintmark {

// FORMATS, "Order", verified. `bytes` are the signed bytes.
struct Order {
  Order() = default;
  std::string id, station, product_name;
  std::int64_t product_number = 0;
  std::string product_sha256;  // hex
  int quantity = 0, spares = 0;
  std::vector<std::pair<std::string, std::string>>
      serials;  // ranges, first to last; a single one twice
  std::vector<std::pair<std::string, std::string>> macs;
  bool serials_from_mes = false;
  std::string not_after;  // RFC 3339 or a date
  std::string owner_checkpoint;
  std::string kind;  // production, trial, golden
  Bytes bytes, signature;
};

// Parses and checks everything that the bytes alone show: signature by the owner's key, station,
// fields (an unknown one is refused), sizes, ranges, expiry. Faults "order.signature",
// "order.station", "order.malformed" (field, reason), "order.expired".
Order read_order(View bytes, std::string_view signature_base64, View owner_key,
                 const std::string& station);

struct Lot {
  Lot() = default;
  std::string id, order, kind, product_name, state;  // open, paused, closed
  std::string pause_code;
  std::int64_t product_number = 0;
  int quantity = 0, spares = 0, admitted = 0, passed = 0, open_runs = 0, other = 0;
  std::string product_toml;                                    // the frozen bytes
  std::vector<std::pair<std::string, std::string>> templates;  // place, frozen ZPL
  std::string seal_key;                                        // label of the token key
  std::string opened_by, opened_at, closed_at;
};

namespace lots {

// One order, one lot, once. Faults "order.used", "order.checkpoint_unknown" (the owner has seen a
// checkpoint that this ledger does not have), "lot.product_open" (an open lot already makes this
// product number), "order.product_differs" (product_toml is not what the order's digest names).
Lot open(Transaction& db, const Actor& actor, const Order& order, const std::string& lot,
         const std::string& product_toml,
         const std::vector<std::pair<std::string, std::string>>& templates,
         const std::string& seal_key);
// Fault "lot.open_runs" (count) while runs are open; "lot.closed" when it already is. What was
// counted of its passwords is published with it (symbols.hpp).
Lot close(Transaction& db, const Actor& actor, const std::string& lot);
Lot pause(Transaction& db, const Actor& actor, const std::string& lot, const std::string& code);
Lot resume(Transaction& db, const Actor& actor, const std::string& lot);
Lot get(Reader& db, const std::string& lot);  // Fault "lot.unknown"
std::vector<Lot> list(Reader& db);
// The same without passed, open_runs and other, which cost a look at every run of the lot: for
// whoever needs a lot once a unit. `unfinished`: those that are not closed.
Lot get_uncounted(Reader& db, const std::string& lot);
std::vector<Lot> unfinished(Reader& db);
void count_units(Reader& db, Lot& lot);

// A broken random generator or a tampered ledger stops the whole station. What it stopped for is
// the subject of the act "station.resume" of two officers, by which it goes on.
void stop_issuing(Transaction& db, const Actor& actor, const std::string& code,
                  const std::string& detail);
std::optional<std::string> stopped(Reader& db);  // the code
// Fault "station.not_stopped" where it did not stop for this.
void check_resume_issuing(Reader& db, const Act& act);
// In the transaction that confirms. Journals "station.resume" with act, reason and both names.
// Other proposals to go on are withdrawn: none of them may outlive the stop that it was about.
void resume_issuing(Transaction& db, const Actor& actor, const Act& act);

}  // namespace lots
}  // namespace mintmark
