// The code of the fault that some work throws; empty if it throws none.
#pragma once

#include <string>
#include <utility>

#include "station/words/fault.hpp"

namespace mintmark {

template <class Work>
std::string fault_of(Work&& work) {
  try {
    std::forward<Work>(work)();
  } catch (const Fault& fault) {
    return fault.code();
  }
  return "";
}

}  // namespace mintmark
