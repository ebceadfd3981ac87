// vault.key: a wrapped unit key. The calls are those of SoftHSM2's way (CKD_NULL, then
// CKM_AES_CBC_ENCRYPT_DATA): 2 key pairs, 2 points, 2 derivations, wrap, sign, 6 destructions.
#include <algorithm>
#include <array>
#include <barrier>
#include <chrono>
#include <cstdio>
#include <functional>
#include <thread>
#include <vector>

#include "hsm/module.hpp"
#include "hsm/rv.hpp"
#include "hsm/wrapping.hpp"
#include "tests/bench/vault.hpp"

namespace mintmark::bench {

namespace {

using pkcs11::must;

constexpr int kTurns = 500;

double median(std::vector<double>& values) {
  auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

double seconds(const std::function<void(int thread)>& work, int thread) {
  auto began = std::chrono::steady_clock::now();
  work(thread);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

struct Times {
  std::vector<double> vault, raw;  // seconds, one a turn
};

// Both in turn on the same thread, now this one first and now that.
void take_turns(const std::function<void(int)>& vault, const std::function<void(int)>& raw,
                int thread, Times& out) {
  for (int turn = 0; turn < kTurns; ++turn) {
    if (turn % 2 == 0) out.vault.push_back(seconds(vault, thread));
    out.raw.push_back(seconds(raw, thread));
    if (turn % 2 == 1) out.vault.push_back(seconds(vault, thread));
  }
}

Times all_threads(int threads, const std::function<void(int)>& vault,
                  const std::function<void(int)>& raw) {
  std::vector<Times> each(static_cast<std::size_t>(threads));
  std::barrier start(threads);
  std::vector<std::thread> running;
  for (int i = 0; i < threads; ++i)
    running.emplace_back([&, i] {
      start.arrive_and_wait();
      take_turns(vault, raw, i, each.at(static_cast<std::size_t>(i)));
    });
  for (auto& thread : running) thread.join();
  Times out;
  for (const Times& times : each) {
    out.vault.insert(out.vault.end(), times.vault.begin(), times.vault.end());
    out.raw.insert(out.raw.end(), times.raw.begin(), times.raw.end());
  }
  return out;
}

// Medians: what another process takes of the machine falls on few turns, and on both alike.
void measure_turns(const std::string& name, const std::function<void(int thread)>& vault,
                   const std::function<void(int thread)>& raw) {
  for (int threads : {1, 2}) {
    Times times = all_threads(threads, vault, raw);
    double ours = median(times.vault), theirs = median(times.raw);
    std::printf("note vault.%s.%dt: %.0f us in the vault, %.0f us raw\n", name.c_str(), threads,
                ours * 1e6, theirs * 1e6);
    std::printf("bench vault.%s.%dt %.3f\n", name.c_str(), threads, theirs / ours);
    std::fflush(stdout);
  }
}

CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
CK_ULONG aes = CKK_AES, secret_key = CKO_SECRET_KEY, size32 = 32;
std::array<CK_BYTE, 10> p256 = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
CK_ATTRIBUTE with(CK_ATTRIBUTE_TYPE type, CK_BBOOL& value) { return {type, &value, 1}; }
CK_ATTRIBUTE with(CK_ATTRIBUTE_TYPE type, CK_ULONG& value) { return {type, &value, sizeof value}; }

// A session beside the vault's, whose login counts for the whole token.
struct RawSession {
  explicit RawSession(const SoftToken& token) {
    must("C_OpenSession", api.C_OpenSession(module.find(pkcs11::TokenUri(token.uri())),
                                            CKF_SERIAL_SESSION, nullptr, nullptr, &handle));
  }
  pkcs11::Module& module = pkcs11::Module::load(SoftToken::kModule);
  const CK_FUNCTION_LIST& api = module.api();
  CK_SESSION_HANDLE handle = CK_INVALID_HANDLE;
};

class RawKey {
 public:
  explicit RawKey(const SoftToken& token) : raw_(token), point_(EphemeralKey().point()) {}

  void make() {
    auto [unit_open, unit] = pair(true);
    auto [own_open, own] = pair(false);
    read_point(unit_open);
    read_point(own_open);
    CK_ECDH1_DERIVE_PARAMS agree = {CKD_NULL, 0, nullptr, point_.size(), point_.data()};
    CK_OBJECT_HANDLE shared = derive({CKM_ECDH1_DERIVE, &agree, sizeof agree}, own, CKA_DERIVE);
    CK_AES_CBC_ENCRYPT_DATA_PARAMS cbc = {{}, context_.data(), context_.size()};
    CK_OBJECT_HANDLE under = derive({CKM_AES_CBC_ENCRYPT_DATA, &cbc, sizeof cbc}, shared, CKA_WRAP);
    wrap(under, unit);
    sign(unit);
    for (CK_OBJECT_HANDLE object : {under, shared, own_open, own, unit_open, unit})
      must("C_DestroyObject", raw_.api.C_DestroyObject(raw_.handle, object));
  }

 private:
  std::pair<CK_OBJECT_HANDLE, CK_OBJECT_HANDLE> pair(bool signs) {
    CK_BBOOL& sign = signs ? yes : no;
    CK_BBOOL& agree = signs ? no : yes;
    std::vector<CK_ATTRIBUTE> open = {
        with(CKA_TOKEN, no),     with(CKA_PRIVATE, no),
        with(CKA_VERIFY, sign),  with(CKA_VERIFY_RECOVER, no),
        with(CKA_ENCRYPT, no),   with(CKA_WRAP, no),
        with(CKA_DERIVE, agree), {CKA_EC_PARAMS, p256.data(), p256.size()}};
    std::vector<CK_ATTRIBUTE> secret = {
        with(CKA_TOKEN, no),         with(CKA_PRIVATE, yes), with(CKA_SENSITIVE, yes),
        with(CKA_EXTRACTABLE, sign), with(CKA_SIGN, sign),   with(CKA_SIGN_RECOVER, no),
        with(CKA_DECRYPT, no),       with(CKA_UNWRAP, no),   with(CKA_DERIVE, agree)};
    CK_MECHANISM how{CKM_EC_KEY_PAIR_GEN, nullptr, 0};
    CK_OBJECT_HANDLE a = 0, b = 0;
    must("C_GenerateKeyPair",
         raw_.api.C_GenerateKeyPair(raw_.handle, &how, open.data(), open.size(), secret.data(),
                                    secret.size(), &a, &b));
    return {a, b};
  }

  void read_point(CK_OBJECT_HANDLE key) {
    std::array<CK_BYTE, 80> point{};
    CK_ATTRIBUTE one{CKA_EC_POINT, point.data(), point.size()};
    must("C_GetAttributeValue", raw_.api.C_GetAttributeValue(raw_.handle, key, &one, 1));
  }

  CK_OBJECT_HANDLE derive(CK_MECHANISM how, CK_OBJECT_HANDLE base, CK_ATTRIBUTE_TYPE use) {
    std::vector<CK_ATTRIBUTE> key = {with(CKA_CLASS, secret_key), with(CKA_KEY_TYPE, aes),
                                     with(CKA_VALUE_LEN, size32), with(CKA_TOKEN, no),
                                     with(CKA_PRIVATE, yes),      with(CKA_SENSITIVE, yes),
                                     with(CKA_EXTRACTABLE, no)};
    for (CK_ATTRIBUTE_TYPE type :
         {CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY, CKA_WRAP, CKA_UNWRAP, CKA_DERIVE})
      key.push_back(with(type, type == use ? yes : no));
    CK_OBJECT_HANDLE out = 0;
    must("C_DeriveKey",
         raw_.api.C_DeriveKey(raw_.handle, &how, base, key.data(), key.size(), &out));
    return out;
  }

  void wrap(CK_OBJECT_HANDLE under, CK_OBJECT_HANDLE key) {
    CK_MECHANISM how{CKM_AES_KEY_WRAP_PAD, nullptr, 0};
    std::array<CK_BYTE, 256> out{};
    CK_ULONG size = out.size();
    must("C_WrapKey", raw_.api.C_WrapKey(raw_.handle, &how, under, key, out.data(), &size));
  }

  void sign(CK_OBJECT_HANDLE key) {
    CK_MECHANISM how{CKM_ECDSA, nullptr, 0};
    std::array<CK_BYTE, 64> out{};
    CK_ULONG size = out.size();
    must("C_SignInit", raw_.api.C_SignInit(raw_.handle, &how, key));
    must("C_Sign",
         raw_.api.C_Sign(raw_.handle, context_.data(), context_.size(), out.data(), &size));
  }

  RawSession raw_;
  Bytes point_;
  Digest context_{};
};

}  // namespace

void measure_unit_key(const SoftToken& token, Vault& vault) {
  UnitKeyOrder order(HardwareId("bench", "0011223344556677"), Bytes(16), EphemeralKey().point());
  std::array<RawKey, 2> raw = {RawKey(token), RawKey(token)};
  measure_turns(
      "key", [&](int) { vault.make_unit_key(order); },
      [&](int thread) { raw.at(static_cast<std::size_t>(thread)).make(); });
}

}  // namespace mintmark::bench
