// What the vault costs: units a second through its public functions, divided by those of a raw loop
// of the same PKCS#11 calls on the same token, in the same process and the same minute. Prints
// `bench vault.UNIT.Nt RATIO` for one and for two threads.
//
// Token and module are the caller's affair (SoftHSM2 by default), so only the ratio says anything
// of Mintmark: at 1.0 the vault costs nothing.
#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdio>
#include <functional>
#include <thread>
#include <vector>

#include "hsm/keys.hpp"
#include "hsm/module.hpp"
#include "hsm/rv.hpp"
#include "hsm/session.hpp"
#include "hsm/vault.hpp"
#include "tests/bench/vault.hpp"
#include "tests/unit/hsm/softhsm.hpp"

namespace mintmark {
namespace {

using std::chrono::steady_clock;

constexpr auto kRound = std::chrono::milliseconds(30);
constexpr int kRounds = 101;
constexpr std::size_t kPassword = 16;

const Bytes kAad(150, 0x61);  // ledger, run, hardware id, class, fingerprint: as in FORMATS
const Digest kDigest{1, 2, 3};
const std::string kLot = "bench-lot";

// One unit of a kind, made by one thread; `n` counts that thread's units.
using Unit = std::function<void(std::uint32_t n)>;

// Units a second of `threads` threads, each with a unit-maker of its own. What a maker finds and
// opens first is not counted.
double rate(int threads, const std::function<Unit()>& maker) {
  std::atomic<std::uint64_t> made{0};
  std::atomic<bool> stop{false};
  std::barrier ready(threads + 1);
  std::vector<std::thread> crew;
  crew.reserve(static_cast<std::size_t>(threads));
  for (int i = 0; i < threads; ++i)
    crew.emplace_back([&] {
      Unit unit = maker();
      std::uint32_t n = 0;
      ready.arrive_and_wait();
      while (!stop) unit(n++);
      made += n;
    });
  ready.arrive_and_wait();
  auto begin = steady_clock::now();
  std::this_thread::sleep_for(kRound);
  stop = true;
  for (std::thread& thread : crew) thread.join();
  std::chrono::duration<double> took = steady_clock::now() - begin;
  return static_cast<double>(made) / took.count();
}

// Rounds of the two take turns, so that a slow moment of the machine meets both; the median counts.
void compare(const char* name, const std::function<Unit()>& vault,
             const std::function<Unit()>& raw) {
  for (int threads : {1, 2}) {
    std::vector<double> ratios, rates;
    for (int round = 0; round < kRounds; ++round) {
      double bare = rate(threads, raw);
      rates.push_back(rate(threads, vault));
      ratios.push_back(rates.back() / bare);
    }
    std::sort(ratios.begin(), ratios.end());
    std::sort(rates.begin(), rates.end());
    std::printf("bench vault.%s.%dt %.3f\n", name, threads, ratios[kRounds / 2]);
    std::printf("note vault.%s.%dt: %.0f units/s\n", name, threads, rates[kRounds / 2]);
    std::fflush(stdout);
  }
}

Iv iv_of(std::uint32_t n) {
  Iv out{};
  for (std::size_t i = 0; i < 4; ++i) out.at(11 - i) = static_cast<std::uint8_t>(n >> (8 * i));
  return out;
}

// A session of its own beside the vault, whose login counts for the whole process.
class Raw {
 public:
  explicit Raw(const SoftToken& token)
      : module_(pkcs11::Module::load(SoftToken::kModule)),
        session_(module_, module_.find(pkcs11::TokenUri(token.uri())),
                 pkcs11::Session::Access::read) {}

  CK_OBJECT_HANDLE key(const pkcs11::KeyRole& role, std::string_view label) {
    return pkcs11::find_one(session_, role.secret, label);
  }
  void random(std::span<std::uint8_t> out) { session_.random(out); }

  // The call sequences are Session's, which adds to them nothing but the check of what they return.
  Bytes sign(CK_MECHANISM_TYPE mechanism, CK_OBJECT_HANDLE key, View data) {
    return session_.sign(mechanism, key, data);
  }
  Bytes seal(CK_OBJECT_HANDLE key, const Iv& iv, View plain) {
    return session_.gcm_encrypt(key, iv, kAad, plain);
  }

 private:
  pkcs11::Module& module_;
  pkcs11::Session session_;
};

// A password: a draw, its fingerprint, its copy under the run seal, and the run's nonce.
Unit password_by(Vault& vault) {
  return [&vault](std::uint32_t n) {
    Secret password = vault.random_secret(32);
    password.shrink(kPassword);
    vault.fingerprint(password.view());
    vault.seal(kLot, iv_of(n), kAad, password);
    vault.random(kPassword);
  };
}

Unit password_raw(const SoftToken& token) {
  auto raw = std::make_shared<Raw>(token);
  auto fingerprint = raw->key(pkcs11::kFingerprintKey, pkcs11::kFingerprintKey.label);
  auto seal = raw->key(pkcs11::kLotKey, kLot);
  return [raw, fingerprint, seal](std::uint32_t n) {
    Bytes drawn(32), nonce(32);
    raw->random(drawn);
    View password = View(drawn).first(kPassword);
    raw->sign(pkcs11::kFingerprintKey.use, fingerprint, password);
    raw->seal(seal, iv_of(n), password);
    raw->random(nonce);
  };
}

// A certificate: the CA's signature over its digest.
Unit certificate_by(Vault& vault) {
  return [&vault](std::uint32_t) { vault.ca_sign(kDigest); };
}

Unit certificate_raw(const SoftToken& token) {
  auto raw = std::make_shared<Raw>(token);
  auto key = raw->key(pkcs11::kCaKey, pkcs11::kCaKey.label);
  return [raw, key](std::uint32_t) { raw->sign(pkcs11::kCaKey.use, key, kDigest); };
}

void run() {
  lock_memory();
  SoftToken token;
  Vault vault(token.config(4));
  vault.create_lot_key(kLot);
  compare(
      "password", [&] { return password_by(vault); }, [&] { return password_raw(token); });
  compare(
      "certificate", [&] { return certificate_by(vault); }, [&] { return certificate_raw(token); });
  bench::measure_unit_key(token, vault);
}

}  // namespace
}  // namespace mintmark

int main() {
  mintmark::run();
  return 0;
}
