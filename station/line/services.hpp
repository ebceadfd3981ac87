// What the work needs from the floors below; wired once, in main.
#pragma once

#include <chrono>
#include <span>
#include <string>

#include "fixtures/slot.hpp"
#include "hsm/vault.hpp"
#include "station/label/sink.hpp"
#include "station/ledger/ledger.hpp"
#include "station/words/task.hpp"

namespace mintmark {

class Tally;
class TokenWatch;

// What the slots do while the token is away.
enum class WhenAway {
  wait,  // a run stays in its slot and goes on there
  stop   // a run is let go with its slot, and met again if its unit still sits there
};

struct Services {
  Services(Vault& vault_, asio::thread_pool& token_pool_, Ledger& ledger_, LabelSink& sink_)
      : vault(&vault_), token_pool(&token_pool_), ledger(&ledger_), sink(&sink_) {}
  Vault* vault;
  asio::thread_pool* token_pool;  // blocking token calls run here
  Ledger* ledger;
  LabelSink* sink;
  // Set only on ledgers born as demos: a simulated scanner reads these labels and scans them.
  const SpoolSink* scanned_spool = nullptr;
  int checkpoint_every = 1000;  // journal entries
  // What must have room before a lot is opened: the ledger's, and the token's where it has one.
  std::span<const std::string> directories;
  WhenAway when_away = WhenAway::wait;
  std::chrono::milliseconds first_probe{100};  // of an absent token; the pause doubles up to 100 x
  TokenWatch* token = nullptr;  // the line's own; without one no run waits for the token
  Tally* tally = nullptr;       // the line's own; without one no symbols are counted
};

}  // namespace mintmark
