// What the fuzz targets share. A target is one function over bytes that somebody else sent; a Fault
// is an answer, anything else that gets out of it is a finding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

#include "station/words/bytes.hpp"
#include "station/words/fault.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace mintmark::fuzz {

template <class F>
void answers(F target) {
  try {
    target();
  } catch (const Fault&) {
  }
}

// The first byte chooses, the rest is what is read: one corpus for decoders that are close kin.
struct Input {
  Input(const std::uint8_t* data, std::size_t size)
      : choice(size > 0 ? data[0] : 0), bytes(data + (size > 0 ? 1 : 0), size > 0 ? size - 1 : 0) {}
  std::string string() const { return std::string(text(bytes)); }
  unsigned choice;
  View bytes;
};

// In memory, and gone when the process ends well.
class Directory {
 public:
  Directory() {
    std::string name = "/dev/shm/mintmark-fuzz-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = name;
  }
  ~Directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace mintmark::fuzz
