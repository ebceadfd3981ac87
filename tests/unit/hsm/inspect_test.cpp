// A token read back: every difference is said, and the README's table is the code's.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <map>

#include "hsm/key_table.hpp"
#include "hsm/keys.hpp"
#include "tests/unit/fault_of.hpp"
#include "tests/unit/hsm/shared.hpp"

namespace mintmark {
namespace {

class Inspect : public ::testing::Test {
 protected:
  using Fingerprint = Vault::Fingerprint;
  Inspect()
      : anchor_(module(), module().find(pkcs11::TokenUri(token_.uri())),
                pkcs11::Session::Access::write) {
    vault_ = std::make_unique<Vault>(token_.config());  // logs in
  }
  static pkcs11::Module& module() { return pkcs11::Module::load(SoftToken::kModule); }

  // Label and part of what is wrong, and what is wrong with it.
  std::map<std::string, std::string> wrong(Fingerprint origin = Fingerprint::own) {
    std::map<std::string, std::string> out;
    for (const KeyReport& key : Vault::inspect(token_.config(), origin).keys)
      if (!key.wrong.empty()) out[key.label + ", " + key.part] = key.wrong;
    return out;
  }

  pkcs11::Attributes lot_template(bool may_wrap, bool extractable) {
    pkcs11::Attributes out;
    out.number(CKA_CLASS, CKO_SECRET_KEY).number(CKA_KEY_TYPE, CKK_AES);
    out.number(CKA_ALLOWED_MECHANISMS, CKM_AES_GCM);
    for (const pkcs11::Flag& flag : pkcs11::kLotKey.secret.flags) {
      bool value = flag.value;
      if (flag.type == CKA_WRAP) value = may_wrap;
      if (flag.type == CKA_EXTRACTABLE) value = extractable;
      out.flag(flag.type, value);
    }
    return out.bytes(CKA_LABEL, view("mintmark-lot-x")).bytes(CKA_ID, view("x"));
  }

  SoftToken token_;
  pkcs11::Session anchor_;
  std::unique_ptr<Vault> vault_;
};

using Wrong = std::map<std::string, std::string>;

TEST_F(Inspect, AStationsOwnTokenIsRight) {
  vault_->create_lot_key("mintmark-lot-1");
  TokenReport found = Vault::inspect(token_.config());
  EXPECT_EQ(wrong(), Wrong{});
  EXPECT_EQ(found.label, token_.label());
  std::map<std::string, std::string> types;
  for (const KeyReport& key : found.keys) {
    EXPECT_TRUE(key.made_inside) << key.label;
    types[key.label] = key.type;
  }
  EXPECT_EQ(types.at("mintmark-fingerprint"), "256-bit secret");
  EXPECT_EQ(types.at("mintmark-ca"), "EC P-256");
  EXPECT_EQ(types.at("mintmark-journal"), "Ed25519");
  EXPECT_EQ(types.at("mintmark-lot-1"), "AES-256");
}

TEST_F(Inspect, ADerivationKeyIsRightAndNotMissed) {
  vault_->create_derivation_key();
  EXPECT_EQ(wrong(), Wrong{});
  EXPECT_EQ(fault_of([&] { vault_->create_lot_key("mintmark-derivation"); }), "token.key");
  pkcs11::generate(anchor_, pkcs11::kDerivationKey, "mintmark-derivation");
  EXPECT_EQ(wrong(), (Wrong{{"mintmark-derivation, secret key", "several"}}));
  Vault again(token_.config());
  EXPECT_EQ(fault_of([&] { again.derive(view("unit")); }), "token.key");
  EXPECT_EQ(fault_of([&] { again.has_derivation_key(); }), "token.key");
}

TEST_F(Inspect, ALotKeyThatMayWrapOrLeaveIsWrong) {
  auto may_wrap = lot_template(true, false).number(CKA_VALUE_LEN, 32);
  CK_OBJECT_HANDLE key = anchor_.generate_key(CKM_AES_KEY_GEN, may_wrap);
  EXPECT_EQ(wrong(), (Wrong{{"mintmark-lot-x, secret key", "CKA_WRAP"}}));
  anchor_.destroy(key);
  auto may_leave = lot_template(false, true).number(CKA_VALUE_LEN, 32);
  anchor_.generate_key(CKM_AES_KEY_GEN, may_leave);
  EXPECT_EQ(wrong(), (Wrong{{"mintmark-lot-x, secret key", "CKA_EXTRACTABLE"}}));
}

TEST_F(Inspect, AnImportedKeyIsWrong) {
  anchor_.create(lot_template(false, false).bytes(CKA_VALUE, Bytes(32, 7)));
  EXPECT_EQ(wrong(), (Wrong{{"mintmark-lot-x, secret key", "CKA_LOCAL"}}));
}

TEST_F(Inspect, OnlyAKnownCloneMayComeFromOutside) {
  auto found = pkcs11::find(anchor_, pkcs11::kFingerprintKey.secret, "mintmark-fingerprint");
  ASSERT_EQ(found.size(), 1U);
  anchor_.destroy(found.front());
  pkcs11::Attributes imported;
  imported.number(CKA_CLASS, CKO_SECRET_KEY).number(CKA_KEY_TYPE, CKK_GENERIC_SECRET);
  imported.number(CKA_ALLOWED_MECHANISMS, CKM_SHA256_HMAC).bytes(CKA_VALUE, Bytes(32, 7));
  for (const pkcs11::Flag& flag : pkcs11::kClonableFingerprintKey.secret.flags)
    imported.flag(flag.type, flag.value);
  imported.bytes(CKA_LABEL, view("mintmark-fingerprint"));
  anchor_.create(imported);
  const std::string key = "mintmark-fingerprint, secret key";
  EXPECT_EQ(wrong(), (Wrong{{key, "CKA_EXTRACTABLE CKA_WRAP_WITH_TRUSTED CKA_LOCAL"}}));
  EXPECT_EQ(wrong(Fingerprint::clonable), (Wrong{{key, "CKA_LOCAL"}}));
  EXPECT_EQ(wrong(Fingerprint::cloned), Wrong{});
}

TEST_F(Inspect, AKeyThatWasToBeClonedAndCannotBeIsWrongToo) {
  Wrong fixed = {{"mintmark-fingerprint, secret key", "CKA_EXTRACTABLE CKA_WRAP_WITH_TRUSTED"}};
  EXPECT_EQ(wrong(Fingerprint::clonable), fixed);
}

TEST_F(Inspect, WhatACeremonyLeftBehindIsWrong) {
  pkcs11::generate(anchor_, pkcs11::kUnwrapKey, pkcs11::kUnwrapKey.label);
  pkcs11::generate(anchor_, pkcs11::kEscrowKey, pkcs11::kEscrowKey.label);
  EXPECT_EQ(wrong(), (Wrong{{"mintmark-unwrap, private key", "leftover"},
                            {"mintmark-unwrap, public key", "leftover"},
                            {"mintmark-escrow, private key", "misplaced"},
                            {"mintmark-escrow, public key", "misplaced"}}));
}

TEST_F(Inspect, WhatIsMissingOrTooManyOrStrangeIsSaid) {
  auto open = pkcs11::find(anchor_, pkcs11::kReopenKey.open, "mintmark-reopen");
  ASSERT_EQ(open.size(), 1U);
  anchor_.destroy(open.front());
  pkcs11::generate(anchor_, pkcs11::kCaKey, "mintmark-ca");
  pkcs11::generate(anchor_, pkcs11::kLotKey, "somebody's");
  pkcs11::generate(anchor_, pkcs11::kCaKey, "mintmark-ca-x");
  EXPECT_EQ(wrong(), (Wrong{{"mintmark-ca, private key", "several"},
                            {"mintmark-ca, public key", "several"},
                            {"mintmark-ca-x, private key", "unknown"},
                            {"mintmark-ca-x, public key", "unknown"},
                            {"mintmark-reopen, public key", "missing"},
                            {"somebody's, secret key", "unknown"}}));
}

TEST_F(Inspect, AnEmptyTokenLacksEverything) {
  SoftToken empty(SoftToken::With::nothing);
  EXPECT_EQ(fault_of([&] { Vault::inspect(empty.config()); }), "token.missing");
}

TEST(Readme, ItsTableOfKeysIsTheCodes) {
  std::ifstream file(MINTMARK_SOURCE "/README.md");
  std::string text(std::istreambuf_iterator<char>(file), {});
  std::string table;
  for (const std::string& row : key_table()) table += row + "\n";
  EXPECT_NE(text.find(table), std::string::npos) << "README.md, \"The keys\", must have:\n"
                                                 << table;
}

}  // namespace
}  // namespace mintmark
