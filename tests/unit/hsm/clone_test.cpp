// Cloning the fingerprint key, and every way that the user's PIN alone might get it out.
#include "hsm/clone.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "hsm/escrow.hpp"
#include "hsm/module.hpp"
#include "hsm/rv.hpp"
#include "station/words/crypto.hpp"
#include "tests/unit/fault_of.hpp"
#include "tests/unit/hsm/softhsm.hpp"

namespace mintmark {
namespace {

using Fingerprint = Vault::Fingerprint;

pkcs11::Session user_session(const SoftToken& of) {
  auto& module = pkcs11::Module::load(SoftToken::kModule);
  return pkcs11::Session(module, module.find(pkcs11::TokenUri(of.uri())),
                         pkcs11::Session::Access::write);
}

CK_OBJECT_HANDLE fingerprint_key(pkcs11::Session& session) {
  return pkcs11::find_one(session, pkcs11::kFingerprintKey.secret, "mintmark-fingerprint");
}

const KeyReport& fingerprint_report(const TokenReport& token) {
  return *std::find_if(token.keys.begin(), token.keys.end(),
                       [](const KeyReport& key) { return key.label == "mintmark-fingerprint"; });
}

TEST(Clone, TwoStationsShareOneSpaceOfSecrets) {
  SoftToken source(SoftToken::With::nothing), recipient(SoftToken::With::nothing);
  Vault::create(source.config(), view(SoftToken::kSoPin), Fingerprint::clonable);
  Bytes spki = make_unwrap_key(recipient.config(), view(SoftToken::kSoPin));
  EXPECT_EQ(make_unwrap_key(recipient.config(), {}), spki) << "asked again, the same";
  EXPECT_EQ(comparison_value(spki).size(), 19U);
  import_trusted(source.config(), view(SoftToken::kSoPin), spki);
  Bytes wrapped, check;
  {
    Vault vault(source.config());
    wrapped = vault.clone_fingerprint_key(spki);
    check = vault.check_value();
    EXPECT_EQ(fault_of([&] { vault.clone_fingerprint_key(spki); }), "token.key") << "once";
    EXPECT_EQ(fingerprint_report(vault.describe()).wrong, "");
  }
  Bytes cut(wrapped.begin(), wrapped.end() - 1), bent = wrapped;
  bent[100] ^= 1;
  EXPECT_EQ(fault_of([&] {
              Vault::create_keys(recipient.config(), Fingerprint::cloned, {cut, check});
            }).substr(0, 6),
            "token.");
  EXPECT_EQ(fault_of([&] {
              Vault::create_keys(recipient.config(), Fingerprint::cloned, {bent, check});
            }).substr(0, 6),
            "token.");
  EXPECT_EQ(fault_of([&] {
              Vault::create_keys(recipient.config(), Fingerprint::cloned, {wrapped, Bytes(8)});
            }),
            "clone.check");
  Vault::create_keys(recipient.config(), Fingerprint::cloned, {wrapped, check});
  Vault clone(recipient.config());
  EXPECT_EQ(clone.check_value(), check);
  TokenReport token = clone.describe();
  EXPECT_EQ(fingerprint_report(token).wrong, "") << "an origin elsewhere is no fault of a clone";
  auto session = user_session(recipient);
  EXPECT_TRUE(pkcs11::find(session, pkcs11::kUnwrapKey.secret, "mintmark-unwrap").empty());
  EXPECT_TRUE(pkcs11::find(session, pkcs11::kUnwrapKey.open, "mintmark-unwrap").empty());
  auto local = session.attribute(fingerprint_key(session), CKA_LOCAL);
  ASSERT_TRUE(local);
  EXPECT_EQ(local->at(0), 0);
}

TEST(Clone, OnlyAKeyThatWasMadeForItAndOnlyUnderTheKeyThatWasCompared) {
  SoftToken fixed, source(SoftToken::With::nothing), one(SoftToken::With::nothing),
      other(SoftToken::With::nothing);
  Bytes spki = make_unwrap_key(one.config(), view(SoftToken::kSoPin));
  Bytes another = make_unwrap_key(other.config(), view(SoftToken::kSoPin));
  import_trusted(fixed.config(), view(SoftToken::kSoPin), spki);
  EXPECT_EQ(fault_of([&] { Vault(fixed.config()).clone_fingerprint_key(spki); }), "token.key");
  Vault::create(source.config(), view(SoftToken::kSoPin), Fingerprint::clonable);
  EXPECT_EQ(fault_of([&] { Vault(source.config()).clone_fingerprint_key(spki); }), "token.key")
      << "no trusted key";
  import_trusted(source.config(), view(SoftToken::kSoPin), another);
  EXPECT_EQ(fault_of([&] { Vault(source.config()).clone_fingerprint_key(spki); }), "token.key")
      << "another was vouched for";
  EXPECT_EQ(fault_of([&] { import_trusted(source.config(), view("no-officer"), spki); }),
            "token.pin");
  EXPECT_EQ(fault_of([&] {
              import_trusted(source.config(), view(SoftToken::kSoPin),
                             p256_spki(EphemeralKey().point()));
            }),
            "clone.request");
  EXPECT_EQ(
      fault_of([&] { import_trusted(source.config(), view(SoftToken::kSoPin), view("no key")); }),
      "clone.request");
}

TEST(Clone, TheUsersPinAloneGetsNothingOut) {
  SoftToken source(SoftToken::With::nothing);
  Vault::create(source.config(), view(SoftToken::kSoPin), Fingerprint::clonable);
  auto session = user_session(source);
  ASSERT_EQ(session.login(CKU_USER, view("4711-user")), CKR_OK);
  CK_OBJECT_HANDLE key = fingerprint_key(session);
  EXPECT_FALSE(session.attribute(key, CKA_VALUE)) << "read";
  EXPECT_FALSE(pkcs11::leaves_under_stranger(session, key)) << "wrapped under a key of the user's";
  // A public key that the user imports as trusted, as the officer may.
  pkcs11::Attributes trusted =
      pkcs11::template_of(pkcs11::kTrustedKey, pkcs11::kTrustedKey.open, "mintmark-trusted");
  const std::uint8_t exponent[] = {1, 0, 1};
  trusted.bytes(CKA_MODULUS, Bytes(384, 0xd5)).bytes(CKA_PUBLIC_EXPONENT, exponent);
  EXPECT_THROW(session.create(trusted), pkcs11::CallFault);
  // A secret key that may wrap, made by the user, trusted or not.
  for (bool said : {true, false}) {
    pkcs11::Attributes kek;
    kek.flag(CKA_TOKEN, false)
        .flag(CKA_WRAP, true)
        .flag(CKA_DECRYPT, true)
        .number(CKA_VALUE_LEN, 32);
    if (said) kek.flag(CKA_TRUSTED, true);
    auto attempt = [&] {
      CK_OBJECT_HANDLE under = session.generate_key(CKM_AES_KEY_GEN, kek);
      session.wrap({CKM_AES_KEY_WRAP, nullptr, 0}, under, key);
    };
    EXPECT_THROW(attempt(), pkcs11::CallFault) << said;
  }
  // Attributes made looser, on the key and on a copy of it.
  const CK_FUNCTION_LIST& api = pkcs11::Module::load(SoftToken::kModule).api();
  auto& module = pkcs11::Module::load(SoftToken::kModule);
  CK_SESSION_HANDLE raw = 0;
  ASSERT_EQ(api.C_OpenSession(module.find(pkcs11::TokenUri(source.uri())),
                              CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &raw),
            CKR_OK);
  CK_BBOOL no = CK_FALSE, yes = CK_TRUE;
  for (CK_ATTRIBUTE looser :
       {CK_ATTRIBUTE{CKA_WRAP_WITH_TRUSTED, &no, 1}, CK_ATTRIBUTE{CKA_SENSITIVE, &no, 1},
        CK_ATTRIBUTE{CKA_MODIFIABLE, &yes, 1}}) {
    EXPECT_NE(api.C_SetAttributeValue(raw, key, &looser, 1), CKR_OK) << std::hex << looser.type;
    CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE;
    CK_ATTRIBUTE copied[] = {looser, {CKA_TOKEN, &no, 1}};
    if (api.C_CopyObject(raw, key, copied, 2, &copy) != CKR_OK) continue;
    EXPECT_FALSE(session.attribute(copy, CKA_VALUE)) << std::hex << looser.type;
    EXPECT_FALSE(pkcs11::leaves_under_stranger(session, copy)) << std::hex << looser.type;
  }
  api.C_CloseSession(raw);
}

// CKA_TRUSTED on what the user makes himself, in every way that makes or changes an object.
TEST(Clone, TheUserVouchesForNothing) {
  SoftToken source(SoftToken::With::nothing);
  Vault::create(source.config(), view(SoftToken::kSoPin), Fingerprint::clonable);
  auto session = user_session(source);
  ASSERT_EQ(session.login(CKU_USER, view("4711-user")), CKR_OK);
  pkcs11::Attributes kek;
  kek.flag(CKA_TOKEN, false).flag(CKA_WRAP, true).flag(CKA_ENCRYPT, true).flag(CKA_DECRYPT, true);
  kek.number(CKA_VALUE_LEN, 32).flag(CKA_EXTRACTABLE, true);
  CK_OBJECT_HANDLE own = session.generate_key(CKM_AES_KEY_GEN, kek);
  pkcs11::Attributes trusted;
  trusted.flag(CKA_TRUSTED, true);
  EXPECT_THROW(session.change(own, trusted), pkcs11::CallFault) << "set";
  EXPECT_THROW(session.copy(own, trusted), pkcs11::CallFault) << "copied";
  EXPECT_THROW(session.wrap({CKM_AES_KEY_WRAP, nullptr, 0}, own, fingerprint_key(session)),
               pkcs11::CallFault);
  Bytes wrapped = session.wrap({CKM_AES_KEY_WRAP, nullptr, 0}, own, own);
  pkcs11::Attributes unwrapped;
  unwrapped.number(CKA_CLASS, CKO_SECRET_KEY).number(CKA_KEY_TYPE, CKK_AES);
  unwrapped.flag(CKA_TOKEN, false).flag(CKA_UNWRAP, true).flag(CKA_WRAP, true);
  pkcs11::Attributes with_trust = unwrapped;
  with_trust.flag(CKA_TRUSTED, true);
  pkcs11::Attributes may_unwrap;
  may_unwrap.flag(CKA_UNWRAP, true);
  session.change(own, may_unwrap);
  session.unwrap({CKM_AES_KEY_WRAP, nullptr, 0}, own, wrapped, unwrapped);
  EXPECT_THROW(session.unwrap({CKM_AES_KEY_WRAP, nullptr, 0}, own, wrapped, with_trust),
               pkcs11::CallFault)
      << "unwrapped";
}

// With the wrapped key in hand and the recipient's PIN: the key comes in kept, or it does not.
TEST(Clone, TheRecipientsPinAloneGetsNothingOutEither) {
  SoftToken source(SoftToken::With::nothing), recipient(SoftToken::With::nothing);
  Vault::create(source.config(), view(SoftToken::kSoPin), Fingerprint::clonable);
  Bytes spki = make_unwrap_key(recipient.config(), view(SoftToken::kSoPin));
  import_trusted(source.config(), view(SoftToken::kSoPin), spki);
  Bytes wrapped = Vault(source.config()).clone_fingerprint_key(spki);
  auto session = user_session(recipient);
  ASSERT_EQ(session.login(CKU_USER, view("4711-user")), CKR_OK);
  pkcs11::KeyPair pair =
      pkcs11::find_checked(session, pkcs11::kUnwrapKey, pkcs11::kUnwrapKey.label);
  EXPECT_FALSE(pkcs11::lets_in_readable(session, pair, spki));
  CK_RSA_PKCS_OAEP_PARAMS oaep{CKM_SHA_1, CKG_MGF1_SHA1, 1, nullptr, 0};
  auto unwrap = [&](pkcs11::Attributes as) {
    return session.unwrap({CKM_RSA_PKCS_OAEP, &oaep, sizeof oaep}, pair.secret, wrapped,
                          std::move(as.flag(CKA_TOKEN, false)));
  };
  const pkcs11::Attributes kept = pkcs11::clone_attributes();
  for (const auto& [type, value] : kept.items()) {
    pkcs11::Attributes without, other;
    for (const auto& [one, same_as] : kept.items()) {
      if (one != type) without.bytes(one, same_as);
      bool flips = one == type && same_as.size() == 1;
      other.bytes(one, flips ? Bytes{static_cast<std::uint8_t>(same_as[0] ^ 1)} : same_as);
    }
    try {  // what nothing was said of may be what it must be by itself
      EXPECT_EQ(session.attribute(unwrap(without), type), value) << pkcs11::name_of_attribute(type);
    } catch (const pkcs11::CallFault&) {
    }
    if (value.size() == 1) {
      EXPECT_THROW(unwrap(other), pkcs11::CallFault) << pkcs11::name_of_attribute(type);
    }
  }
  CK_OBJECT_HANDLE in = unwrap(kept);
  EXPECT_FALSE(session.attribute(in, CKA_VALUE));
  EXPECT_FALSE(pkcs11::leaves_under_stranger(session, in));
  for (CK_ATTRIBUTE_TYPE looser : {CKA_SENSITIVE, CKA_WRAP_WITH_TRUSTED}) {
    pkcs11::Attributes to;
    to.flag(looser, false);
    EXPECT_THROW(session.change(in, to), pkcs11::CallFault) << std::hex << looser;
    EXPECT_THROW(session.copy(in, to), pkcs11::CallFault) << std::hex << looser;
  }
  pkcs11::Attributes may_decrypt;
  may_decrypt.flag(CKA_DECRYPT, true).flag(CKA_TOKEN, false);
  EXPECT_THROW(session.copy(pair.secret, may_decrypt), pkcs11::CallFault);
}

TEST(Clone, WhatAnEarlierTryLeftMustBeWhatIsAskedFor) {
  SoftToken source(SoftToken::With::nothing), recipient(SoftToken::With::nothing);
  Vault::create(source.config(), view(SoftToken::kSoPin), Fingerprint::clonable);
  Bytes spki = make_unwrap_key(recipient.config(), view(SoftToken::kSoPin));
  import_trusted(source.config(), view(SoftToken::kSoPin), spki);
  ClonedKey clone;
  {
    Vault vault(source.config());
    clone = {vault.clone_fingerprint_key(spki), vault.check_value()};
  }
  Vault::create_keys(recipient.config(), Fingerprint::cloned, clone);
  // As if it had broken off behind the fingerprint key.
  auto lose_the_label_key = [&] {
    auto session = user_session(recipient);
    ASSERT_EQ(session.login(CKU_USER, view("4711-user")), CKR_OK);
    for (const pkcs11::Part* part : {&pkcs11::kLabelKey.secret, &pkcs11::kLabelKey.open})
      session.destroy(pkcs11::find_one(session, *part, pkcs11::kLabelKey.label));
  };
  lose_the_label_key();
  EXPECT_EQ(fault_of([&] { Vault::create_keys(recipient.config()); }), "token.key");
  lose_the_label_key();
  ClonedKey other = {clone.wrapped, Bytes(8)};
  EXPECT_EQ(fault_of([&] { Vault::create_keys(recipient.config(), Fingerprint::cloned, other); }),
            "clone.check");
  lose_the_label_key();
  Vault::create_keys(recipient.config(), Fingerprint::cloned, clone);
  EXPECT_EQ(Vault(recipient.config()).check_value(), clone.check_value);
}

TEST(Clone, WhatComesOfNothingLeavesNothingThatIsTrusted) {
  SoftToken source(SoftToken::With::nothing), recipient(SoftToken::With::nothing);
  Vault::create(source.config(), view(SoftToken::kSoPin), Fingerprint::clonable);
  Bytes spki = make_unwrap_key(recipient.config(), view(SoftToken::kSoPin));
  auto wrong = [&] {
    std::map<std::string, std::string> out;
    for (const KeyReport& key : Vault::inspect(source.config(), Fingerprint::clonable).keys)
      if (!key.wrong.empty()) out[key.label] = key.wrong;
    return out;
  };
  import_trusted(source.config(), view(SoftToken::kSoPin), spki);
  EXPECT_EQ(wrong(), (std::map<std::string, std::string>{{"mintmark-trusted", "leftover"}}));
  forget_trusted(source.config(), view(SoftToken::kSoPin));
  EXPECT_TRUE(wrong().empty());
  EXPECT_EQ(fault_of([&] { Vault(source.config()).clone_fingerprint_key(spki); }), "token.key");
}

TEST(Escrow, TheTokenAgreesWithWhoeverHasThePoint) {
  SoftToken token(SoftToken::With::nothing);
  Bytes spki = EscrowToken::create(token.config(), view(SoftToken::kSoPin));
  EXPECT_EQ(fault_of([&] { EscrowToken::create(token.config(), {}); }), "token.exists");
  EscrowToken escrow(token.config());
  EXPECT_EQ(escrow.spki(), spki);
  EphemeralKey ours;
  auto shared = ours.agree(*p256_point(spki));
  ASSERT_TRUE(shared);
  EXPECT_TRUE(same(escrow.agree(ours.point()).view(), shared->view()));
  Bytes off = ours.point();
  off[40] ^= 1;
  EXPECT_NE(fault_of([&] { escrow.agree(off); }), "");
  EXPECT_NE(fault_of([&] { Vault(token.config()); }), "") << "it is no station's token";
}

}  // namespace
}  // namespace mintmark
