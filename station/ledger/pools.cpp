#include "station/ledger/pools.hpp"

#include <algorithm>
#include <charconv>

#include "station/words/fault.hpp"
#include "station/words/unit.hpp"

namespace mintmark::pools {

static bool digit(char c) { return c >= '0' && c <= '9'; }

// How many of the last characters are the counter: all trailing digits, at most 18 (fits 64 bits).
static std::size_t counter_width(std::string_view serial) {
  std::size_t width = 0;
  while (width < serial.size() && width < 18 && digit(serial[serial.size() - 1 - width])) ++width;
  return width;
}

static std::uint64_t number(std::string_view digits, int base) {
  std::uint64_t out = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), out, base);
  return out;
}

std::optional<std::uint64_t> count_serials(const Range& range) {
  const auto& [first, last] = range;
  if (!is_serial(first) || !is_serial(last) || first.size() != last.size()) return std::nullopt;
  if (first == last) return 1;
  std::size_t prefix = first.size() - counter_width(first);
  if (last.size() - counter_width(last) > prefix ||
      first.substr(0, prefix) != last.substr(0, prefix))
    return std::nullopt;
  std::uint64_t from = number(std::string_view(first).substr(prefix), 10);
  std::uint64_t to = number(std::string_view(last).substr(prefix), 10);
  if (to < from) return std::nullopt;
  return to - from + 1;
}

std::string serial_at(const std::string& first, std::uint64_t offset) {
  std::size_t width = counter_width(first);
  if (width == 0) return first;
  std::string counter =
      std::to_string(number(std::string_view(first).substr(first.size() - width), 10) + offset);
  counter.insert(0, width - std::min(width, counter.size()), '0');
  return first.substr(0, first.size() - width) + counter;
}

static bool mac_digit(char c) { return digit(c) || (c >= 'A' && c <= 'F'); }

static std::uint64_t mac_number(std::string_view mac) {
  std::string digits;
  std::copy_if(mac.begin(), mac.end(), std::back_inserter(digits), mac_digit);
  return number(digits, 16);
}

bool is_mac(std::string_view text) {
  if (text.size() != 17) return false;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (i % 3 == 2 ? text[i] != ':' : !mac_digit(text[i])) return false;
  return (mac_number(text) >> 40 & 1) == 0;  // a group address is nobody's own
}

std::optional<std::uint64_t> count_macs(const Range& range) {
  if (!is_mac(range.first) || !is_mac(range.second)) return std::nullopt;
  std::uint64_t from = mac_number(range.first), to = mac_number(range.second);
  // One and the same maker: the first three bytes do not change inside a range.
  if (to < from || from >> 24 != to >> 24) return std::nullopt;
  return to - from + 1;
}

std::string mac_at(const std::string& first, std::uint64_t offset) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::uint64_t value = mac_number(first) + offset;
  std::string out;
  for (int shift = 44; shift >= 0; shift -= 4) {
    out += kDigits[value >> shift & 15];
    if (shift % 8 == 0 && shift != 0) out += ':';
  }
  return out;
}

static void fill_kind(Transaction& db, const std::string& lot, std::string_view kind,
                      const std::vector<Range>& ranges,
                      std::optional<std::uint64_t> (*count)(const Range&)) {
  std::uint64_t start = 0;
  for (const Range& range : ranges) {
    std::uint64_t size = count(range).value_or(0);
    db.exec("INSERT INTO pool (lot, kind, start, first, count) VALUES (?, ?, ?, ?, ?)", lot, kind,
            start, range.first, size);
    start += size;
  }
}

void fill(Transaction& db, const std::string& lot, const std::vector<Range>& serials,
          const std::vector<Range>& macs) {
  fill_kind(db, lot, "serial", serials, count_serials);
  fill_kind(db, lot, "mac", macs, count_macs);
}

// The value at one position of the pool; nullopt behind its end.
static std::optional<std::string> at(Reader& db, const std::string& lot, std::string_view kind,
                                     std::uint64_t position,
                                     std::string (*value)(const std::string&, std::uint64_t)) {
  auto row = db.query(
      "SELECT start, first, count FROM pool WHERE lot = ? AND kind = ? AND start <= ? "
      "ORDER BY start DESC LIMIT 1",
      lot, kind, position);
  if (!row.step()) return std::nullopt;
  std::uint64_t offset = position - row.get<std::uint64_t>(0);
  if (offset >= row.get<std::uint64_t>(2)) return std::nullopt;
  return value(row.get<std::string>(1), offset);
}

bool is_spent(Reader& db, std::string_view kind, const std::string& value) {
  return db.exists("SELECT 1 FROM spent WHERE kind = ? AND value = ?", kind, value);
}

// Of one length and prefix, their order as text is that of their numbers.
static bool meet(const Range& a, const Range& b) {
  return a.first.size() == b.first.size() &&
         std::max(a.first, b.first) <= std::min(a.second, b.second);
}

// What is left of the pools of lots that a recovery closed: the lost ledger may have used it.
static std::vector<Range> doubtful(Reader& db, std::string_view kind) {
  std::vector<Range> out;
  auto row = db.query(
      "SELECT p.first, p.count, max(0, CASE p.kind WHEN 'serial' THEN l.serial_position ELSE "
      "l.mac_position END - p.start) FROM pool p JOIN lot l ON l.id = p.lot WHERE p.kind = ? AND "
      "l.state = 'closed' AND l.pause_code = 'ledger.recovered'",
      kind);
  auto* value = kind == "serial" ? &serial_at : &mac_at;
  while (row.step()) {
    auto first = row.get<std::string>(0);
    auto count = row.get<std::uint64_t>(1), used = row.get<std::uint64_t>(2);
    if (used < count) out.emplace_back(value(first, used), value(first, count - 1));
  }
  return out;
}

static void must_not_meet(Reader& db, std::string_view kind, const std::vector<Range>& ranges) {
  for (const Range& left : doubtful(db, kind))
    for (const Range& range : ranges)
      if (meet(left, range))
        throw Fault("order.serials_spent", {{"first", left.first}, {"last", left.second}});
}

void must_be_unspent(Reader& db, const std::vector<Range>& serials,
                     const std::vector<Range>& macs) {
  must_not_meet(db, "serial", serials);
  must_not_meet(db, "mac", macs);
}

std::string take_serial(Transaction& db, const std::string& lot) {
  auto position = db.value<std::uint64_t>("SELECT serial_position FROM lot WHERE id = ?", lot);
  for (std::uint64_t next = position.value_or(0);; ++next) {
    auto serial = at(db, lot, "serial", next, serial_at);
    if (!serial) throw Fault("serials.exhausted", {{"lot", lot}});
    if (db.exists("SELECT 1 FROM admission WHERE serial = ?", *serial)) continue;
    if (is_spent(db, "serial", *serial)) continue;
    db.exec("UPDATE lot SET serial_position = ? WHERE id = ?", next + 1, lot);
    return *serial;
  }
}

std::optional<std::string> take_mac(Transaction& db, const std::string& lot) {
  if (!db.exists("SELECT 1 FROM pool WHERE lot = ? AND kind = 'mac'", lot)) return std::nullopt;
  auto position = db.value<std::uint64_t>("SELECT mac_position FROM lot WHERE id = ?", lot);
  for (std::uint64_t next = position.value_or(0);; ++next) {
    auto mac = at(db, lot, "mac", next, mac_at);
    if (!mac) throw Fault("macs.exhausted", {{"lot", lot}});
    if (db.exists("SELECT 1 FROM admission WHERE mac = ?", *mac)) continue;
    if (is_spent(db, "mac", *mac)) continue;
    db.exec("UPDATE lot SET mac_position = ? WHERE id = ?", next + 1, lot);
    return mac;
  }
}

}  // namespace mintmark::pools
