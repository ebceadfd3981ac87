#include "station/line/room.hpp"

#include <sys/statvfs.h>

#include "station/words/fault.hpp"

namespace mintmark {

static std::string in_mib(std::uint64_t bytes) { return std::to_string(bytes >> 20); }

static Fault no_room(const std::string& path, std::uint64_t free, std::uint64_t needed) {
  return Fault("disk.no_room",
               {{"path", path}, {"free", in_mib(free)}, {"needed", in_mib(needed)}});
}

std::uint64_t free_space(const std::string& directory) {
  struct statvfs disk {};
  if (::statvfs(directory.c_str(), &disk) != 0) throw no_room(directory, 0, kRoomForAny);
  return static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
}

void must_have_room(std::span<const std::string> directories, std::int64_t units) {
  std::uint64_t needed = room_for(units);
  for (const std::string& directory : directories) {
    std::uint64_t free = free_space(directory);
    if (free < needed) throw no_room(directory, free, needed);
  }
}

}  // namespace mintmark
