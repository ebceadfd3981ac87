#include "station/ledger/head.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>

#include "station/ledger/open.hpp"

namespace mintmark {

// Of one length, so that it is written over in place: "mintmark-head-1 <20 digits> <64 hex>\n".
static constexpr std::string_view kHeadName = "mintmark-head-1 ";
static constexpr std::size_t kDigits = 20, kHeadSize = 16 + kDigits + 1 + 64 + 1;

static std::string head_text(const Head& head) {
  std::array<char, kDigits + 1> size{};
  std::snprintf(size.data(), size.size(), "%020llu", static_cast<unsigned long long>(head.size));
  return std::string(kHeadName) + size.data() + " " + hex(head.root) + "\n";
}

static std::optional<Head> head_from(std::string_view text) {
  if (text.size() != kHeadSize || !text.starts_with(kHeadName)) return std::nullopt;
  Head out;
  std::string_view size = text.substr(kHeadName.size(), kDigits);
  auto [end, error] = std::from_chars(size.data(), size.data() + size.size(), out.size);
  auto root = from_hex(text.substr(kHeadName.size() + kDigits + 1, 64));
  if (error != std::errc() || end != size.data() + size.size() || !root) return std::nullopt;
  std::copy(root->begin(), root->end(), out.root.begin());
  if (head_text(out) != text) return std::nullopt;
  return out;
}

HeadFile::~HeadFile() {
  if (fd_ < 0) return;
  ::fdatasync(fd_);
  ::close(fd_);
}

std::optional<Head> HeadFile::read() const {
  int file = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0 && errno == ENOENT) return std::nullopt;
  std::string text(kHeadSize + 1, '\0');
  ssize_t size = file < 0 ? -1 : ::read(file, text.data(), text.size());
  int error = errno;
  if (file >= 0) ::close(file);
  if (size < 0) throw Fault("disk.failed", {{"reason", path_ + ": " + std::strerror(error)}});
  auto out = head_from(std::string_view(text).substr(0, static_cast<std::size_t>(size)));
  if (!out) throw Fault("ledger.anchor_unreadable", {{"where", path_}});
  return out;
}

static Fault unwritable(const std::string& path) {
  return Fault("ledger.failed", {{"reason", std::strerror(errno)}}, "write " + path);
}

void HeadFile::begin(const Head& head) {
  std::string fresh = path_ + ".new", text = head_text(head);
  fd_ = ::open(fresh.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  bool durable = fd_ >= 0 &&
                 ::pwrite(fd_, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()) &&
                 ::fsync(fd_) == 0 && ::rename(fresh.c_str(), path_.c_str()) == 0;
  if (!durable) throw unwritable(path_);
  sync_folder(path_);
}

void HeadFile::write(const Head& head) {
  if (fd_ < 0) return;
  std::string text = head_text(head);
  // One that fails leaves a head that is older, which is no harm.
  [[maybe_unused]] ssize_t written = ::pwrite(fd_, text.data(), text.size(), 0);
}

static bool look_at(const std::string& path, struct stat& out) {
  return ::stat(path.c_str(), &out) == 0;
}

static bool same_file(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static bool same_content(const struct stat& a, const struct stat& b) {
  return a.st_size == b.st_size && a.st_mtim.tv_sec == b.st_mtim.tv_sec &&
         a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

OpenFiles::OpenFiles(const std::string& ledger) {
  ledger_.path = ledger;
  ledger_.whole = true;
  log_.path = ledger + "-wal";
  written();
}

void OpenFiles::must_be_ours() {
  for (const File* file : {&ledger_, &log_}) {
    if (file->seen.st_ino == 0) continue;  // there was none yet
    struct stat now {};
    bool ours = look_at(file->path, now) && same_file(now, file->seen) &&
                (!file->whole || same_content(now, file->seen));
    if (!ours && !lost_) lost_.emplace("ledger.replaced", Fault::Args{{"path", file->path}});
  }
  if (lost_) throw Fault(*lost_);
}

void OpenFiles::written() {
  for (File* file : {&ledger_, &log_}) {
    struct stat now {};
    bool first = file->seen.st_ino == 0;
    if (look_at(file->path, now) && (first || same_file(now, file->seen))) file->seen = now;
  }
}

}  // namespace mintmark
