// A real SoftHSM2 for tests: one token directory for the process, one token for each SoftToken.
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include "hsm/vault.hpp"

namespace mintmark {

inline void write_file(const std::filesystem::path& path, const std::string& text,
                       std::filesystem::perms mode = std::filesystem::perms::owner_read |
                                                     std::filesystem::perms::owner_write) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
  std::filesystem::permissions(path, mode);
}

// A directory that is gone when the process ends.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "mintmark-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = name;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// SoftHSM2 reads its configuration when it is initialised, once for a process: so does this.
inline const std::filesystem::path& softhsm_directory() {
  static const TemporaryDirectory directory;
  static const bool configured = [] {
    std::filesystem::create_directory(directory.path() / "tokens");
    write_file(directory.path() / "softhsm2.conf",
               "directories.tokendir = " + (directory.path() / "tokens").string() +
                   "\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n");
    return setenv("SOFTHSM2_CONF", (directory.path() / "softhsm2.conf").c_str(), 1) == 0;
  }();
  if (!configured) throw std::runtime_error("setenv");
  return directory.path();
}

// A token of its own, with a PIN file and a state directory; with all station keys unless told
// otherwise.
class SoftToken {
 public:
  enum class With { keys, nothing };
  explicit SoftToken(With with = With::keys) {
    static std::atomic<int> count{0};
    label_ = "test-" + std::to_string(++count);
    directory_ = softhsm_directory() / label_;
    std::filesystem::create_directory(directory_);
    std::filesystem::create_directory(state_dir());
    write_file(pin_file(), "4711-user\n");
    if (with == With::keys) Vault::create(config(), view(kSoPin));
  }

  static constexpr const char* kModule = "/usr/lib/softhsm/libsofthsm2.so";
  static constexpr const char* kSoPin = "0815-officer";

  const std::string& label() const { return label_; }
  std::filesystem::path directory() const { return directory_; }
  std::filesystem::path pin_file() const { return directory_ / "pin"; }
  std::filesystem::path state_dir() const { return directory_ / "state"; }
  std::string uri() const {
    return "pkcs11:token=" + label_ + "?module-path=" + kModule +
           "&pin-source=file:" + pin_file().string();
  }
  TokenConfig config(int sessions = 4) const { return {uri(), "", state_dir().string(), sessions}; }

 private:
  std::string label_;
  std::filesystem::path directory_;
};

}  // namespace mintmark
