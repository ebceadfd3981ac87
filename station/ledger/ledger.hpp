// The ledger: SQLite in WAL mode, synchronous=FULL, one writer thread. Callers see transactions,
// never BEGIN.
#pragma once

#include <sqlite3.h>

#include <array>
#include <condition_variable>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "station/words/bytes.hpp"
#include "station/words/task.hpp"

namespace mintmark {

using Json = nlohmann::ordered_json;  // keys stay in the order written

// Who caused a change: a person's name, or "station" for what the machine does by itself.
struct Actor {
  explicit Actor(std::string name_) : name(std::move(name_)) {}
  std::string name;
};

}  // namespace mintmark
