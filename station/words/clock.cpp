#include "station/words/clock.hpp"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <fstream>

namespace mintmark {

static std::string format(std::int64_t seconds, const char* pattern) {
  std::time_t t = seconds;
  std::tm parts{};
  gmtime_r(&t, &parts);
  char out[40];
  return {out, std::strftime(out, sizeof out, pattern, &parts)};
}

std::string utc_now() {
  auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                std::chrono::system_clock::now().time_since_epoch())
                .count();
  // A unit's entries are of few seconds, and strftime takes longer than an entry's other fields.
  thread_local std::int64_t second = -1;
  thread_local std::string text;
  if (ms / 1000 != second) {
    text = format(ms / 1000, "%Y-%m-%dT%H:%M:%S");
    second = ms / 1000;
  }
  std::string fraction = std::to_string(1000 + ms % 1000);
  return text + "." + fraction.substr(1) + "Z";
}

std::string utc(std::int64_t unix_s) { return format(unix_s, "%Y-%m-%dT%H:%M:%SZ"); }

std::string today() { return format(std::time(nullptr), "%Y-%m-%d"); }

std::uint64_t mono_ns() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u +
         static_cast<std::uint64_t>(now.tv_nsec);
}

const std::string& boot_id() {
  static const std::string id = [] {
    std::string line;
    std::ifstream file("/proc/sys/kernel/random/boot_id");
    return std::getline(file, line) ? line : std::string("unknown");
  }();
  return id;
}

static constexpr std::int64_t kHour = 3600, kDay = 24 * kHour;
static constexpr int kYearsInUse = 20;

std::string clock_doubt(std::int64_t now, std::string_view newest, std::int64_t asked) {
  static constexpr std::string_view kBuilt = MINTMARK_BUILT;
  if (utc(now) < kBuilt) return "this program was not built yet";
  if (std::stoi(utc(now)) > std::stoi(std::string(kBuilt)) + kYearsInUse)
    return "this program was built more than " + std::to_string(kYearsInUse) + " years before";
  if (utc(now + kHour) < newest)
    return "the ledger's newest entry is of " + std::string(newest) +
           " (if it was wrong then and is right now, export the evidence with a --nonce once)";
  if (now + kDay < asked) return "the order is of " + utc(asked);
  return "";
}

std::int64_t uuid_v7_time(std::string_view uuid) {
  Bytes b = uuid_bytes(uuid);
  if (b.size() != 16 || b[6] >> 4 != 7) return 0;
  std::int64_t ms = 0;
  for (std::size_t i = 0; i < 6; ++i) ms = ms << 8 | b[i];
  return ms / 1000;
}

static std::string uuid(Bytes b, std::uint8_t version) {
  b.resize(16);
  b[6] = static_cast<std::uint8_t>((b[6] & 0x0f) | version << 4);
  b[8] = static_cast<std::uint8_t>((b[8] & 0x3f) | 0x80);
  std::string h = hex(b);
  return h.substr(0, 8) + "-" + h.substr(8, 4) + "-" + h.substr(12, 4) + "-" + h.substr(16, 4) +
         "-" + h.substr(20);
}

std::string uuid_v4(View random) { return uuid(to_bytes(random), 4); }

std::string uuid_v7(View random) {
  Bytes b = to_bytes(random);
  b.resize(16);
  auto ms = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                           std::chrono::system_clock::now().time_since_epoch())
                                           .count());
  for (int i = 0; i < 6; ++i)
    b[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(ms >> (40 - 8 * i));
  return uuid(std::move(b), 7);
}

Bytes uuid_bytes(std::string_view text) {
  if (text.size() != 36) return {};
  std::string digits;
  for (std::size_t i = 0; i < text.size(); ++i) {
    bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash != (text[i] == '-')) return {};
    if (!dash) digits += text[i];
  }
  return from_hex(digits).value_or(Bytes{});
}

bool is_uuid(std::string_view text) { return uuid_bytes(text).size() == 16; }

bool is_date(std::string_view text) {
  int y = 0, m = 0, d = 0;
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return false;
  bool digits = std::all_of(text.begin(), text.end(),
                            [](char c) { return c == '-' || (c >= '0' && c <= '9'); });
  if (!digits || std::count(text.begin(), text.end(), '-') != 2) return false;
  y = std::stoi(std::string(text.substr(0, 4)));
  m = std::stoi(std::string(text.substr(5, 2)));
  d = std::stoi(std::string(text.substr(8, 2)));
  return std::chrono::year_month_day(std::chrono::year(y),
                                     std::chrono::month(static_cast<unsigned>(m)),
                                     std::chrono::day(static_cast<unsigned>(d)))
      .ok();
}

}  // namespace mintmark
