// The reference unit in this process: its own C code and store, behind the real protocol, without a
// cable, a boot time or a pause.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "fixtures/smp_unit.hpp"
#include "station/line/passage.hpp"
#include "tests/vault/article.hpp"

extern "C" {
#include "flash_file.h"
#include "unit.h"
}

namespace mintmark {

class MemoryUnit {
 public:
  // `hardware`: 8 bytes in hex. Its flash is a file in `directory`.
  MemoryUnit(const std::filesystem::path& directory, const std::string& hardware,
             const Article& article);
  ~MemoryUnit();
  MemoryUnit(const MemoryUnit&) = delete;
  MemoryUnit& operator=(const MemoryUnit&) = delete;

  // What it answers to a line; it restarts behind its answer where it says that it will.
  Bytes answer(View line);

  // What it knows of itself.
  const std::string& hardware() const { return hardware_; }
  bool locked() const { return unit_->store.provisioning.locked; }
  bool certified() const { return unit_->store.certified; }
  Bytes spki() const;  // of its certified key
  bool has_password() const { return unit_->store.accounts.factory.count > 0; }
  bool lets_in(View password) const;       // as its factory credential
  std::vector<Bytes> raw_secrets() const;  // the values that it keeps as they are

 private:
  void start();

  std::string hardware_, path_;
  mu_fuses fuses_{};
  mu_config config_{};
  std::unique_ptr<mu_flash> flash_ = std::make_unique<mu_flash>();
  std::unique_ptr<mu_unit> unit_ = std::make_unique<mu_unit>();
  Bytes sent_;
};

// A secret that went to a unit, and what the ledger's file held for that unit at that moment.
struct Sent {
  Bytes secret;
  std::vector<Bytes> committed;  // fingerprints
};

// A slot of a fixture whose units are in this process.
class MemorySlot : public Slot {
 public:
  using Committed = std::function<std::vector<Bytes>(const std::string& hardware)>;
  MemorySlot(const asio::any_io_executor& executor, Committed committed);
  ~MemorySlot() override;

  void seat(MemoryUnit& unit);
  void unseat();
  bool is_waiting() const;  // for a unit to come
  bool is_resting() const;  // for the unit to go
  std::vector<Sent> take_sent();

  const SlotConfig& config() const override;
  Task<Identification> arrival(std::function<void(const std::string&)> trouble) override;
  Task<void> departure() override;
  Protocol& protocol() override;

 private:
  class Cable;
  class Watch;
  SlotConfig config_;
  Event changed_;
  std::unique_ptr<Cable> cable_;
  std::unique_ptr<Watch> watch_;
  bool waiting_ = false, resting_ = false;
};

}  // namespace mintmark
