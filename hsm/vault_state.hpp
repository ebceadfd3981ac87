// What a vault holds. Not for other folders.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "hsm/connection.hpp"
#include "hsm/health.hpp"
#include "hsm/storage.hpp"
#include "hsm/vault.hpp"

namespace mintmark {

struct Vault::State {
  explicit State(const TokenConfig& config) : link(config), directory(token_directory(config)) {}
  void draw(std::span<std::uint8_t> blocks);
  void sync_files() const;
  void change(const std::function<void(pkcs11::Connection&, pkcs11::Session&)>& work);
  bool seems_there(const std::string& label);
  void destroy(const std::string& label);
  void leave(const std::string& label);
  void keep(const std::string& label);
  std::optional<Fault> destroy_left();

  pkcs11::Link link;
  std::optional<std::string> directory;  // of a token in software
  RandomTests health;
  std::mutex lots;  // one change of the set of lot keys at a time
  std::array<std::atomic<int>, kSignerRoles.size()> in_use{1, 1, 1, 1};  // generations
  // Lot keys that must not be and may be there, because the token went away meanwhile.
  std::mutex left_mutex;
  std::set<std::string> left;
};

// The texts of the token's notes of this label.
std::vector<Bytes> notes_in(pkcs11::Session& session, const std::string& label);

}  // namespace mintmark
