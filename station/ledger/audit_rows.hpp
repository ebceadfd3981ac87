// What one kind of journal entry says of the tables. Not for other folders.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "station/ledger/audit.hpp"
#include "station/words/unit.hpp"

namespace mintmark {

// A text of an entry, empty where it has none of that name.
inline std::string said(const Json& entry, const char* key) { return entry.value(key, ""); }

// Rows that an entry has accounted for, by rowid. What is left over nobody journalled.
class SeenRows {
 public:
  void add(std::int64_t rowid);
  bool has(std::int64_t rowid) const;
  std::uint64_t count() const { return count_; }

 private:
  std::vector<bool> seen_;
  std::uint64_t count_ = 0;
};

class AuditRows {
 public:
  AuditRows(Reader& db, const Birth& birth) : db_(&db), birth_(&birth) {}

  static bool knows(std::string_view type);
  void entry(std::uint64_t seq, const std::string& type, const Json& fields);
  void step_end(std::uint64_t seq, const std::string& run, const std::string& step,
                const std::string& result);
  void finish();  // what stands at the end, and rows that no entry knows
  std::uint64_t rows() const;
  const std::string& anchor() const { return anchor_; }

 private:
  using Check = void (AuditRows::*)(const Json&);
  static const std::map<std::string_view, Check>& checks();

  // What a run that goes on stands at.
  struct OpenRun {
    std::string lot, serial, next = "reserve", reset_check, spki;
    std::int64_t unit = 0, reset_seq = 0;
    int attempts = 0;
    bool offered = false;
  };
  struct LotState {
    std::string order, seal_key, state = "open", pause_code;
    std::int64_t number = 0, quantity = 0, spares = 0, admitted = 0, seals = 0;
  };
  struct ActState {
    std::string state = "proposed", confirmed_by;
  };
  struct PersonState {
    std::set<std::string> roles;
    std::optional<std::int64_t> uid;
    bool removed = false;
  };

  // The rowid of the one row that the query finds; marked as seen. `table` and `key` name it.
  template <class... Args>
  std::int64_t row(const std::string& table, const std::string& key, std::string_view where,
                   const Args&... args) {
    auto id = db_->value<std::int64_t>(
        "SELECT rowid FROM " + table + " WHERE " + std::string(where), args...);
    if (!id) throw differs(table, key);
    seen_[table].add(*id);
    return *id;
  }
  Fault differs(const std::string& table, const std::string& key) const;
  std::int64_t unit_of(const Json& entry);
  OpenRun& run_of(const Json& entry);
  OpenRun& open_run(const std::string& id);
  LotState& lot_of(const Json& entry);

  // One for each type that changes a table.
  void birth(const Json& e);
  void anchor(const Json& e);
  void spent(const Json& e);
  void order_accept(const Json& e);
  void lot_open(const Json& e);
  void lot_state(const Json& e);
  void run_begin(const Json& e);
  void run_contact(const Json& e);
  void run_back(const Json& e);
  void run_end(const Json& e);
  void unit_admit(const Json& e);
  void unit_return(const Json& e);
  void unit_quarantine(const Json& e);
  void unit_release(const Json& e);
  void unit_retire(const Json& e);
  void key_commit(const Json& e);
  void certificate_issue(const Json& e);
  void certificate_second(const Json& e);
  void certificate_deny(const Json& e);
  void credential_mint(const Json& e);
  void credential_burn(const Json& e);
  void decoy_burn(const Json& e);
  void secret_offer(const Json& e);
  void label_attempt(const Json& e);
  void label_event(const Json& e);
  void slot_pause(const Json& e);
  void station_stop(const Json& e);
  void person(const Json& e);
  void roster_apply(const Json& e);
  void act(const Json& e);
  void signer_new(const Json& e);
  void ca_install(const Json& e);
  void escrow_install(const Json& e);

  void check_pool(const std::string& lot, const Json& order, const std::string& kind);
  void check_run(const std::string& id, const OpenRun& run, const std::string& ending,
                 const std::string& code);
  void end_release(std::int64_t unit);
  void finish_lots();
  void finish_people();
  void finish_units();
  void finish_acts();
  void finish_station();
  void finish_rows();

  Reader* db_;
  const Birth* birth_;
  std::uint64_t seq_ = 0;
  std::string type_;
  std::map<std::string, SeenRows> seen_;
  std::unordered_map<std::string, OpenRun> open_;
  std::map<std::string, LotState> lots_;
  std::map<std::string, ActState> acts_;
  std::map<std::string, PersonState> people_;
  std::vector<std::pair<std::string, std::string>> officers_;  // name, credential: newest roster
  std::set<std::string> paused_slots_;
  std::set<std::int64_t> quarantined_, returning_;  // units
  std::vector<std::uint32_t> mints_;                // by unit
  std::string stop_code_, anchor_;
};

}  // namespace mintmark
