// How fast: each operation in one session, as the station does it. Medians, because a machine that
// was busy for a moment says nothing about the token.
#include <algorithm>
#include <chrono>

#include "hsm/contract.hpp"
#include "station/words/crypto.hpp"

namespace mintmark::pkcs11 {

namespace {

using RateClock = std::chrono::steady_clock;

constexpr auto kLong = std::chrono::milliseconds(150);  // for each operation
constexpr std::size_t kMost = 2000;

template <class Act>
double per_second(Act act) {
  std::vector<double> took;
  auto end = RateClock::now() + kLong;
  do {
    auto began = RateClock::now();
    act();
    took.push_back(std::chrono::duration<double>(RateClock::now() - began).count());
  } while (took.size() < kMost && RateClock::now() < end);
  auto middle = took.begin() + static_cast<std::ptrdiff_t>(took.size() / 2);
  std::nth_element(took.begin(), middle, took.end());
  return 1 / std::max(*middle, 1e-9);
}

double random_rate(Session& session, const WrapRoute&) {
  Bytes out(32);
  return per_second([&] { session.random(out); });
}

double hmac_rate(Session& session, const WrapRoute&) {
  CK_OBJECT_HANDLE key = make_secret(session, CKK_GENERIC_SECRET, 32, {CKA_SIGN});
  return per_second([&] { session.sign(CKM_SHA256_HMAC, key, Bytes(16, 1)); });
}

double gcm_rate(Session& session, const WrapRoute&) {
  CK_OBJECT_HANDLE key = make_secret(session, CKK_AES, 32, {CKA_ENCRYPT});
  Bytes iv(12, 0), aad(100, 1), plain(16, 2);
  return per_second([&] { session.gcm_encrypt(key, iv, aad, plain); });
}

double ecdsa_rate(Session& session, const WrapRoute&) {
  KeyPair pair = make_pair_on(session, kP256Parameters, {CKA_SIGN});
  return per_second([&] { session.sign(CKM_ECDSA, pair.secret, Bytes(32, 1)); });
}

double pair_rate(Session& session, const WrapRoute&) {
  return per_second([&] {
    KeyPair pair = make_pair_on(session, kP256Parameters, {CKA_SIGN});
    session.destroy(pair.secret);
    session.destroy(pair.open);
  });
}

// A unit's key: made, agreed for, wrapped, destroyed.
double wrapped_rate(Session& session, const WrapRoute& route) {
  Bytes peer = EphemeralKey().point();
  Digest context = sha256(view("rate"));
  return per_second([&] {
    KeyPair made = make_pair_on(session, kP256Parameters, {CKA_SIGN}, Leaves::wrapped);
    KeyPair ephemeral = make_pair_on(session, kP256Parameters, {CKA_DERIVE});
    CK_OBJECT_HANDLE by = derive_wrapping_key(session, route.kdf, ephemeral.secret, peer, context);
    session.wrap({route.wrap, nullptr, 0}, by, made.secret);
    for (CK_OBJECT_HANDLE one : {made.secret, made.open, ephemeral.secret, ephemeral.open, by})
      session.destroy(one);
  });
}

struct Measured {
  const char* operation = "";
  double (*rate)(Session&, const WrapRoute&) = nullptr;
  bool needs_route = false;
};

constexpr Measured kMeasured[] = {
    {"32 random bytes", random_rate},      {"HMAC-SHA-256 of 16 bytes", hmac_rate},
    {"AES-256-GCM of 16 bytes", gcm_rate}, {"ECDSA P-256 signature", ecdsa_rate},
    {"P-256 key pair", pair_rate},         {"P-256 key wrapped for a unit", wrapped_rate, true},
};

}  // namespace

std::vector<Rate> measure_rates(const OpenSession& open, const std::optional<WrapRoute>& route) {
  std::vector<Rate> out;
  for (const Measured& one : kMeasured) {
    if (one.needs_route && !route) continue;
    try {
      auto session = open();
      out.push_back({one.operation, one.rate(*session, route.value_or(WrapRoute{}))});
    } catch (const CallFault&) {
      // A contract has said already that this is not on offer.
    }
  }
  return out;
}

}  // namespace mintmark::pkcs11
