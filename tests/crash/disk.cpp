#include "tests/crash/disk.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "tests/crash/real.hpp"

namespace mintmark::crash {

namespace {

off_t size_of(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 ? info.st_size : 0;
}

std::vector<char> read(int fd, off_t offset, std::size_t size) {
  std::vector<char> out(size);
  ssize_t got = real().pread(fd, out.data(), size, offset);
  out.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return out;
}

void write(int fd, off_t offset, const std::vector<char>& bytes) {
  if (!bytes.empty()) real().pwrite(fd, bytes.data(), bytes.size(), offset);
}

std::string parent(const std::string& path) { return path.substr(0, path.rfind('/')); }

bool exists(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0;
}

}  // namespace

void Disk::will_write(int fd, const std::string& path, off_t offset, std::size_t size) {
  files_[path].push_back({offset, size, read(fd, offset, size), size_of(fd)});
}

void Disk::will_truncate(int fd, const std::string& path, off_t size) {
  off_t before = size_of(fd);
  auto lost = static_cast<std::size_t>(std::max<off_t>(before - size, 0));
  files_[path].push_back({size, 0, read(fd, size, lost), before});
}

std::string Disk::keep_name(const std::string& path) {
  if (!exists(path)) return "";
  std::string kept = keep_ + std::to_string(kept_++);
  real().unlink(kept.c_str());
  return ::link(path.c_str(), kept.c_str()) == 0 ? kept : "";
}

void Disk::will_rename(const std::string& from, const std::string& to) {
  names_.push_back({from, to, keep_name(to)});
  files_.erase(to);
  if (auto changes = files_.extract(from)) {
    changes.key() = to;
    files_.insert(std::move(changes));
  }
}

void Disk::will_remove(const std::string& path) {
  names_.push_back({path, "", keep_name(path)});
  files_.erase(path);
}

void Disk::created(const std::string& path) { names_.push_back({"", path, ""}); }

void Disk::directory_synced(const std::string& path) {
  auto is_in = [&](const Name& name) {
    return parent(name.to.empty() ? name.from : name.to) == path;
  };
  for (const Name& name : names_)
    if (is_in(name) && !name.kept.empty()) real().unlink(name.kept.c_str());
  names_.erase(std::remove_if(names_.begin(), names_.end(), is_in), names_.end());
}

void Disk::undo(const Name& name) {
  if (name.from.empty())
    real().unlink(name.to.c_str());
  else if (!name.to.empty())
    real().rename(name.to.c_str(), name.from.c_str());
  const std::string& place = name.to.empty() ? name.from : name.to;
  if (!name.kept.empty()) real().rename(name.kept.c_str(), place.c_str());
}

void Disk::cut_file(const std::string& path, const std::vector<Change>& changes, Cut how,
                    std::minstd_rand& random) {
  int file = real().open(path.c_str(), O_RDWR | O_CLOEXEC);
  std::map<off_t, std::vector<char>> written;  // by sector
  for (const Change& change : changes)
    for (off_t at = change.offset / kSector * kSector;
         at < change.offset + static_cast<off_t>(change.size); at += kSector)
      written[at] = read(file, at, kSector);
  off_t end = size_of(file);
  for (auto change = changes.rbegin(); change != changes.rend(); ++change) {
    real().ftruncate(file, change->size_before);
    write(file, change->offset, change->before);
  }
  const Change& last = changes.back();
  off_t torn = last.offset + static_cast<off_t>(last.size) / 2;
  bool grew = end > size_of(file);
  for (const auto& [at, bytes] : written)
    if (how == Cut::tear ? at < torn || at >= last.offset + static_cast<off_t>(last.size)
                         : how == Cut::some && random() % 2 == 0)
      write(file, at, bytes);
  // The file's length is one thing more that may or may not have arrived.
  if (grew && how == Cut::some && random() % 2 == 0)
    real().ftruncate(file, std::max(end, size_of(file)));
  ::close(file);
}

void Disk::cut(Cut how, std::uint32_t seed) {
  std::minstd_rand random(seed + 1);
  for (const auto& [path, changes] : files_)
    if (exists(path)) cut_file(path, changes, how, random);
  std::size_t stay = how == Cut::tear ? names_.size() : 0;
  if (how == Cut::some) stay = random() % (names_.size() + 1);
  for (std::size_t i = names_.size(); i > stay; --i) undo(names_[i - 1]);
  for (const Name& name : names_)
    if (!name.kept.empty()) real().unlink(name.kept.c_str());
}

}  // namespace mintmark::crash
