#include "station/credential/escrow.hpp"

#include <gtest/gtest.h>

#include "station/words/crypto.hpp"
#include "station/words/fault.hpp"
#include "tests/unit/fault_of.hpp"

namespace mintmark {
namespace {

class EscrowSeal : public testing::Test {
 protected:
  Secret open(View spki_, View aad_, View sealed_) {
    Agree agree = [this](View point) {
      auto shared = token.agree(point);
      if (!shared) throw Fault("token.refused");
      return std::move(*shared);
    };
    return open_escrow(agree, spki_, aad_, sealed_);
  }
  std::string broken(View spki_, View aad_, View sealed_) {
    return fault_of([&] { open(spki_, aad_, sealed_); });
  }

  EphemeralKey token;
  Bytes spki = p256_spki(token.point());
  Bytes aad = seal_aad("ledger", "run", "demo-otp:00ff", "password", Digest{});
  Secret secret = Secret::copy_of(view("ABCDEFGHJKLMNPQR"));
};

TEST_F(EscrowSeal, IsOpenedByItsKeyAlone) {
  Bytes sealed = close_escrow(spki, aad, secret), again = close_escrow(spki, aad, secret);
  EXPECT_EQ(sealed.size(), 1U + 65 + 16 + 16);
  EXPECT_NE(sealed, again);
  EXPECT_TRUE(same(open(spki, aad, sealed).view(), secret.view()));
  EphemeralKey stranger;
  Agree other = [&](View point) { return std::move(*stranger.agree(point)); };
  EXPECT_EQ(fault_of([&] { open_escrow(other, spki, aad, sealed); }), "seal.broken");
  EXPECT_EQ(broken(p256_spki(stranger.point()), aad, sealed), "seal.broken");
}

TEST_F(EscrowSeal, IsBoundToItsUnitRunClassAndFingerprint) {
  Bytes sealed = close_escrow(spki, aad, secret);
  Digest other{};
  other[31] = 1;
  for (const Bytes& wrong : {seal_aad("ledgeR", "run", "demo-otp:00ff", "password", Digest{}),
                             seal_aad("ledger", "ruN", "demo-otp:00ff", "password", Digest{}),
                             seal_aad("ledger", "run", "demo-otp:00fe", "password", Digest{}),
                             seal_aad("ledger", "run", "demo-otp:00ff", "passworD", Digest{}),
                             seal_aad("ledger", "run", "demo-otp:00ff", "password", other),
                             seal_aad("ledgerr", "un", "demo-otp:00ff", "password", Digest{})})
    EXPECT_EQ(broken(spki, wrong, sealed), "seal.broken");
}

TEST_F(EscrowSeal, IsRefusedWhereAnyByteDiffers) {
  Bytes sealed = close_escrow(spki, aad, secret);
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    Bytes bent = sealed;
    bent[i] ^= 1;
    EXPECT_NE(broken(spki, aad, bent), "") << i;
  }
  for (std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{66}, std::size_t{81}})
    EXPECT_EQ(broken(spki, aad, View(sealed).first(size)), "seal.broken") << size;
  EXPECT_EQ(fault_of([&] { close_escrow(View(spki).first(90), aad, secret); }), "escrow.key");
}

}  // namespace
}  // namespace mintmark
