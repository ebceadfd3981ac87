#include "hsm/pin.hpp"

#include <endian.h>
#include <fcntl.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>
#include <set>

#include "hsm/rv.hpp"
#include "hsm/vault.hpp"
#include "station/words/clock.hpp"

namespace mintmark::pkcs11 {

namespace {

class File {
 public:
  File(const std::string& path, int flags) : fd_(open(path.c_str(), flags | O_CLOEXEC, 0600)) {}
  ~File() {
    if (fd_ >= 0) close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }

 private:
  int fd_;
};

std::string mark_path(const std::string& state_dir) { return state_dir + "/pin-refused"; }
std::string spare_path(const std::string& state_dir) { return state_dir + "/pin-refused.new"; }

// Directories whose PIN was refused in this process: holds even if the disk failed in between.
struct Refused {
  std::mutex mutex;  // also: one login at a time
  std::set<std::string> dirs;
};
Refused& refused() {
  static auto& one = *new Refused;
  return one;
}

Fault bad_file(const std::string& path, const std::string& reason) {
  return Fault("token.pin_file", {{"path", path}, {"reason", reason}});
}

bool gives_only_us(int fd) {
  Bytes list(256);
  ssize_t size = fgetxattr(fd, "system.posix_acl_access", list.data(), list.size());
  return size > 0 && names_only(View(list).first(static_cast<std::size_t>(size)), geteuid());
}

void must_be_private(int fd, const std::string& path) {
  struct stat info {};
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) throw bad_file(path, "not a regular file");
  if (info.st_uid != geteuid() && info.st_uid != 0) throw bad_file(path, "not our own file");
  if ((info.st_mode & 077) == 0) return;
  if ((info.st_mode & 037) == 0 && gives_only_us(fd)) return;
  throw bad_file(path, "others can read it: chmod 600");
}

void strip_newline(Secret& pin) {
  View bytes = pin.view();
  std::size_t size = bytes.size();
  if (size > 0 && bytes[size - 1] == '\n') --size;
  if (size > 0 && bytes[size - 1] == '\r') --size;
  pin.shrink(size);
}

void sync_directory(const std::string& path) {
  File directory(path, O_RDONLY | O_DIRECTORY);
  fsync(directory.fd());
}

// Room for the mark on the disk before the login is tried: a full or read-only disk must not be
// what lets a wrong PIN be tried for ever.
void reserve_mark(const std::string& state_dir) {
  File spare(spare_path(state_dir), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW);
  if (!spare.is_open() || posix_fallocate(spare.fd(), 0, 256) != 0 || fsync(spare.fd()) != 0)
    throw Fault("token.pin_mark", {{"directory", state_dir}}, std::strerror(errno));
}

void drop_reserve(const std::string& state_dir) { unlink(spare_path(state_dir).c_str()); }

void write_mark(const std::string& state_dir, CK_RV rv) {
  std::string line = utc_now() + " C_Login " + name_of(rv) + "\n";
  {
    File spare(spare_path(state_dir), O_WRONLY | O_NOFOLLOW);
    auto size = static_cast<ssize_t>(line.size());
    if (pwrite(spare.fd(), line.data(), line.size(), 0) == size && ftruncate(spare.fd(), size) != 0)
      line.clear();  // the mark is longer than it need be: still a mark
    fsync(spare.fd());
  }
  rename(spare_path(state_dir).c_str(), mark_path(state_dir).c_str());
  sync_directory(state_dir);
}

// What a token that has gone away says to any call; everything else that is not success may have
// counted as a try.
bool never_reached_the_pin(CK_RV rv) {
  Recovery recovery = recovery_of(rv);
  return recovery == Recovery::away || recovery == Recovery::session;
}

}  // namespace

// linux/posix_acl_xattr.h, version 2: numbers are little-endian.
bool names_only(View access_list, uid_t user) {
  posix_acl_xattr_header header{};
  posix_acl_xattr_entry entry{};
  if (access_list.size() < sizeof header) return false;
  std::memcpy(&header, access_list.data(), sizeof header);
  if (le32toh(header.a_version) != POSIX_ACL_XATTR_VERSION) return false;
  View rest = access_list.subspan(sizeof header);
  for (; rest.size() >= sizeof entry; rest = rest.subspan(sizeof entry)) {
    std::memcpy(&entry, rest.data(), sizeof entry);
    auto tag = le16toh(entry.e_tag);
    bool ours =
        tag == ACL_USER_OBJ || tag == ACL_MASK || (tag == ACL_USER && le32toh(entry.e_id) == user);
    if (!ours && entry.e_perm != 0) return false;
  }
  return rest.empty();
}

void must_be_markable(const std::string& state_dir) {
  reserve_mark(state_dir);
  drop_reserve(state_dir);
}

Secret read_pin(const std::string& path) {
  if (path.empty()) throw bad_file(path, "the URI has no pin-source");
  File file(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!file.is_open()) throw bad_file(path, std::strerror(errno));
  must_be_private(file.fd(), path);
  Secret pin(256);
  ssize_t size = read(file.fd(), pin.mutable_view().data(), pin.size());
  if (size < 0 || size == 256) throw bad_file(path, "not a PIN");
  pin.shrink(static_cast<std::size_t>(size));
  strip_newline(pin);
  if (pin.empty()) throw bad_file(path, "empty");
  return pin;
}

static bool is_marked(const std::string& state_dir) {
  struct stat info {};
  if (refused().dirs.count(state_dir) != 0) return true;
  // Anything but a clear "there is none" counts as there.
  return lstat(mark_path(state_dir).c_str(), &info) == 0 || errno != ENOENT;
}

void must_not_be_marked(const std::string& state_dir) {
  if (pin_marked(state_dir)) throw Fault("token.pin_marked", {{"file", mark_path(state_dir)}});
}

void log_in(Session& session, const std::string& pin_file, const std::string& state_dir) {
  std::lock_guard<std::mutex> guard(refused().mutex);
  if (is_marked(state_dir)) throw Fault("token.pin_marked", {{"file", mark_path(state_dir)}});
  Secret pin = read_pin(pin_file);
  reserve_mark(state_dir);
  CK_RV rv = session.login(CKU_USER, pin.view());
  if (rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN) return drop_reserve(state_dir);
  if (never_reached_the_pin(rv)) {
    drop_reserve(state_dir);
    throw CallFault("C_Login", rv);
  }
  refused().dirs.insert(state_dir);
  write_mark(state_dir, rv);
  if (rv == CKR_PIN_LOCKED) throw CallFault("C_Login", rv);
  throw Fault("token.pin", {{"call", "C_Login"}, {"rv", name_of(rv)}});
}

}  // namespace mintmark::pkcs11

namespace mintmark {

bool pin_marked(const std::string& state_dir) {
  std::lock_guard<std::mutex> guard(pkcs11::refused().mutex);
  return pkcs11::is_marked(state_dir);
}

void clear_pin_mark(const std::string& state_dir) {
  std::lock_guard<std::mutex> guard(pkcs11::refused().mutex);
  pkcs11::refused().dirs.erase(state_dir);
  std::string path = pkcs11::mark_path(state_dir);
  if (unlink(path.c_str()) != 0 && errno != ENOENT)
    throw Fault("token.pin_mark", {{"directory", state_dir}}, std::strerror(errno));
  pkcs11::sync_directory(state_dir);
}

}  // namespace mintmark
