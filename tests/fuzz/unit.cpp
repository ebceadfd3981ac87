// What a unit is sent: the reference unit, which others copy into firmware, against whatever is on
// its line.
#include <memory>

#include "fixtures/frame.hpp"
#include "tests/fuzz/fuzz.hpp"

extern "C" {
#include "flash_file.h"
#include "unit.h"
}

using namespace mintmark;

namespace {

void drop(void* /*context*/, mu_span /*frame*/, bool /*last*/) {}

class Target {
 public:
  Target() : path_((directory_.path() / "flash").string()) {
    config_.src = "demo-otp";
    config_.hw_size = 8;
    config_.model = "LAMP-3";
    config_.firmware = "1.4.0";
    config_.feature = "relay";
    config_.iterations = 1000;
    config_.max_failures = 10;
    config_.csr = true;
    restart();
  }
  ~Target() { mu_flash_close(flash_.get()); }
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;

  void receive(View bytes) {
    mu_unit_receive(unit_.get(), bytes.data(), bytes.size());
    if (!unit_->restart_wanted) return;
    mu_flash_close(flash_.get());
    restart();
  }

 private:
  void restart() {
    mu_host host{};
    host.send = drop;
    if (!mu_flash_open(flash_.get(), path_.c_str()) ||
        !mu_unit_start(unit_.get(), &config_, &host, flash_.get()))
      throw std::runtime_error("the unit does not start");
  }

  fuzz::Directory directory_;
  std::string path_;
  mu_config config_{};
  std::unique_ptr<mu_flash> flash_ = std::make_unique<mu_flash>();
  std::unique_ptr<mu_unit> unit_ = std::make_unique<mu_unit>();
};

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Target unit;
  fuzz::Input input(data, size);
  if (input.choice % 2 == 0)
    unit.receive(input.bytes);
  else
    unit.receive(to_frames(input.bytes));  // a packet whose checksum holds
  unit.receive(view("\n"));
  return 0;
}
