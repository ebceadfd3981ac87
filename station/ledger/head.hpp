// How a ledger is known to be the newest one: what was last committed stands in a file beside it,
// and while it is open its files must stay where they are.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <string>

#include "station/ledger/tree.hpp"
#include "station/words/fault.hpp"

namespace mintmark {

// The journal's size and root, in `<ledger>.head`. Written after each commit and not synced: after
// a power cut it may be older than the ledger, and never is it newer. It finds a ledger that
// somebody put an older copy in the place of; not one whose head was put back with it.
struct Head {
  Head() = default;
  Head(std::uint64_t size_, const Digest& root_) : size(size_), root(root_) {}
  std::uint64_t size = 0;
  Digest root{};
};

class HeadFile {
 public:
  explicit HeadFile(const std::string& ledger) : path_(ledger + ".head") {}
  ~HeadFile();
  HeadFile(const HeadFile&) = delete;
  HeadFile& operator=(const HeadFile&) = delete;

  // nullopt where there is none. Fault "ledger.anchor_unreadable" for what is no head,
  // "disk.failed" where it cannot be read at all.
  std::optional<Head> read() const;
  void begin(const Head& head);  // makes it, durable; written to from here on
  void write(const Head& head);  // nothing before begin()

 private:
  std::string path_;
  int fd_ = -1;
};

// The files of an open ledger. Fault "ledger.replaced" (path) once one of them is gone, is another,
// or was written to by somebody else; that stays so, whatever is put there later.
class OpenFiles {
 public:
  explicit OpenFiles(const std::string& ledger);
  void must_be_ours();
  void written();  // by ourselves

 private:
  struct File {
    std::string path;
    struct stat seen {};
    bool whole = false;  // its size and time are ours, too: nobody else's log can be
  };
  File ledger_, log_;
  std::optional<Fault> lost_;
};

}  // namespace mintmark
