// Eight threads mint on one SoftHSM2 through one vault: every mint is a password, its fingerprint
// and its seal. No two fingerprints are alike, and the token holds as many objects afterwards as
// before. Built with ThreadSanitizer by `tests/run vault`.
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <thread>
#include <unordered_set>
#include <vector>

#include "hsm/connection.hpp"
#include "station/credential/password.hpp"
#include "tests/unit/hsm/softhsm.hpp"

namespace mintmark {
namespace {

constexpr int kThreads = 8;

// Every token object of every class, counted by a login of its own.
std::size_t token_objects(const SoftToken& token) {
  pkcs11::Link link(token.config(1));
  return link.run(pkcs11::Link::Repeat::yes, [](pkcs11::Connection&, pkcs11::Session& session) {
    pkcs11::Attributes on_token;
    on_token.flag(CKA_TOKEN, true);
    return session.find(on_token).size();
  });
}

// Session objects too: what a mint leaves in memory is a leak as well.
std::size_t all_objects(const SoftToken& token) {
  pkcs11::Link link(token.config(1));
  return link.run(pkcs11::Link::Repeat::yes, [](pkcs11::Connection&, pkcs11::Session& session) {
    return session.find({}).size();
  });
}

class Mints {
 public:
  Mints(Vault& vault, int wanted) : vault_(vault), wanted_(wanted) {}

  void run() {
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) threads.emplace_back([this] { work(); });
    for (std::thread& thread : threads) thread.join();
  }
  std::size_t distinct() const { return seen_.size(); }
  bool failed() const { return failed_; }

 private:
  void work() {
    try {
      for (int number = next_++; number < wanted_ && !failed_; number = next_++) mint(number);
    } catch (const Fault& fault) {
      failed_ = true;
      std::printf("mint: %s\n", fault.what());
    }
  }

  void mint(int number) {
    Secret password = mint_password(vault_, PasswordPolicy());
    Digest fingerprint = vault_.fingerprint(password.view());
    Iv iv{};
    std::memcpy(iv.data() + 8, &number, sizeof number);
    Bytes sealed = vault_.seal("lot", iv, fingerprint, password);
    if (number % 100 == 0 &&
        !same(vault_.open("lot", iv, fingerprint, sealed).view(), password.view()))
      throw Fault("seal.broken");
    std::lock_guard<std::mutex> guard(mutex_);
    seen_.insert(std::string(text(fingerprint)));
  }

  Vault& vault_;
  const int wanted_;
  std::atomic<int> next_ = 0;
  std::atomic<bool> failed_ = false;
  std::mutex mutex_;
  std::unordered_set<std::string> seen_;
};

}  // namespace
}  // namespace mintmark

int main() {
  using namespace mintmark;
  const char* asked = std::getenv("MINTMARK_MINTS");
  int wanted = asked != nullptr ? std::atoi(asked) : 100'000;
  SoftToken token;
  Vault vault(token.config(kThreads));
  vault.create_lot_key("lot");
  std::size_t before = token_objects(token), all_before = all_objects(token);
  Mints mints(vault, wanted);
  mints.run();
  std::size_t after = token_objects(token), all_after = all_objects(token);
  std::printf(
      "note mints: %d at %d threads, %zu distinct, token objects %zu before and %zu after\n",
      wanted, kThreads, mints.distinct(), before, after);
  bool good = !mints.failed() && mints.distinct() == static_cast<std::size_t>(wanted) &&
              before == after && all_before == all_after;
  return good ? 0 : 1;
}
