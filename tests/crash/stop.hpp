// Where the process dies, or a call fails: at the boundary that the sweep has armed (control.hpp).
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "tests/crash/control.hpp"
#include "tests/crash/disk.hpp"

namespace mintmark::crash {

class Stop {
 public:
  // Of this process. Without MINTMARK_STOP, and in the trial of a PKCS#11 module, nothing is
  // counted and nothing stops.
  static Stop& of_process();

  bool is_on() const { return control_ != nullptr; }
  // The directory that is watched.
  const std::string& directory() const { return directory_; }
  Disk& disk() { return disk_; }
  // Held over everything that is done to a device or the disk: at a power cut nothing comes after.
  std::mutex& mutex() { return mutex_; }

  // One boundary. Whether the sweep wants something done here; `fail` is counted as done.
  bool reached(Kind kind, std::string_view name);
  bool is_armed(Kind kind) const { return control_->armed == static_cast<std::uint32_t>(kind) + 1; }
  How how() const { return control_->how; }
  std::uint32_t error() const { return control_->error; }
  // Ends here. `what` is for the report.
  [[noreturn]] void die(const std::string& what);

  // Until it is disarmed.
  void hang();

  // A line for those who check afterwards: what the token was asked to fingerprint and to seal.
  void note(const std::string& line);

 private:
  Stop();

  Control* control_ = nullptr;
  int notes_ = -1;
  std::string directory_;
  Disk disk_{""};
  std::mutex mutex_;
};

}  // namespace mintmark::crash
