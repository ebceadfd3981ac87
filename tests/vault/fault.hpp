// The fault module, seen from the test that programs it: a PKCS#11 module that hands every call on
// to a real one (MINTMARK_FAULT_MODULE, SoftHSM2 if unset), and does harm at one of them.
#pragma once

#include <dlfcn.h>
#include <p11-kit/pkcs11.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace mintmark::fault {

enum class Harm {
  refuse,           // `rv` without calling
  perform_refuse,   // called, and then `rv`: it has happened and nobody was told
  delay,            // called after `milliseconds`
  zero_random,      // C_GenerateRandom: zeros, and success
  repeat_random,    // C_GenerateRandom: the bytes of the call before, and success
  restore_random,   // C_GenerateRandom: what it gave before arm(), once more, and success: a
                    // generator whose state was put back to an earlier day
  forge_signature,  // C_Sign: other bytes than the token's, and success; for tests of the tests
};

struct Rule {
  std::string function;          // "C_Sign"
  unsigned long occurrence = 0;  // counted from 1 since arm()
  unsigned long times = 1;       // that call and those after it: 0 for all
  Harm harm = Harm::refuse;
  CK_RV rv = CKR_OK;
  unsigned milliseconds = 0;
};

struct Call {
  std::string function;
  unsigned long occurrence = 0;
};

// One for the process; thread-safe.
class Control {
 public:
  virtual void arm(const Rule& rule) = 0;  // instead of the rule before; counts from 1 again
  virtual void disarm() = 0;               // only counts, from 1 again
  virtual unsigned long fired() = 0;       // how often the rule did harm since arm()
  virtual std::vector<Call> calls() = 0;   // since arm() or disarm(), in order
  // The real module's functions: for what the test does beside the station.
  virtual const CK_FUNCTION_LIST& real() = 0;

 protected:
  ~Control() = default;
};

// The module's own control; the module is loaded if it is not yet.
inline Control& control(const std::string& module_path) {
  void* library = dlopen(module_path.c_str(), RTLD_NOW | RTLD_LOCAL);
  void* symbol = library != nullptr ? dlsym(library, "mintmark_fault_control") : nullptr;
  if (symbol == nullptr) throw std::runtime_error("no fault module at " + module_path);
  return *reinterpret_cast<Control* (*)()>(symbol)();
}

}  // namespace mintmark::fault
