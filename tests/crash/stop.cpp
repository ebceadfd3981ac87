#include "tests/crash/stop.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <string_view>

#include "tests/crash/real.hpp"

namespace mintmark::crash {

namespace {

std::string from_environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

// The daemon tries a module in a process of its own, which loads this object, too.
bool is_trial() {
  std::array<char, 4096> words{};
  int fd = real().open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
  ssize_t size = real().read(fd, words.data(), words.size());
  ::close(fd);
  std::string_view line(words.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  return line.find("--try-pkcs11-module") != line.npos;
}

Control* map_control(const std::string& path) {
  int fd = real().open(path.c_str(), O_RDWR | O_CLOEXEC);
  void* page = ::mmap(nullptr, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ::close(fd);
  return page != MAP_FAILED ? static_cast<Control*>(page) : nullptr;
}

}  // namespace

Stop::Stop() : directory_(from_environment("MINTMARK_STOP_DIR")) {
  std::string control = from_environment("MINTMARK_STOP");
  if (control.empty() || is_trial()) return;
  disk_ = Disk(directory_ + "/.before-");
  std::string notes = from_environment("MINTMARK_STOP_NOTES");
  if (!notes.empty())
    notes_ = real().open(notes.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  control_ = map_control(control);
}

Stop& Stop::of_process() {
  static auto& one = *new Stop;
  return one;
}

bool Stop::reached(Kind kind, std::string_view name) {
  auto index = static_cast<std::size_t>(kind);
  if (control_->only.front() != 0 && name != control_->only.data()) return false;
  std::uint32_t n = ++control_->counts.at(index);
  if (control_->steps < control_->trace.size())
    control_->trace.at(control_->steps) = static_cast<std::uint8_t>(kind);
  ++control_->steps;
  if (control_->armed != index + 1 || n < control_->occurrence) return false;
  bool fails = control_->how == How::fail;
  bool over = control_->times != 0 && n >= control_->occurrence + control_->times;
  if (fails ? over : n > control_->occurrence) return false;
  control_->fired = fails ? control_->fired + 1 : 1;
  return true;
}

void Stop::die(const std::string& what) {
  what.copy(control_->what.data(), control_->what.size() - 1);
  if (control_->cut != Cut::none) {
    disk_.cut(control_->cut, control_->seed);
    // The index of the write-ahead log is memory, and memory is gone.
    real().unlink((directory_ + "/ledger.db-shm").c_str());
  }
  ::kill(::getpid(), SIGKILL);
  for (;;) ::pause();
}

void Stop::hang() {
  while (control_->armed != 0) ::usleep(1000);
}

void Stop::note(const std::string& line) {
  if (notes_ >= 0) (void)!real().write(notes_, line.data(), line.size());
}

}  // namespace mintmark::crash
