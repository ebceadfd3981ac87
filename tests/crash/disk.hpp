// What a disk has not yet been told to keep. Writes go through as they are; what they replaced is
// remembered until the file is synced, and put back at a power cut. The same for names, until
// their directory is synced.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "tests/crash/control.hpp"

namespace mintmark::crash {

constexpr off_t kSector = 512;  // bytes that a disk writes as one

class Disk {
 public:
  // Names that are replaced are kept under `keep`, a prefix of file names on the same disk.
  explicit Disk(std::string keep) : keep_(std::move(keep)) {}

  // Each is told before the thing is done. `fd` is the caller's own: to open the file once more and
  // close it would end the locks that SQLite has on it, for a process's locks on a file are one.
  void will_write(int fd, const std::string& path, off_t offset, std::size_t size);
  void will_truncate(int fd, const std::string& path, off_t size);
  void will_rename(const std::string& from, const std::string& to);
  void will_remove(const std::string& path);

  void created(const std::string& path);
  void synced(const std::string& path) { files_.erase(path); }
  void directory_synced(const std::string& path);

  // The power goes.
  void cut(Cut how, std::uint32_t seed);

 private:
  struct Change {
    off_t offset = 0;
    std::size_t size = 0;
    std::vector<char> before;
    off_t size_before = 0;
  };
  struct Name {
    std::string from, to;  // a new file has no `from`, one removed no `to`
    std::string kept;      // what was at `to`, or at `from` of one removed
  };

  std::string keep_name(const std::string& path);
  static void undo(const Name& name);
  static void cut_file(const std::string& path, const std::vector<Change>& changes, Cut how,
                       std::minstd_rand& random);

  std::string keep_;
  unsigned kept_ = 0;
  std::map<std::string, std::vector<Change>> files_;
  std::vector<Name> names_;
};

}  // namespace mintmark::crash
