// A ledger in which something of every kind has happened.
#pragma once

#include <string>

#include "station.hpp"

namespace mintmark::test {

struct Rich {
  Rich();
  Station station;
  std::string lot;

 private:
  void appoint();
};

// What a start says of it: "opened", or a fault's code, and the row that it names.
std::string opening(const std::string& path);

}  // namespace mintmark::test
