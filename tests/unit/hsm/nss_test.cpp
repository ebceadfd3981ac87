// A whole vault on a token that is not SoftHSM2: no Ed25519, no CKA_ALLOWED_MECHANISMS, parameters
// for C_Initialize.
#include "tests/unit/hsm/nss.hpp"

#include <gtest/gtest.h>

#include "station/words/crypto.hpp"
#include "tests/unit/fault_of.hpp"

namespace mintmark {
namespace {

TEST(Nss, CarriesAStationsKeysWithP256InThePlaceOfEd25519) {
  Vault::create_keys(nss_token());
  EXPECT_EQ(fault_of([] { Vault::create_keys(nss_token()); }), "token.exists");
  Vault vault(nss_token());
  Bytes journal = vault.journal_public_key();
  ASSERT_EQ(journal.size(), 65U);
  Bytes signature = vault.journal_sign(view("checkpoint"));
  EXPECT_TRUE(p256_verify(p256_spki(journal), sha256(view("checkpoint")), signature));
  EXPECT_FALSE(p256_verify(p256_spki(journal), sha256(view("checkpoinT")), signature));
  Digest digest = sha256(view("certificate"));
  EXPECT_TRUE(p256_verify(p256_spki(vault.ca_public_point()), digest, vault.ca_sign(digest)));

  vault.create_lot_key("mintmark-lot-1");
  Iv iv{};
  Bytes sealed = vault.seal("mintmark-lot-1", iv, view("a"), Secret::copy_of(view("secret")));
  EXPECT_EQ(text(vault.open("mintmark-lot-1", iv, view("a"), sealed).view()), "secret");
  EXPECT_EQ(fault_of([&] { vault.open("mintmark-lot-1", iv, view("b"), sealed); }), "seal.broken");
  EXPECT_EQ(vault.check_value(), vault.check_value());
  vault.destroy_lot_key("mintmark-lot-1");
  EXPECT_FALSE(vault.has_lot_key("mintmark-lot-1"));
  for (const KeyReport& key : vault.describe().keys) EXPECT_EQ(key.wrong, "") << key.label;
  // It keeps no account of where a key was made: that is said, not assumed.
  for (const KeyReport& key : Vault::inspect(nss_token()).keys)
    EXPECT_EQ(key.wrong, key.made_inside ? "" : "CKA_LOCAL") << key.label << " " << key.part;
}

TEST(Nss, AModuleHasItsParametersOnce) {
  TokenConfig other = nss_token();
  other.init_parameters += " flags=readOnly";
  EXPECT_EQ(fault_of([&] { Vault vault(other); }), "token.module");
}

}  // namespace
}  // namespace mintmark
