// Serials and MACs: pools of an order, as ranges. A range "SN-0001" to "SN-0200" has one prefix and
// a decimal counter of one width; a MAC range counts in the 48-bit number.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "station/ledger/ledger.hpp"

namespace mintmark::pools {

using Range = std::pair<std::string, std::string>;  // first and last, both in it

// How many values the range has; nullopt where it is none: not serials, another prefix or width,
// last before first.
std::optional<std::uint64_t> count_serials(const Range& range);
std::optional<std::uint64_t> count_macs(const Range& range);
std::string serial_at(const std::string& first, std::uint64_t offset);
std::string mac_at(const std::string& first, std::uint64_t offset);
bool is_mac(std::string_view text);  // six pairs of upper-case hex digits with colons, not group

void fill(Transaction& db, const std::string& lot, const std::vector<Range>& serials,
          const std::vector<Range>& macs);
// What a lost ledger is known to have used (recovery.hpp). kind: serial, mac, order, fingerprint.
bool is_spent(Reader& db, std::string_view kind, const std::string& value);
// Fault "order.serials_spent" (first, last) where an order would give out again what a lot had left
// that a recovery closed: the lost ledger may have used it.
void must_be_unspent(Reader& db, const std::vector<Range>& serials, const std::vector<Range>& macs);
// The next that no unit of this ledger has. Faults "serials.exhausted", "macs.exhausted".
std::string take_serial(Transaction& db, const std::string& lot);
// nullopt where the order has no MACs at all.
std::optional<std::string> take_mac(Transaction& db, const std::string& lot);

}  // namespace mintmark::pools
