// A whole station in this process, as small as it can be: a real vault on the token behind the
// fault module, a real ledger, the real line with one slot; and an eye on it from outside.
#pragma once

#include <sqlite3.h>

#include <boost/asio/io_context.hpp>
#include <map>
#include <sstream>

#include "station/ledger/lots.hpp"
#include "station/line/line.hpp"
#include "tests/vault/token.hpp"
#include "tests/vault/unit.hpp"

struct evp_pkey_st;

namespace mintmark {

// The owner: a key, and what he has made.
class Owner {
 public:
  explicit Owner(Article article = kLamp);
  ~Owner();
  Owner(const Owner&) = delete;
  Owner& operator=(const Owner&) = delete;
  Bytes public_key() const;
  const Article& article() const { return article_; }
  OrderFiles order(const std::string& station, int number, int quantity) const;

 private:
  Article article_;
  evp_pkey_st* key_;
};

// Labels stay in memory: nothing on this station's disk may hold a password.
class MemorySink : public LabelSink {
 public:
  Readiness ready() override { return {}; }
  void print(const LabelJob& job, const Secret& zpl) override {
    printed[job.serial] = std::string(text(zpl.view()));
  }
  std::map<std::string, std::string> printed;  // by serial
};

// Rows of the ledger's file, read as any program could.
class Outside {
 public:
  explicit Outside(const std::string& path);
  ~Outside();
  Outside(const Outside&) = delete;
  Outside& operator=(const Outside&) = delete;
  // The first column of each row, as bytes; `?` is `value`.
  std::vector<Bytes> rows(const char* sql, const std::string& value = {});
  std::string one(const char* sql, const std::string& value = {});
  std::vector<Bytes> fingerprints(const std::string& hardware);

 private:
  sqlite3* db_ = nullptr;
};

// How a unit's stay in the slot ended.
struct Stay {
  std::string state;       // as the page shows the slot: ended, paused
  std::string code;        // what the page says
  std::string checkpoint;  // code of the fault of the checkpoint behind it, empty if it was made
  bool hung = false;
};

class Station {
 public:
  Station(const TokenConfig& config, const Owner& owner);
  ~Station();
  Station(const Station&) = delete;
  Station& operator=(const Station&) = delete;

  std::string new_hardware();  // an id that no other unit has
  // Seats the unit, scans its label when it is there, has the journal signed, takes the unit out.
  // While the token does harm, a slot that waits for it is settled; once it works again, the wait
  // has to end by itself.
  enum class Token { harmed, works };
  Stay pass(MemoryUnit& unit, Token token = Token::works);
  Lot open_lot(int quantity);
  Lot close_lot(const std::string& lot);
  std::optional<std::string> stopped();
  std::string log() { return log_.str(); }
  void clear_log() { log_.str(""); }

  TemporaryDirectory directory;
  std::vector<Sent> sent;  // of the last stay

 private:
  template <class T>
  T run(Task<T> task);
  bool waits_elsewhere() const;
  bool settled(Token token) const;
  void hear(const std::string& name, const Json& data);
  Task<void> operate(std::string serial, std::string symbol);
  Task<bool> done(const std::string& serial, const std::string& symbol);
  void turn(const std::function<bool()>& until, bool& hung);
  Services services() {
    Services out(vault, pool_, ledger, sink);
    out.first_probe = std::chrono::milliseconds(1);
    return out;
  }
  std::vector<std::unique_ptr<Slot>> slots();

  std::ostringstream log_;
  asio::io_context io_;
  asio::thread_pool pool_{1};
  MemorySlot* slot_ = nullptr;
  const Owner& owner_;
  int orders_ = 0;

 public:
  Vault vault;
  const std::string path;  // of the ledger
  Ledger ledger;
  Outside outside;
  MemorySink sink;

 private:
  Line line_;
  std::shared_ptr<void> hearing_;
  std::string state_, code_, run_;
  bool refreshed_ = false;
  std::map<std::string, bool> seen_;  // control symbols
};

}  // namespace mintmark
