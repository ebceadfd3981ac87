// The faults of a sweep, and how its tries are shared among the cores.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "hsm/rv.hpp"
#include "tests/vault/fault.hpp"

namespace mintmark {

struct Kind {
  std::string name;
  fault::Harm harm;
  CK_RV rv = CKR_OK;
  unsigned long times = 1;
};

// The classes of return values that a token can fail with, and one that nobody knows.
inline constexpr CK_RV kValues[] = {
    CKR_SESSION_HANDLE_INVALID,
    CKR_SESSION_CLOSED,
    CKR_OPERATION_ACTIVE,
    CKR_OPERATION_NOT_INITIALIZED,
    CKR_USER_NOT_LOGGED_IN,
    CKR_DEVICE_ERROR,
    CKR_DEVICE_REMOVED,
    CKR_TOKEN_NOT_PRESENT,
    CKR_TOKEN_NOT_RECOGNIZED,
    CKR_CRYPTOKI_NOT_INITIALIZED,
    CKR_GENERAL_ERROR,
    CKR_FUNCTION_FAILED,
    CKR_OBJECT_HANDLE_INVALID,
    CKR_KEY_HANDLE_INVALID,
    CKR_DEVICE_MEMORY,
    CKR_HOST_MEMORY,
    CKR_PIN_INCORRECT,
    CKR_PIN_LOCKED,
    CKR_KEY_UNEXTRACTABLE,
    CKR_MECHANISM_INVALID,
    CKR_MECHANISM_PARAM_INVALID,
    CKR_BUFFER_TOO_SMALL,
    0x80000123,
};

inline std::vector<Kind> make_kinds() {
  std::vector<Kind> out;
  for (CK_RV rv : kValues) out.push_back({pkcs11::name_of(rv), fault::Harm::refuse, rv});
  for (CK_RV rv : {CKR_DEVICE_ERROR, CKR_SESSION_HANDLE_INVALID, CKR_USER_NOT_LOGGED_IN,
                   CKR_GENERAL_ERROR, CKR_DEVICE_MEMORY})
    out.push_back({"done, and " + pkcs11::name_of(rv), fault::Harm::perform_refuse, rv});
  for (CK_RV rv : {CKR_DEVICE_REMOVED, CKR_TOKEN_NOT_PRESENT, CKR_CRYPTOKI_NOT_INITIALIZED,
                   CKR_SESSION_HANDLE_INVALID, CKR_USER_NOT_LOGGED_IN})
    out.push_back({"from here on " + pkcs11::name_of(rv), fault::Harm::refuse, rv, 0});
  out.push_back({"delay", fault::Harm::delay});
  return out;
}

// C_GenerateRandom can also lie.
inline const std::vector<Kind>& kinds_for(const std::string& function) {
  static const std::vector<Kind> all = make_kinds();
  static const std::vector<Kind> random = [] {
    auto out = make_kinds();
    out.push_back({"zeros", fault::Harm::zero_random});
    out.push_back({"the block before again", fault::Harm::repeat_random});
    out.push_back({"from here on zeros", fault::Harm::zero_random, CKR_OK, 0});
    return out;
  }();
  return function == "C_GenerateRandom" ? random : all;
}

inline fault::Rule rule_of(const fault::Call& call, const Kind& kind) {
  fault::Rule out;
  out.function = call.function;
  out.occurrence = call.occurrence;
  out.times = kind.times;
  out.harm = kind.harm;
  out.rv = kind.rv;
  out.milliseconds = 5;
  return out;
}

namespace sweeps {

struct Result {
  int tried = 0, violations = 0;
};

// Two processes for each core (MINTMARK_JOBS), for they wait half of their time; each has a token
// of its own in memory. Prints the sum as `sweep NAME: tried N, violations M`; the exit status of
// the program.
int run_all(const std::string& name,
            const std::function<Result(unsigned shard, unsigned shards)>& work);

}  // namespace sweeps
}  // namespace mintmark
