// Stands before the C library's functions that change or read a disk or speak to a device, for a
// process that loads this object with LD_PRELOAD. Each of their calls is a boundary: see stop.hpp.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdarg>
#include <cstdlib>
#include <optional>

#include "tests/crash/real.hpp"
#include "tests/crash/stop.hpp"

namespace mintmark::crash {

const Real& real() {
  auto find = [](auto& function, const char* name) {
    function = reinterpret_cast<std::decay_t<decltype(function)>>(dlsym(RTLD_NEXT, name));
  };
  static const Real one = [&] {
    Real out{};
    find(out.open, "open");
    find(out.openat, "openat");
    find(out.read, "read");
    find(out.pread, "pread");
    find(out.write, "write");
    find(out.writev, "writev");
    find(out.pwrite, "pwrite");
    find(out.fsync, "fsync");
    find(out.fdatasync, "fdatasync");
    find(out.ftruncate, "ftruncate");
    find(out.rename, "rename");
    find(out.renameat, "renameat");
    find(out.unlink, "unlink");
    find(out.unlinkat, "unlinkat");
    return out;
  }();
  return one;
}

namespace {

Stop& stop() { return Stop::of_process(); }

std::string path_of(int fd) {
  std::array<char, PATH_MAX> out{};
  std::string link = "/proc/self/fd/" + std::to_string(fd);
  ssize_t size = ::readlink(link.c_str(), out.data(), out.size());
  return {out.data(), size > 0 ? static_cast<std::size_t>(size) : 0};
}

std::string path_at(int directory, const char* name) {
  if (name[0] == '/') return name;
  std::array<char, PATH_MAX> here{};
  std::string base =
      directory == AT_FDCWD ? ::getcwd(here.data(), here.size()) : path_of(directory);
  return base + "/" + name;
}

struct Place {
  Kind kind = Kind::file;
  std::string path;
  bool directory = false;
};

// Nothing for what is not watched: other directories, the token's own files (a token is no file of
// ours), logs, and the memory that SQLite keeps in a file.
std::optional<Place> watched(std::string path, bool directory) {
  const std::string& home = stop().directory();
  bool inside = path == home || path.starts_with(home + "/");
  if (!inside || path.starts_with(home + "/token") || path.ends_with("-shm") ||
      path.ends_with(".lock"))
    return std::nullopt;
  Place out;
  if (path == home + "/ledger.db")
    out.kind = Kind::checkpoint;
  else if (path.starts_with(home + "/ledger.db"))
    out.kind = Kind::page;
  else if (path.starts_with(home + "/labels"))
    out.kind = Kind::label;
  out.path = std::move(path);
  out.directory = directory;
  return out;
}

std::optional<Place> place_of(int fd) {
  struct stat info {};
  if (!stop().is_on() || ::fstat(fd, &info) != 0) return std::nullopt;
  termios mode{};
  if (S_ISCHR(info.st_mode) && ::tcgetattr(fd, &mode) == 0)
    return Place{Kind::device, "a device", false};
  if (!S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode)) return std::nullopt;
  return watched(path_of(fd), S_ISDIR(info.st_mode));
}

std::optional<Place> place_at(int directory, const char* name) {
  if (!stop().is_on()) return std::nullopt;
  return watched(path_at(directory, name), false);
}

std::string said(const Place& place, const char* call) {
  return std::string(call) + " " + place.path.substr(place.path.rfind('/') + 1);
}

int failed() {
  errno = static_cast<int>(stop().error());
  return -1;
}

// A call that does something at `place`: `prepare` is told before, `done` after it succeeded, and
// `half` does half of it.
template <class Call, class Prepare, class Half, class Done>
auto at_boundary(const Place& place, const char* name, const Call& call, const Prepare& prepare,
                 const Half& half, const Done& done) -> decltype(call()) {
  std::unique_lock<std::mutex> guard(stop().mutex());
  bool here = stop().reached(place.kind, name);
  if (here && stop().how() == How::fail) return failed();
  if (here && stop().how() == How::hang) {
    guard.unlock();  // the other threads go on
    stop().hang();
    return call();
  }
  if (here && stop().how() == How::before) stop().die(said(place, name));
  prepare();
  if (here && stop().how() == How::torn) {
    half();
    stop().die(said(place, name));
  }
  auto out = call();
  int error = errno;
  if (out >= 0) done();
  if (here) stop().die(said(place, name));
  errno = error;
  return out;
}

constexpr auto kNothing = [] {};

// How much of a write arrives where it is torn. A ledger's pages, and its head, come to the disk in
// whole sectors.
std::size_t torn(Kind kind, off_t at, std::size_t size) {
  if (kind != Kind::page && kind != Kind::checkpoint) return size / 2;
  off_t end = (at + static_cast<off_t>(size) / 2) / kSector * kSector;
  return end > at ? static_cast<std::size_t>(end - at) : 0;
}

template <class Call>
ssize_t writes(int fd, off_t offset, std::size_t size, const Call& call) {
  auto place = place_of(fd);
  if (!place) return call(size);
  bool device = place->kind == Kind::device;
  off_t at = offset >= 0 || device ? offset : ::lseek(fd, 0, SEEK_CUR);
  auto prepare = [&] {
    if (!device) stop().disk().will_write(fd, place->path, at, size);
  };
  return at_boundary(
      *place, "write", [&] { return call(size); }, prepare,
      [&] { call(torn(place->kind, at, size)); }, kNothing);
}

template <class Call>
ssize_t reads(int fd, const Call& call) {
  if (!stop().is_on() || !stop().is_armed(Kind::read)) return call();
  auto place = place_of(fd);
  if (!place || (place->kind != Kind::page && place->kind != Kind::checkpoint)) return call();
  std::lock_guard<std::mutex> guard(stop().mutex());
  return stop().reached(Kind::read, "read") ? failed() : call();
}

template <class Call>
int syncs(int fd, const Call& call) {
  auto place = place_of(fd);
  if (!place || place->kind == Kind::device) return call();
  if (place->kind == Kind::page && !place->directory) place->kind = Kind::sync;
  auto done = [&] {
    if (place->directory)
      stop().disk().directory_synced(place->path);
    else
      stop().disk().synced(place->path);
  };
  return at_boundary(*place, "sync", call, kNothing, kNothing, done);
}

int truncates(int fd, off_t size) {
  auto call = [&] { return real().ftruncate(fd, size); };
  auto place = place_of(fd);
  if (!place) return call();
  auto prepare = [&] { stop().disk().will_truncate(fd, place->path, size); };
  return at_boundary(*place, "truncate", call, prepare, kNothing, kNothing);
}

template <class Call>
int opens(int directory, const char* name, int flags, const Call& call) {
  if ((flags & O_CREAT) == 0 && (flags & O_TRUNC) == 0) return call();
  auto place = place_at(directory, name);
  if (!place) return call();
  struct stat info {};
  bool there = ::lstat(place->path.c_str(), &info) == 0;
  if (there && (flags & O_TRUNC) == 0) return call();
  auto prepare = [&] {
    if (!there) return;
    int fd = real().open(place->path.c_str(), O_RDONLY | O_CLOEXEC);
    stop().disk().will_truncate(fd, place->path, 0);
    ::close(fd);
  };
  auto done = [&] {
    if (!there) stop().disk().created(place->path);
  };
  return at_boundary(*place, "open", call, prepare, kNothing, done);
}

template <class Call>
int renames(int from_directory, const char* from, int to_directory, const char* to,
            const Call& call) {
  auto place = place_at(to_directory, to);
  if (!place) return call();
  auto prepare = [&] { stop().disk().will_rename(path_at(from_directory, from), place->path); };
  return at_boundary(*place, "rename", call, prepare, kNothing, kNothing);
}

template <class Call>
int removes(int directory, const char* name, const Call& call) {
  auto place = place_at(directory, name);
  struct stat info {};
  if (!place || ::lstat(place->path.c_str(), &info) != 0) return call();
  auto prepare = [&] { stop().disk().will_remove(place->path); };
  return at_boundary(*place, "unlink", call, prepare, kNothing, kNothing);
}

int mode_of(int flags, va_list arguments) {
  return (flags & O_CREAT) != 0 ? va_arg(arguments, int) : 0;
}

}  // namespace
}  // namespace mintmark::crash

// Under the names of the C library, which has each of them once more for 64-bit offsets.
#pragma GCC visibility push(default)
extern "C" {

using mintmark::crash::real;

ssize_t read(int fd, void* data, size_t size) {
  return mintmark::crash::reads(fd, [&] { return real().read(fd, data, size); });
}

ssize_t pread(int fd, void* data, size_t size, off_t offset) {
  return mintmark::crash::reads(fd, [&] { return real().pread(fd, data, size, offset); });
}

ssize_t pread64(int fd, void* data, size_t size, off_t offset) {
  return pread(fd, data, size, offset);
}

ssize_t write(int fd, const void* data, size_t size) {
  return mintmark::crash::writes(fd, -1, size, [&](size_t n) { return real().write(fd, data, n); });
}

ssize_t writev(int fd, const iovec* parts, int count) {
  size_t size = 0;
  for (int i = 0; i < count; ++i) size += parts[i].iov_len;
  return mintmark::crash::writes(fd, -1, size, [&](size_t n) {
    if (n == size || count == 0) return real().writev(fd, parts, count);
    return real().write(fd, parts[0].iov_base, std::min(n, parts[0].iov_len));
  });
}

ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  return mintmark::crash::writes(fd, offset, size,
                                 [&](size_t n) { return real().pwrite(fd, data, n, offset); });
}

ssize_t pwrite64(int fd, const void* data, size_t size, off_t offset) {
  return pwrite(fd, data, size, offset);
}

int fsync(int fd) {
  return mintmark::crash::syncs(fd, [&] { return real().fsync(fd); });
}

int fdatasync(int fd) {
  return mintmark::crash::syncs(fd, [&] { return real().fdatasync(fd); });
}

int ftruncate(int fd, off_t size) noexcept { return mintmark::crash::truncates(fd, size); }

int ftruncate64(int fd, off_t size) noexcept { return mintmark::crash::truncates(fd, size); }

int open(const char* name, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  int mode = mintmark::crash::mode_of(flags, arguments);
  va_end(arguments);
  return mintmark::crash::opens(AT_FDCWD, name, flags,
                                [&] { return real().open(name, flags, mode); });
}

int open64(const char* name, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  int mode = mintmark::crash::mode_of(flags, arguments);
  va_end(arguments);
  return open(name, flags, mode);
}

int openat(int directory, const char* name, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  int mode = mintmark::crash::mode_of(flags, arguments);
  va_end(arguments);
  return mintmark::crash::opens(directory, name, flags,
                                [&] { return real().openat(directory, name, flags, mode); });
}

int rename(const char* from, const char* to) noexcept {
  return mintmark::crash::renames(AT_FDCWD, from, AT_FDCWD, to,
                                  [&] { return real().rename(from, to); });
}

int renameat(int from_directory, const char* from, int to_directory, const char* to) noexcept {
  return mintmark::crash::renames(from_directory, from, to_directory, to, [&] {
    return real().renameat(from_directory, from, to_directory, to);
  });
}

int unlink(const char* name) noexcept {
  return mintmark::crash::removes(AT_FDCWD, name, [&] { return real().unlink(name); });
}

int unlinkat(int directory, const char* name, int flags) noexcept {
  return mintmark::crash::removes(directory, name,
                                  [&] { return real().unlinkat(directory, name, flags); });
}

}  // extern "C"
#pragma GCC visibility pop
