// Time and names of instants: UTC for people, a monotonic counter and a boot id for order.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "station/words/bytes.hpp"

namespace mintmark {

std::string utc_now();                 // RFC 3339, milliseconds: 2026-01-31T12:00:00.000Z
std::string utc(std::int64_t unix_s);  // RFC 3339, seconds
std::string today();                   // 2026-01-31
std::uint64_t mono_ns();               // CLOCK_BOOTTIME, nanoseconds since boot
const std::string& boot_id();          // the kernel's, or "unknown"

// Why the clock cannot be right; empty where nothing speaks against it. `newest`: of a record that
// is there already, RFC 3339; `asked`: when what it is wanted for was made. Each may be missing.
std::string clock_doubt(std::int64_t now, std::string_view newest, std::int64_t asked);

// RFC 9562. `random` are 16 bytes from the token; v7 takes the time from the clock.
std::string uuid_v4(View random);
std::string uuid_v7(View random);
bool is_uuid(std::string_view text);               // canonical lower case
std::int64_t uuid_v7_time(std::string_view uuid);  // seconds since 1970; 0 when it is not one
Bytes uuid_bytes(std::string_view uuid);           // 16 bytes; empty when it is not one

// YYYY-MM-DD that exists in the calendar.
bool is_date(std::string_view text);

}  // namespace mintmark
