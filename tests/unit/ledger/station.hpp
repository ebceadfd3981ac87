// A ledger of a station that never was, in a directory of its own, with real keys.
#pragma once

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <concepts>
#include <filesystem>
#include <memory>
#include <string>

#include "station/ledger/ledger.hpp"
#include "station/ledger/lots.hpp"
#include "station/ledger/people.hpp"
#include "station/ledger/runs.hpp"
#include "station/words/fault.hpp"
#include "tests/unit/fault_of.hpp"

namespace mintmark::test {

class Ed25519 {
 public:
  Ed25519();
  ~Ed25519();
  Ed25519(const Ed25519&) = delete;
  Ed25519& operator=(const Ed25519&) = delete;
  Bytes public_key() const;
  Bytes sign(View message) const;
  std::string public_pem() const;

 private:
  EVP_PKEY* key_;
};

// A P-256 CA and what it issues.
class Ca {
 public:
  explicit Ca(const std::string& name);
  ~Ca();
  Ca(const Ca&) = delete;
  Ca& operator=(const Ca&) = delete;
  const Bytes& der() const { return der_; }
  Bytes issue(const std::string& serial) const;
  // PEM; every reason is keyCompromise.
  std::string denial_list(const std::vector<Bytes>& denied, std::uint64_t number) const;

 private:
  EVP_PKEY* key_;
  Bytes der_;
};

Bytes random_bytes(std::size_t size);
Digest random_digest();
std::string uuid7();

class Directory {
 public:
  Directory();
  ~Directory();
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  std::string path(const std::string& name) const { return (root_ / name).string(); }

 private:
  std::filesystem::path root_;
};

const Actor& alice();
const Actor& self();

struct Station {
  Station();
  ~Station();  // audits the ledger once more
  Station(const Station&) = delete;
  Station& operator=(const Station&) = delete;
  bool audits = true;  // not where a test means to break it
  Directory directory;
  Ed25519 owner, journal_key;
  Ca ca{"Test CA"};
  Birth birth;
  std::string path;
  std::unique_ptr<Ledger> ledger;

  Signer signer() const;
  void reopen();
  // Any SQL on a connection of its own, as an intruder would: with the usual pragmas or without.
  std::string intrude(const std::string& sql, bool recursive_triggers = true) const;

  Json order_json(int quantity, int spares) const;
  Order order(const Json& json) const;
  Order order(int quantity, int spares = 0) const { return order(order_json(quantity, spares)); }
  std::string open_lot(const Order& order);
  // By a roster of the owner's; the token of each is "token of <name>". One alone is solo.
  void appoint(const std::vector<std::string>& names);
  std::string open_lot(int quantity, int spares = 0) { return open_lot(order(quantity, spares)); }

  // A run that a change answers must be what the ledger has of it.
  template <class F>
  auto write(F work) {
    auto checked = [&work](Transaction& db) {
      if constexpr (std::same_as<std::invoke_result_t<F&, Transaction&>, Run>) {
        Run out = work(db);
        EXPECT_TRUE(out == runs::get(db, out.id)) << "run " << out.id << " at " << word(out.next);
        return out;
      } else {
        return work(db);
      }
    };
    return ledger->transact_now(std::move(checked));
  }
  template <class F>
  auto read(F work) {
    return ledger->read_now(std::move(work));
  }
  Run begin(const std::string& lot, const std::string& hw, const std::string& slot = "s1");
  Run step(Run run, const Evidence& evidence = {});  // intend and complete
  // A whole passage; ends passed. `reset` is the result of the reset check.
  Run enrolled(const std::string& lot, const std::string& hw);  // certified, at the step's end
  Run pass(const std::string& lot, const std::string& hw, StepResult reset = StepResult::proven);
  std::vector<Json> entries();
  std::vector<std::string> types();
};

inline const std::string kProduct = "name = \"Lamp\"\n";
Credential password();

}  // namespace mintmark::test
