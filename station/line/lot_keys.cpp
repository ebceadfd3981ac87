#include "station/line/lot_keys.hpp"

namespace mintmark {

std::vector<std::string> stray_keys(const std::vector<std::string>& keys,
                                    std::set<std::string> in_use,
                                    const std::vector<Lot>& unfinished) {
  for (const Lot& lot : unfinished) in_use.insert(lot.seal_key);
  std::vector<std::string> out;
  for (const std::string& key : keys)
    if (!in_use.contains(key)) out.push_back(key);
  return out;
}

}  // namespace mintmark
