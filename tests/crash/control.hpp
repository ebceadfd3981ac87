// The page of memory that the sweep (sweep.py) and the process under test share: what is to be
// stopped where, and what was counted. It is a file's mapping, so that it outlives a SIGKILL.
// sweep.py knows this layout; change both.
#pragma once

#include <array>
#include <cstdint>

namespace mintmark::crash {

// What a boundary is at.
enum class Kind : std::uint32_t {
  device,  // bytes for a tty
  page,    // a write to the ledger's log and its head
  sync,    // a sync of them: a commit is durable after it, and not before
  label,   // what is done in the label spool
  file,    // what is done to any other file of the directory
  token,   // a PKCS#11 call
  read,    // of the ledger's files: changes nothing, so it is counted only where it is armed
  // A write to the ledger's main file, or its sync: SQLite carries its write-ahead log over.
  checkpoint,
};
constexpr std::size_t kKinds = 8;

enum class How : std::uint32_t {
  before,  // dies without doing it
  after,   // dies when it is done
  torn,    // half of the bytes, then dies; a call that writes none: as before
  fail,    // does not do it, says `error`, and lives
  hang,    // its thread does not come back until it is disarmed, and then does it
};

// What becomes of writes that were not synced.
enum class Cut : std::uint32_t {
  none,  // the process dies, the machine lives: all of them stay
  lose,  // a power cut, and none of them had reached the disk
  some,  // about half of their sectors had, in any order
  tear,  // all had but the second half of the last one
};

struct Control {
  std::uint32_t armed;       // 1 + Kind; 0: only counts
  std::uint32_t occurrence;  // of this kind, from 1
  How how;
  Cut cut;
  std::uint32_t seed;
  std::uint32_t error;        // How::fail: an errno, or a CK_RV
  std::uint32_t times;        // How::fail: how many in a row; 0: all from then on
  std::array<char, 32> only;  // counts nothing but calls of this name; empty: all of the kind
  std::uint32_t fired;
  std::array<std::uint32_t, kKinds> counts;
  std::uint32_t steps;                       // boundaries so far, of all kinds
  std::array<char, 64> what;                 // where it stopped
  std::array<std::uint8_t, 1U << 16> trace;  // their kinds, in order
};

}  // namespace mintmark::crash
