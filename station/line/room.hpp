// Room on the disks that a lot is written to. It is asked for when the lot is opened, because what
// happens on a full one is worse than a lot that is not begun: SoftHSM2 may say that it keeps a key
// that only its memory has.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace mintmark {

// A unit leaves about 31 KiB in the ledger, its journal entries most of all; one that comes back
// or fails leaves that again.
inline constexpr std::uint64_t kRoomForUnit = 64ULL << 10;
// What SQLite needs beside: its log, and copies while it tidies up. And a token's files.
inline constexpr std::uint64_t kRoomForAny = 64ULL << 20;

inline std::uint64_t room_for(std::int64_t units) {
  return kRoomForAny + static_cast<std::uint64_t>(units) * kRoomForUnit;
}

// Free bytes where `directory` is, for an ordinary user. Fault("disk.no_room", path, free, needed)
// for a directory that is not there.
std::uint64_t free_space(const std::string& directory);

// Fault("disk.no_room", path, free and needed in MiB) where one of the directories has no room for
// so many more units.
void must_have_room(std::span<const std::string> directories, std::int64_t units);

}  // namespace mintmark
