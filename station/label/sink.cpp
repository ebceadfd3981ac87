#include "station/label/sink.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "station/words/fault.hpp"
#include "station/words/unit.hpp"

namespace mintmark {

namespace {

[[noreturn]] void fail(const std::string& reason, int error = 0) {
  std::string cause = error == 0 ? "" : std::generic_category().message(error);
  throw Fault("label.sink", {{"reason", cause.empty() ? reason : reason + ": " + cause}}, cause);
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }

 private:
  int fd_;
};

// 0, or the errno of what failed. `name` is inside `directory` and has no slash.
int write_synced(int directory, const std::string& name, View bytes) {
  if (unlinkat(directory, name.c_str(), 0) != 0 && errno != ENOENT) return errno;
  Descriptor file(openat(directory, name.c_str(),
                         O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (!file.ok()) return errno;
  while (!bytes.empty()) {
    ssize_t written = write(file.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return written == 0 ? EIO : errno;
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return fsync(file.get()) == 0 ? 0 : errno;
}

int replace_synced(int directory, const std::string& name, View bytes) {
  std::string temporary = "." + name + ".part";
  int error = write_synced(directory, temporary, bytes);
  if (error == 0 && renameat(directory, temporary.c_str(), directory, name.c_str()) != 0)
    error = errno;
  if (error == 0) return fsync(directory) == 0 ? 0 : errno;
  unlinkat(directory, temporary.c_str(), 0);  // no half label with half a password stays behind
  return error;
}

std::string file_name(const LabelJob& job) {
  if (job.place == "device") return job.serial + ".zpl";
  return job.serial + "." + job.place + "." + std::to_string(job.attempt) + ".zpl";
}

}  // namespace

SpoolSink::SpoolSink(std::string directory, bool allow_plaintext_spool)
    : directory_(std::move(directory)) {
  if (!allow_plaintext_spool)
    fail("a spool directory would keep passwords on disk, and allow_plaintext_spool is not set");
  if (mkdir(directory_.c_str(), S_IRWXU) != 0 && errno != EEXIST)
    fail("cannot make the spool directory", errno);
  Readiness now = SpoolSink::ready();
  if (!now.ok()) fail(now.reason);
}

Readiness SpoolSink::ready() {
  Descriptor directory(open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.ok() && faccessat(directory.get(), ".", W_OK | X_OK, AT_EACCESS) == 0) return {};
  return {"label.sink", "the spool directory cannot be written"};
}

void SpoolSink::print(const LabelJob& job, const Secret& zpl) {
  // Serial and place become a file name: only what a control symbol may hold, which has no slash.
  if (!ControlSymbol::parse(ControlSymbol(job.serial, job.place, job.attempt).str()))
    fail("a serial, place or attempt that no label can bear");
  if (zpl.empty()) fail("an empty label");
  Descriptor directory(open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.ok()) fail("the spool directory is gone", errno);
  int error = replace_synced(directory.get(), file_name(job), zpl.view());
  if (error != 0) fail("the label file cannot be written", error);
}

std::string SpoolSink::path_of(const LabelJob& job) const {
  return directory_ + "/" + file_name(job);
}

}  // namespace mintmark
