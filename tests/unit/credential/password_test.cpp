#include "station/credential/password.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include <array>
#include <cmath>
#include <set>
#include <thread>

#include "station/words/crypto.hpp"
#include "station/words/fault.hpp"
#include "tests/unit/fault_of.hpp"
#include "tests/unit/hsm/shared.hpp"

namespace mintmark {
namespace {

std::string refusal(const PasswordPolicy& policy) {
  return fault_of([&] { policy.check(); });
}

std::string str(const Secret& secret) { return std::string(text(secret.view())); }

TEST(Policy, OfTheDefaultHas79Bits) {
  EXPECT_NEAR(PasswordPolicy().bits(), 79.27, 0.01);
  EXPECT_EQ(kA31.size(), 31U);
  EXPECT_EQ(refusal(PasswordPolicy()), "");
}

TEST(Policy, Below64BitsIsRefused) {
  EXPECT_EQ(refusal(PasswordPolicy(std::string(kA31), 12)), "policy.weak");  // 59.45 bits
  EXPECT_EQ(refusal(PasswordPolicy(std::string(kA31), 13)), "");             // 64.40
  EXPECT_EQ(refusal(PasswordPolicy("0123456789", 19)), "policy.weak");
  EXPECT_EQ(refusal(PasswordPolicy("0123456789", 20)), "");
  EXPECT_EQ(fault_of([] { mint_password(vault(), PasswordPolicy(std::string(kA31), 12)); }),
            "policy.weak");
}

TEST(Policy, WithAnAlphabetThatWouldNotReadBackIsRefused) {
  for (const char* alphabet : {"", "ABCDEFGHI", "ABCDEFGHIJA", "ABCDEFGHIJ-", "ABCDEFGHIJ ",
                               "ABCDEFGHIJ\x7f", "ABCDEFGHIJ\xc3\x84", "abcdefghijklmnop"})
    EXPECT_EQ(refusal(PasswordPolicy(alphabet, 30)), "policy.alphabet") << alphabet;
  EXPECT_EQ(refusal(PasswordPolicy("ABCDEabcde", 30)), "");
  for (int length : {-1, 0, 64})
    EXPECT_EQ(refusal(PasswordPolicy(std::string(kA31), length)), "policy.length");
}

TEST(Canonical, DropsSeparatorsAndFoldsASingleCase) {
  auto canon = [](const char* printed, const PasswordPolicy& policy) {
    return str(canonical(view(printed), policy));
  };
  EXPECT_EQ(canon("k7qm-2xrd 9hvt-WN4C", PasswordPolicy()), "K7QM2XRD9HVTWN4C");
  EXPECT_EQ(canon("aB-cD", PasswordPolicy("ABCDEabcde", 30)), "aBcD");
  EXPECT_EQ(canon("", PasswordPolicy()), "");
  EXPECT_EQ(canon("- -", PasswordPolicy()), "");
}

TEST(Canonical, UndoesTheGroupsOfALabel) {
  for (const auto& [bare, printed] :
       {std::pair("K7QM2XRD9HVTWN4C", "K7QM-2XRD-9HVT-WN4C"), std::pair("ABCDE", "ABCD-E"),
        std::pair("ABCD", "ABCD"), std::pair("", "")}) {
    EXPECT_EQ(str(canonical(view(printed), PasswordPolicy())), bare);
  }
}

TEST(Sample, GivesTheKnownSymbols) {
  Bytes random = *from_hex("001e1ff7f8ff3d3e0102030405060708090a");
  Bytes out(16);
  Sampled done = sample(random, kA31, out);
  EXPECT_EQ(done.symbols, 16U);
  EXPECT_EQ(done.used, 18U);
  EXPECT_EQ(text(out), "2Z2ZZ23456789ABC");
  done = sample(sha256(view("test")), kA31, out);
  EXPECT_EQ(done.symbols, 16U);
  EXPECT_EQ(text(out), "6CR7EG3AZJK7DXRQ");
}

TEST(Sample, HasNoBias) {
  Bytes every(256);
  for (std::size_t i = 0; i < every.size(); ++i) every[i] = static_cast<std::uint8_t>(i);
  for (std::string_view alphabet : {kA31, std::string_view("0123456789")}) {
    Bytes out(256);
    Sampled done = sample(every, alphabet, out);
    EXPECT_EQ(done.used, 256U);
    EXPECT_EQ(done.symbols, 256 - 256 % alphabet.size());
    std::map<std::uint8_t, std::size_t> count;
    for (std::size_t i = 0; i < done.symbols; ++i) ++count[out[i]];
    for (const auto& [symbol, times] : count) EXPECT_EQ(times, 256 / alphabet.size()) << symbol;
    EXPECT_EQ(count.size(), alphabet.size());
  }
}

TEST(Sample, StopsWhereTheRandomBytesDo) {
  Bytes out(4);
  Sampled done = sample(*from_hex("00f801"), kA31, out);
  EXPECT_EQ(done.symbols, 2U);
  EXPECT_EQ(done.used, 3U);
}

TEST(Unfit, IsWhatReadersAndNeighboursWouldGuess) {
  auto unfit = [](const char* password, const std::vector<std::string>& open = {}) {
    return mintmark::unfit(view(password), kA31, open);
  };
  EXPECT_EQ(unfit("K7QM2XRD9HVTWN4C"), std::nullopt);
  EXPECT_EQ(unfit("23456789ABCDEF23"), Unfit::hexadecimal);
  EXPECT_EQ(unfit("K7QM2222XRD9HVTW"), Unfit::run_of_four);
  EXPECT_EQ(unfit("K7QM222XRD9HVTWN"), std::nullopt);
  EXPECT_EQ(unfit("K7QM2XRD9HVTWN4C", {"SN-XRD9-1"}), Unfit::public_string);
  EXPECT_EQ(unfit("K7QM2A3B4C9HVTWN", {"sn-1", "00:2a:3b:4c:99"}), Unfit::public_string);
  EXPECT_EQ(unfit("K7QM2XRD9HVTWN4C", {"XRD", "7QM-", "WN4D", ""}), std::nullopt);
  EXPECT_EQ(mintmark::unfit(view("12345678901234567890"), "0123456789", {}), std::nullopt);
  EXPECT_EQ(mintmark::unfit(view("aB3dXXmmQQx4f7yz"), "abcdABCDxXmMyz0123456789fQ", {"xxMM"}),
            Unfit::public_string);
}

TEST(Mint, IsOfThePolicyAndFresh) {
  std::set<std::string> seen;
  Redraws redraws = {-1, -1, -1};
  for (int i = 0; i < 300; ++i) {
    std::string password = str(mint_password(vault(), PasswordPolicy(), {"SN000123"}, &redraws));
    EXPECT_EQ(password.size(), 16U);
    EXPECT_EQ(password.find_first_not_of(kA31), std::string::npos);
    EXPECT_TRUE(seen.insert(password).second);
    EXPECT_EQ(std::count(redraws.begin(), redraws.end(), -1), 0);
  }
  EXPECT_EQ(mint_password(vault(), PasswordPolicy(std::string(kA31), 63)).size(), 63U);
}

// A public string with every combination leaves nothing to draw.
TEST(Mint, GivesUpWhenNothingIsFit) {
  std::string everything;
  for (char a : std::string("0123456789"))
    for (char b : std::string("0123456789"))
      for (char c : std::string("0123456789"))
        for (char d : std::string("0123456789")) everything += {a, b, c, d};
  EXPECT_EQ(
      fault_of([&] { mint_password(vault(), PasswordPolicy("0123456789", 20), {everything}); }),
      "rng.broken");
}

TEST(Mint, FingerprintsTheCanonicalForm) {
  Secret password = mint_password(vault(), PasswordPolicy());
  Secret printed(password.size() + 1);
  std::copy(password.view().begin(), password.view().end(), printed.mutable_view().begin());
  printed.mutable_view().back() = '-';
  EXPECT_EQ(vault().fingerprint(password.view()),
            vault().fingerprint(canonical(printed.view(), PasswordPolicy()).view()));
  EXPECT_NE(vault().fingerprint(password.view()), vault().fingerprint(printed.view()));
}

// The function of the token key, shown on a key of zeros.
TEST(Mint, FingerprintVector) {
  EXPECT_EQ(hex(hmac_sha256(Bytes(32), view("K7QM2XRD9HVTWN4C"))),
            "d80ae5c50cc1fd0586ad2d3174fe22c66e3fae7f1f33d24a63b4df2857c1ef0f");
}

// What needs a key of the token's own is refused without it.
TEST(Derive, IsRefusedWithoutItsKey) {
  SoftToken token;
  Vault bare(token.config());
  EXPECT_FALSE(bare.has_derivation_key());
  EXPECT_EQ(fault_of([&] { derive_password(bare, PasswordPolicy(), view("unit 1")); }),
            "token.key");
}

class Derived : public testing::Test {
 protected:
  SoftToken token;
  Vault keyed{token.config()};
  Derived() { keyed.create_derivation_key(); }
  std::string derive(const std::string& context, const PasswordPolicy& policy = {},
                     const std::vector<std::string>& open = {}, Redraws* redraws = nullptr) {
    return str(derive_password(keyed, policy, view(context), open, redraws));
  }
};

TEST_F(Derived, IsTheSameForOneContextAndAnotherForEachOther) {
  EXPECT_TRUE(keyed.has_derivation_key());
  EXPECT_EQ(fault_of([&] { keyed.create_derivation_key(); }), "token.key_exists");
  std::string one = derive("unit 1");
  EXPECT_EQ(one.size(), 16U);
  EXPECT_EQ(one.find_first_not_of(kA31), std::string::npos);
  std::set<std::string> seen;
  for (int i = 0; i < 200; ++i) seen.insert(derive("unit " + std::to_string(i)));
  EXPECT_EQ(seen.size(), 200U);
  EXPECT_TRUE(seen.contains(one));
  EXPECT_EQ(derive("unit 1", PasswordPolicy(std::string(kA31), 63)).substr(0, 16), one);
  SoftToken other;
  Vault stranger(other.config());
  stranger.create_derivation_key();
  EXPECT_NE(str(derive_password(stranger, PasswordPolicy(), view("unit 1"))), one);
}

// The floor and the filters are those of every password.
TEST_F(Derived, IsNoWeakerThanADrawnOne) {
  EXPECT_EQ(fault_of([&] { derive("unit 1", PasswordPolicy(std::string(kA31), 12)); }),
            "policy.weak");
  std::string taken = derive("unit 1");
  Redraws redraws{};
  EXPECT_NE(derive("unit 1", {}, {taken.substr(3, 4)}, &redraws), taken);
  EXPECT_GE(redraws[2], 1);
}

class Threads : public testing::TestWithParam<int> {};

TEST_P(Threads, MintTogetherWithoutErrorOrRepeat) {
  std::vector<std::vector<std::string>> minted(static_cast<std::size_t>(GetParam()));
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  for (auto& mine : minted)
    threads.emplace_back([&mine, &failures] {
      try {
        for (int i = 0; i < 100; ++i) mine.push_back(str(mint_password(vault(), {})));
      } catch (const std::exception&) {
        ++failures;
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  std::set<std::string> all;
  for (const auto& some : minted) all.insert(some.begin(), some.end());
  EXPECT_EQ(all.size(), minted.size() * 100);
}

INSTANTIATE_TEST_SUITE_P(Mint, Threads, testing::Values(2, 8));

}  // namespace
}  // namespace mintmark
