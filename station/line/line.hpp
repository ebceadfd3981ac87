// The line: every slot, the runs that wait for their labels, and what people may ask of them. All
// of it lives on one io_context thread; nothing here locks.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "station/ledger/ledger.hpp"
#include "station/ledger/lots.hpp"
#include "station/line/services.hpp"

namespace mintmark {

// An order as it comes from its owner: exact bytes, the text of the .sig file, and what it names by
// digest.
struct OrderFiles {
  OrderFiles() = default;
  Bytes order;
  std::string signature;
  Bytes product;
  std::map<std::string, Bytes> templates;  // by place
};

class Line {
 public:
  Line(const asio::any_io_executor& executor, Services services, std::vector<SlotConfig> slots);
  // With slots that somebody else made.
  Line(const asio::any_io_executor& executor, Services services,
       std::vector<std::unique_ptr<Slot>> slots);
  ~Line();

  // Resumes the runs that wait for labels and serves every slot until stop().
  void start();
  void stop();

  // --- What people see. `slots`, `pending`, `station` as in schema/openapi.yaml.
  Json snapshot() const;
  Json station() const;
  // The code of what keeps units waiting: a disk that cannot be written.
  std::optional<std::string> trouble() const;
  // Called with (event id, event name, data) for every change; lives as long as the returned
  // handle.
  using Listener = std::function<void(std::uint64_t id, const std::string& name, const Json& data)>;
  [[nodiscard]] std::shared_ptr<void> subscribe(Listener listener);
  std::uint64_t last_event() const;

  // --- What people do. Each is one transaction with its journal entry, or a Fault and no change.
  Task<Lot> open_lot(Actor actor, OrderFiles files);
  Task<Lot> close_lot(Actor actor, std::string lot);
  Task<Lot> pause_lot(Actor actor, std::string lot);
  Task<Lot> resume_lot(Actor actor, std::string lot);
  // `unit` is the unit's own code "<source>:<hex>", or "SLOT:<name>" while it is seated there;
  // `symbol` is the label's control symbol. Answers
  // {"run","serial","place","attempt","state","done"}.
  Task<Json> scan(Actor actor, std::string unit, std::string symbol);
  Task<void> void_label(Actor actor, std::string symbol, std::string reason);
  Task<void> lose_label(Actor actor, std::string serial, std::string reason);
  Task<void> abandon(Actor actor, std::string run, std::string reason);
  Task<void> resume_slot(Actor actor, std::string slot);
  // The ledger was changed by somebody else: whoever waits for such a change sees it.
  Task<void> look_again();
  // A checkpoint that the token signed over everything committed so far (the signed note's bytes).
  Task<std::string> checkpoint(Actor actor, std::string nonce);

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace mintmark
