// What a token does is measured, and nothing of the measuring stays.
#include "hsm/qualify.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "hsm/contract.hpp"
#include "tests/unit/hsm/shared.hpp"

namespace mintmark {
namespace {

pkcs11::OpenSession sessions_of(SoftToken& token) {
  return [&token] {
    auto& module = pkcs11::Module::load(SoftToken::kModule);
    return std::make_unique<pkcs11::Session>(module, module.find(pkcs11::TokenUri(token.uri())),
                                             pkcs11::Session::Access::read);
  };
}

TEST(Qualify, SaysWhatSoftHsmDoesAndLeavesNothing) {
  SoftToken token;
  std::size_t before = 0;
  {
    Vault vault(token.config());
    before = sessions_of(token)()->find({}).size();
  }
  Qualification found = qualify(token.config());
  EXPECT_TRUE(found.suitable());
  EXPECT_EQ(found.journal, CK_MECHANISM_TYPE{CKM_EDDSA});
  ASSERT_TRUE(found.route);
  EXPECT_EQ(found.uses().at(1),
            "wrapped keys: CKM_ECDH1_DERIVE with CKD_NULL, then CKM_AES_CBC_ENCRYPT_DATA; RFC 5649 "
            "by mechanism 0x210A");
  for (const Finding& one : found.findings)
    EXPECT_NE(one.kept, Kept::violated) << one.contract << ": " << one.says;
  EXPECT_EQ(found.rates.size(), 6U);
  for (const Rate& rate : found.rates) EXPECT_GT(rate.per_second, 1) << rate.operation;
  Vault vault(token.config());
  EXPECT_EQ(sessions_of(token)()->find({}).size(), before);
}

TEST(Qualify, NeedsEveryNeededContract) {
  Qualification found;
  found.journal = CKM_ECDSA;
  found.findings = {{"optional", Kept::violated, "", false}, {"needed", Kept::yes, "", true}};
  EXPECT_TRUE(found.suitable());
  found.findings.back().kept = Kept::not_offered;
  EXPECT_FALSE(found.suitable());
  found.findings.back().kept = Kept::yes;
  found.journal.reset();
  EXPECT_FALSE(found.suitable()) << "without checkpoints there is no station";
}

std::string broken(pkcs11::Bench&) { throw pkcs11::Violated("it did"); }
std::string lacking(pkcs11::Bench& bench) {
  bench.session.sign(CKM_ECDSA, CK_INVALID_HANDLE, Bytes(32));
  return "never";
}
std::string whole(pkcs11::Bench&) { return "seen"; }

TEST(Qualify, AFindingIsWhatHappened) {
  const pkcs11::Contract contracts[] = {
      {"broken", true, broken}, {"lacking", false, lacking}, {"whole", false, whole}};
  vault();
  auto found = pkcs11::keep_contracts(sessions_of(shared_token()), contracts);
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[0].kept, Kept::violated);
  EXPECT_EQ(found[0].says, "it did");
  EXPECT_TRUE(found[0].needed);
  EXPECT_EQ(found[1].kept, Kept::not_offered);
  EXPECT_TRUE(found[1].says.starts_with("C_SignInit CKR_")) << found[1].says;
  EXPECT_EQ(found[2].kept, Kept::yes);
}

TEST(Qualify, ARefusalThatDoesNotComeIsAViolation) {
  EXPECT_EQ(pkcs11::must_refuse("?", [] { throw pkcs11::CallFault("C_Sign", CKR_PIN_LOCKED); }),
            "CKR_PIN_LOCKED");
  EXPECT_THROW(pkcs11::must_refuse("it did", [] {}), pkcs11::Violated);
}

}  // namespace
}  // namespace mintmark
