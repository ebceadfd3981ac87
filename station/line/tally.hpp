// Counts the symbols of minted passwords (station/ledger/symbols.hpp) in locked memory, until
// enough are together to be written. Two batches of each password: one is written once the next is
// full, so that at a lot's close the last ones never stand alone.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "station/ledger/symbols.hpp"
#include "station/line/recipe.hpp"

namespace mintmark {

class Tally {
 public:
  // A mint that is committed. What is no password is passed over.
  void count(const std::string& lot, const Drawn& drawn);

  // What may be written: the older one of two full batches.
  std::vector<SymbolCounts> full(const std::string& lot);
  // All of a lot that ends, where it is enough.
  std::vector<SymbolCounts> rest(const std::string& lot);
  void forget(const std::string& lot);  // it has ended: what was not enough is never written
  std::vector<std::string> lots() const;
  // They could not be written: later, then.
  void give_back(const std::string& lot, const std::vector<SymbolCounts>& batches);

 private:
  struct Batch {
    Batch() = default;
    std::int64_t mints = 0;
    Redraws redraws{};
    Secret counts;  // 16 bits each: positions, then pairs
  };
  struct Book {
    Book() = default;
    std::string klass;
    PasswordPolicy policy;
    Batch older, newer;
  };
  using Key = std::pair<std::string, std::string>;  // lot, name
  static void open(Batch& batch, const PasswordPolicy& policy);
  static void pour(Batch& from, Batch& to, const PasswordPolicy& policy);
  static SymbolCounts take(const std::string& name, Book& book);  // the older batch

  std::map<Key, Book> books_;
};

}  // namespace mintmark
