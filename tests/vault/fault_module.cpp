// See fault.hpp. Of the real module's list every function that Mintmark may call is replaced by one
// that counts and may do harm; the others are handed on as they are.
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "tests/vault/fault.hpp"
#include "tests/vault/through.hpp"

namespace mintmark::fault {
namespace {

constexpr const char* kSoftHsm = "/usr/lib/softhsm/libsofthsm2.so";

class Faults final : public Control {
 public:
  void arm(const Rule& rule) override {
    std::lock_guard<std::mutex> guard(mutex_);
    begin();
    rule_ = rule;
  }
  void disarm() override {
    std::lock_guard<std::mutex> guard(mutex_);
    begin();
    rule_.reset();
  }
  unsigned long fired() override {
    std::lock_guard<std::mutex> guard(mutex_);
    return fired_;
  }
  std::vector<Call> calls() override {
    std::lock_guard<std::mutex> guard(mutex_);
    return calls_;
  }
  const CK_FUNCTION_LIST& real() override { return *real_; }

  CK_RV load() {
    std::lock_guard<std::mutex> guard(mutex_);
    if (real_ != nullptr) return CKR_OK;
    const char* path = std::getenv("MINTMARK_FAULT_MODULE");
    void* library = dlopen(path != nullptr ? path : kSoftHsm, RTLD_NOW | RTLD_LOCAL);
    void* symbol = library != nullptr ? dlsym(library, "C_GetFunctionList") : nullptr;
    if (symbol == nullptr) return CKR_GENERAL_ERROR;
    return reinterpret_cast<CK_C_GetFunctionList>(symbol)(&real_);
  }

  // Counts the call; the rule, if it is the rule's.
  std::optional<Rule> counted(const char* function) {
    std::lock_guard<std::mutex> guard(mutex_);
    unsigned long n = ++counts_[function];
    calls_.push_back({function, n});
    if (!rule_ || rule_->function != function || n < rule_->occurrence) return std::nullopt;
    if (rule_->times != 0 && n >= rule_->occurrence + rule_->times) return std::nullopt;
    ++fired_;
    return rule_;
  }

  // C_GenerateRandom's bytes as the token gave them: what a generator that is stuck gives again,
  // and one that was put back gives in the same order.
  void remember(const CK_BYTE* bytes, CK_ULONG size) {
    std::lock_guard<std::mutex> guard(mutex_);
    before_.assign(bytes, bytes + size);
    given_.push_back(before_);
  }
  void restore(CK_BYTE* bytes, CK_ULONG size) {
    std::lock_guard<std::mutex> guard(mutex_);
    std::size_t next = fired_ - 1;
    if (next < earlier_.size() && earlier_[next].size() == size)
      std::memcpy(bytes, earlier_[next].data(), size);
  }
  void repeat(CK_BYTE* bytes, CK_ULONG size) {
    std::lock_guard<std::mutex> guard(mutex_);
    for (CK_ULONG i = 0; i < size; ++i)
      bytes[i] = before_.empty() ? 0 : before_[i % before_.size()];
  }

 private:
  void begin() {
    counts_.clear();
    calls_.clear();
    earlier_ = std::exchange(given_, {});
    fired_ = 0;
  }

  std::mutex mutex_;
  CK_FUNCTION_LIST* real_ = nullptr;
  std::optional<Rule> rule_;
  std::map<std::string, unsigned long> counts_;
  std::vector<Call> calls_;
  unsigned long fired_ = 0;
  std::vector<CK_BYTE> before_;
  std::vector<std::vector<CK_BYTE>> given_, earlier_;  // by C_GenerateRandom; before begin()
};

Faults& faults() {
  static auto& one = *new Faults;
  return one;
}

template <class Call>
CK_RV harmed(const Rule& rule, const Call& call) {
  if (rule.harm == Harm::refuse) return rule.rv;
  if (rule.harm == Harm::delay)
    std::this_thread::sleep_for(std::chrono::milliseconds(rule.milliseconds));
  CK_RV rv = call();
  return rule.harm == Harm::perform_refuse ? rule.rv : rv;
}

// What becomes of every function of the list.
struct Harmful {
  template <class Call>
  static CK_RV around(const char* name, const Call& call) {
    auto rule = faults().counted(name);
    return rule ? harmed(*rule, call) : call();
  }
  static const CK_FUNCTION_LIST& real() { return faults().real(); }
};

CK_RV generate_random(CK_SESSION_HANDLE session, CK_BYTE* out, CK_ULONG size) {
  auto rule = faults().counted("C_GenerateRandom");
  auto real = [&] { return faults().real().C_GenerateRandom(session, out, size); };
  CK_RV rv = rule ? harmed(*rule, real) : real();
  if (rv != CKR_OK) return rv;
  if (rule && rule->harm == Harm::zero_random) std::memset(out, 0, size);
  if (rule && rule->harm == Harm::repeat_random) faults().repeat(out, size);
  if (rule && rule->harm == Harm::restore_random) faults().restore(out, size);
  faults().remember(out, size);
  return rv;
}

CK_RV sign(CK_SESSION_HANDLE session, CK_BYTE* data, CK_ULONG size, CK_BYTE* signature,
           CK_ULONG* signature_size) {
  auto rule = faults().counted("C_Sign");
  auto real = [&] {
    return faults().real().C_Sign(session, data, size, signature, signature_size);
  };
  CK_RV rv = rule ? harmed(*rule, real) : real();
  if (rule && rule->harm == Harm::forge_signature && rv == CKR_OK) signature[0] ^= 1;
  return rv;
}

CK_RV get_function_list(CK_FUNCTION_LIST** out);

CK_FUNCTION_LIST replaced(const CK_FUNCTION_LIST& real) {
  CK_FUNCTION_LIST list = through<Harmful>(real);
  list.C_GetFunctionList = get_function_list;
  list.C_GenerateRandom = generate_random;
  list.C_Sign = sign;
  return list;
}

CK_RV get_function_list(CK_FUNCTION_LIST** out) {
  if (out == nullptr) return CKR_ARGUMENTS_BAD;
  if (CK_RV rv = faults().load(); rv != CKR_OK) return rv;
  static CK_FUNCTION_LIST list = replaced(faults().real());
  *out = &list;
  return CKR_OK;
}

}  // namespace
}  // namespace mintmark::fault

extern "C" {

__attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST** out) {
  return mintmark::fault::get_function_list(out);
}

__attribute__((visibility("default"))) mintmark::fault::Control* mintmark_fault_control() {
  mintmark::fault::faults().load();
  return &mintmark::fault::faults();
}
}
