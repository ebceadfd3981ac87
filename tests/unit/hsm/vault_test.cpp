#include "hsm/vault.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <thread>

#include "hsm/keys.hpp"
#include "hsm/module.hpp"
#include "hsm/rv.hpp"
#include "hsm/session.hpp"
#include "station/words/crypto.hpp"
#include "station/words/fault.hpp"
#include "tests/unit/fault_of.hpp"
#include "tests/unit/hsm/shared.hpp"

namespace mintmark {
namespace {

SoftToken& token() { return shared_token(); }

Iv iv(std::uint8_t last) {
  Iv out{};
  out.back() = last;
  return out;
}

// A session of its own, beside the vault's: what another PKCS#11 client would see.
pkcs11::Session raw_session(const SoftToken& of,
                            pkcs11::Session::Access access = pkcs11::Session::Access::read) {
  auto& module = pkcs11::Module::load(SoftToken::kModule);
  return pkcs11::Session(module, module.find(pkcs11::TokenUri(of.uri())), access);
}

std::size_t count_objects(const SoftToken& of) { return raw_session(of).find({}).size(); }

using Flags = std::vector<std::pair<CK_ATTRIBUTE_TYPE, bool>>;

void expect_flags(const SoftToken& of, CK_OBJECT_CLASS object_class, const std::string& label,
                  const Flags& flags) {
  auto session = raw_session(of);
  pkcs11::Attributes which;
  which.number(CKA_CLASS, object_class).bytes(CKA_LABEL, view(label));
  auto found = session.find(which);
  ASSERT_EQ(found.size(), 1U) << label;
  for (const auto& [type, want] : flags) {
    auto have = session.attribute(found[0], type);
    ASSERT_TRUE(have && have->size() == 1) << label << " " << std::hex << type;
    EXPECT_EQ(have->at(0) != 0, want) << label << " " << std::hex << type;
  }
}

const Flags kSecretBase = {
    {CKA_TOKEN, true},        {CKA_PRIVATE, true},           {CKA_SENSITIVE, true},
    {CKA_EXTRACTABLE, false}, {CKA_MODIFIABLE, false},       {CKA_ALWAYS_SENSITIVE, true},
    {CKA_LOCAL, true},        {CKA_NEVER_EXTRACTABLE, true}, {CKA_WRAP, false},
    {CKA_UNWRAP, false},      {CKA_DERIVE, false},           {CKA_VERIFY, false}};

Flags with(Flags flags, const Flags& more) {
  flags.insert(flags.end(), more.begin(), more.end());
  return flags;
}

TEST(Keys, MayDoWhatTheirRoleNeedsAndNothingElse) {
  vault().create_lot_key("lot-attributes");
  expect_flags(token(), CKO_SECRET_KEY, "mintmark-fingerprint",
               with(kSecretBase, {{CKA_SIGN, true}, {CKA_ENCRYPT, false}, {CKA_DECRYPT, false}}));
  expect_flags(token(), CKO_SECRET_KEY, "lot-attributes",
               with(kSecretBase, {{CKA_SIGN, false}, {CKA_ENCRYPT, true}, {CKA_DECRYPT, true}}));
  for (const char* label :
       {"mintmark-ca", "mintmark-journal", "mintmark-reopen", "mintmark-label"}) {
    expect_flags(token(), CKO_PRIVATE_KEY, label,
                 {{CKA_TOKEN, true},
                  {CKA_PRIVATE, true},
                  {CKA_SENSITIVE, true},
                  {CKA_EXTRACTABLE, false},
                  {CKA_MODIFIABLE, false},
                  {CKA_ALWAYS_SENSITIVE, true},
                  {CKA_NEVER_EXTRACTABLE, true},
                  {CKA_LOCAL, true},
                  {CKA_SIGN, true},
                  {CKA_DECRYPT, false},
                  {CKA_SIGN_RECOVER, false},
                  {CKA_UNWRAP, false},
                  {CKA_DERIVE, false}});
    expect_flags(token(), CKO_PUBLIC_KEY, label,
                 {{CKA_TOKEN, true},
                  {CKA_PRIVATE, false},
                  {CKA_MODIFIABLE, false},
                  {CKA_VERIFY, true},
                  {CKA_ENCRYPT, false},
                  {CKA_VERIFY_RECOVER, false},
                  {CKA_WRAP, false},
                  {CKA_DERIVE, false}});
  }
  vault().destroy_lot_key("lot-attributes");
}

TEST(Keys, NeitherTheirValueNorAnotherMechanismIsToBeHad) {
  vault();
  auto session = raw_session(token());
  pkcs11::Attributes which;
  which.number(CKA_CLASS, CKO_SECRET_KEY).bytes(CKA_LABEL, view("mintmark-fingerprint"));
  auto key = session.find(which).at(0);
  EXPECT_FALSE(session.attribute(key, CKA_VALUE));
  EXPECT_THROW(session.sign(CKM_AES_CMAC, key, view("x")), pkcs11::CallFault);
}

TEST(Keys, ATokenWithAWeakenedKeyIsRefusedByName) {
  SoftToken weak;
  {
    auto session = raw_session(weak, pkcs11::Session::Access::write);
    ASSERT_EQ(session.login(CKU_USER, view("4711-user")), CKR_OK);
    pkcs11::Attributes which;
    which.number(CKA_CLASS, CKO_SECRET_KEY).bytes(CKA_LABEL, view("mintmark-fingerprint"));
    session.destroy(session.find(which).at(0));
    pkcs11::Attributes loose;
    loose.flag(CKA_TOKEN, true).flag(CKA_PRIVATE, true).flag(CKA_SIGN, true);
    loose.number(CKA_VALUE_LEN, 32).bytes(CKA_LABEL, view("mintmark-fingerprint"));
    session.generate_key(CKM_GENERIC_SECRET_KEY_GEN, loose);
  }
  try {
    Vault opened(weak.config());
    FAIL() << "opened";
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), "token.key");
    EXPECT_EQ(fault.args().at("key"), "mintmark-fingerprint");
    EXPECT_NE(fault.args().at("attribute").find("CKA_SENSITIVE"), std::string::npos);
  }
}

TEST(Keys, ASecondKeyOfTheSameNameIsRefused) {
  SoftToken twice;
  {
    auto session = raw_session(twice, pkcs11::Session::Access::write);
    ASSERT_EQ(session.login(CKU_USER, view("4711-user")), CKR_OK);
    pkcs11::generate(session, pkcs11::kCaKey, pkcs11::kCaKey.label);
  }
  try {
    Vault opened(twice.config());
    FAIL() << "opened";
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), "token.key");
    EXPECT_EQ(fault.args().at("attribute"), "several");
  }
}

TEST(Keys, APublicKeyThatIsNotItsOwnIsRefused) {
  SoftToken swapped;
  {
    auto session = raw_session(swapped, pkcs11::Session::Access::write);
    ASSERT_EQ(session.login(CKU_USER, view("4711-user")), CKR_OK);
    auto ours = pkcs11::find_one(session, pkcs11::kCaKey.open, pkcs11::kCaKey.label);
    session.destroy(ours);
    auto theirs = pkcs11::generate(session, pkcs11::kCaKey, pkcs11::kCaKey.label);
    session.destroy(theirs.secret);
  }
  try {
    Vault opened(swapped.config());
    FAIL() << "opened";
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), "token.key");
    EXPECT_EQ(fault.args().at("attribute"), "pair");
  }
}

TEST(Create, RefusesATokenOfThatName) {
  SoftToken taken;
  EXPECT_EQ(fault_of([&] { Vault::create(taken.config(), view(SoftToken::kSoPin)); }),
            "token.exists");
  EXPECT_EQ(fault_of([&] { Vault::create_keys(taken.config()); }), "token.exists");
  Vault still_good(taken.config());
}

TEST(Create, FillsATokenThatSomebodyElseInitialised) {
  SoftToken given;
  {
    auto session = raw_session(given, pkcs11::Session::Access::write);
    ASSERT_EQ(session.login(CKU_USER, view("4711-user")), CKR_OK);
    for (auto object : session.find({})) session.destroy(object);
  }
  EXPECT_EQ(fault_of([&] { Vault opened(given.config()); }), "token.key");
  Vault::create_keys(given.config());
  Vault opened(given.config());
}

TEST(Create, CompletesWhatATryThatBrokeOffHasMade) {
  SoftToken broken_off;
  Bytes kept = Vault(broken_off.config()).check_value();
  auto destroy = [&](std::string_view label, CK_OBJECT_CLASS what) {
    auto session = raw_session(broken_off, pkcs11::Session::Access::write);
    ASSERT_EQ(session.login(CKU_USER, view("4711-user")), CKR_OK);
    pkcs11::Attributes which;
    which.bytes(CKA_LABEL, view(label)).number(CKA_CLASS, what);
    for (auto object : session.find(which)) session.destroy(object);
  };
  destroy("mintmark-journal", CKO_PRIVATE_KEY);
  EXPECT_EQ(fault_of([&] { Vault::create_keys(broken_off.config()); }), "token.key");
  destroy("mintmark-journal", CKO_PUBLIC_KEY);
  Vault::create_keys(broken_off.config());
  EXPECT_EQ(Vault(broken_off.config()).check_value(), kept);
}

TEST(Create, WithoutATokenThereIsNoVault) {
  SoftToken none(SoftToken::With::nothing);
  EXPECT_EQ(fault_of([&] { Vault opened(none.config()); }), "token.missing");
  EXPECT_EQ(fault_of([&] { Vault::create_keys(none.config()); }), "token.missing");
}

TEST(Random, IsFreshAndOfAnySize) {
  std::set<Bytes> seen;
  for (std::size_t size :
       {std::size_t{16}, std::size_t{31}, std::size_t{32}, std::size_t{33}, std::size_t{10000}}) {
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(seen.insert(vault().random(size)).second);
    EXPECT_EQ(vault().random_secret(size).size(), size);
  }
  EXPECT_TRUE(vault().random(0).empty());
}

TEST(Fingerprint, IsTheSameForTheSameAndStaysWithTheToken) {
  Digest one = vault().fingerprint(view("K7QM2XRD9HVTWN4C"));
  EXPECT_EQ(one, vault().fingerprint(view("K7QM2XRD9HVTWN4C")));
  EXPECT_NE(one, vault().fingerprint(view("K7QM2XRD9HVTWN4D")));
  EXPECT_EQ(one, Vault(token().config()).fingerprint(view("K7QM2XRD9HVTWN4C")));
  SoftToken other;
  EXPECT_NE(one, Vault(other.config()).fingerprint(view("K7QM2XRD9HVTWN4C")));
  EXPECT_EQ(vault().check_value(),
            to_bytes(View(vault().fingerprint(view("mintmark kcv"))).first(8)));
}

TEST(Seal, OpensOnlyWhatWasSealed) {
  vault().create_lot_key("lot-1");
  vault().create_lot_key("lot-2");
  Secret secret = Secret::copy_of(view("K7QM2XRD9HVTWN4C"));
  Bytes sealed = vault().seal("lot-1", iv(1), view("aad"), secret);
  ASSERT_EQ(sealed.size(), secret.size() + 16);
  EXPECT_TRUE(same(vault().open("lot-1", iv(1), view("aad"), sealed).view(), secret.view()));

  auto broken = [&](const char* lot, const Iv& nonce, const char* aad, const Bytes& bytes) {
    return fault_of([&] { vault().open(lot, nonce, view(aad), bytes); });
  };
  EXPECT_EQ(broken("lot-1", iv(2), "aad", sealed), "seal.broken");
  EXPECT_EQ(broken("lot-1", iv(1), "aae", sealed), "seal.broken");
  EXPECT_EQ(broken("lot-2", iv(1), "aad", sealed), "seal.broken");
  for (std::size_t i = 0; i < sealed.size(); i += 5) {
    Bytes bent = sealed;
    bent[i] ^= 1;
    EXPECT_EQ(broken("lot-1", iv(1), "aad", bent), "seal.broken") << i;
  }
  EXPECT_EQ(broken("lot-1", iv(1), "aad", Bytes(sealed.begin(), sealed.end() - 1)), "seal.broken");
  EXPECT_EQ(broken("lot-1", iv(1), "aad", Bytes(15)), "seal.broken");
  EXPECT_TRUE(same(vault().open("lot-1", iv(1), view("aad"), sealed).view(), secret.view()));
  vault().destroy_lot_key("lot-1");
  vault().destroy_lot_key("lot-2");
}

TEST(Seal, IsGoneWithItsKey) {
  EXPECT_FALSE(vault().has_lot_key("lot-3"));
  vault().create_lot_key("lot-3");
  EXPECT_TRUE(vault().has_lot_key("lot-3"));
  EXPECT_EQ(fault_of([&] { vault().create_lot_key("lot-3"); }), "token.exists");
  Bytes sealed = vault().seal("lot-3", iv(1), view("a"), Secret::copy_of(view("secret")));
  Vault second(token().config());  // another handle of the same key
  second.open("lot-3", iv(1), view("a"), sealed);
  vault().destroy_lot_key("lot-3");
  vault().destroy_lot_key("lot-3");
  EXPECT_FALSE(vault().has_lot_key("lot-3"));
  EXPECT_EQ(fault_of([&] { vault().open("lot-3", iv(1), view("a"), sealed); }), "token.key");
  EXPECT_NE(fault_of([&] { second.open("lot-3", iv(1), view("a"), sealed); }), "");
  vault().create_lot_key("lot-3");  // a new key under the old name opens nothing
  EXPECT_EQ(fault_of([&] { vault().open("lot-3", iv(1), view("a"), sealed); }), "seal.broken");
  vault().destroy_lot_key("lot-3");
}

TEST(Seal, LotKeysCannotBeTheStationsOwn) {
  for (const char* label : {"mintmark-fingerprint", "mintmark-ca", ""}) {
    EXPECT_EQ(fault_of([&] { vault().destroy_lot_key(label); }), "token.key");
    EXPECT_EQ(fault_of([&] { vault().create_lot_key(label); }), "token.key");
    EXPECT_EQ(fault_of([&] { vault().seal(label, iv(1), {}, Secret(1)); }), "token.key");
  }
}

TEST(Signers, OfEachGenerationStayAndOnlyTheOneInUseSigns) {
  SoftToken rotated;
  Digest digest = sha256(view("x"));
  {
    Vault vault(rotated.config());
    Bytes first = vault.ca_public_point(), label = vault.label_public_key();
    EXPECT_TRUE(ed25519_verify(label, view("SN-1"), vault.label_sign(view("SN-1"))));
    EXPECT_EQ(fault_of([&] { vault.use(SignerRole::ca, 2); }), "token.key");
    EXPECT_EQ(vault.create_next(SignerRole::ca), 2);
    EXPECT_EQ(vault.ca_public_point(), first) << "made, not used";
    Bytes second = vault.public_key(SignerRole::ca, 2);
    EXPECT_NE(second, first);
    vault.use(SignerRole::ca, 2);
    EXPECT_EQ(vault.ca_public_point(), second);
    EXPECT_TRUE(p256_verify(p256_spki(second), digest, vault.ca_sign(digest)));
    EXPECT_TRUE(p256_verify(p256_spki(first), digest, vault.sign(SignerRole::ca, digest, 1)));
    EXPECT_EQ(vault.create_next(SignerRole::ca), 3);
    EXPECT_EQ(vault.describe().keys.size(), 13U) << "each half of each generation is shown";
    EXPECT_EQ(fault_of([&] { vault.create_lot_key("mintmark-ca-4"); }), "token.key");
  }
  Vault again(rotated.config());
  EXPECT_EQ(again.in_use(SignerRole::ca), 1) << "the ledger says which is in use";
  again.use(SignerRole::ca, 3);
}

// What a failing token leaves of the next generation: half a pair, or one of which it said nothing.
TEST(Signers, WhatATryLeftIsNoGenerationAndIsReplaced) {
  SoftToken rotated;
  auto& module = pkcs11::Module::load(SoftToken::kModule);
  auto destroy = [&](const pkcs11::Part& part, const std::string& label) {
    pkcs11::Session session(module, module.find(pkcs11::TokenUri(rotated.uri())),
                            pkcs11::Session::Access::write);
    session.destroy(pkcs11::find_one(session, part, label));
  };
  Vault vault(rotated.config());
  ASSERT_EQ(vault.create_next(SignerRole::journal), 2);
  destroy(pkcs11::kJournalKey.open, "mintmark-journal-2");
  {
    Vault again(rotated.config());
    EXPECT_EQ(again.newest(SignerRole::journal), 1) << "half a pair keeps no station from its work";
    EXPECT_EQ(fault_of([&] { again.use(SignerRole::journal, 2); }), "token.key");
    EXPECT_EQ(again.create_next(SignerRole::journal), 2);
    again.use(SignerRole::journal, 2);
    Bytes signature = again.journal_sign(view("x"));
    EXPECT_TRUE(ed25519_verify(again.journal_public_key(), view("x"), signature));
  }
  // In use it is no leftover: nothing is put in its place.
  vault.use(SignerRole::reopen, vault.create_next(SignerRole::reopen));
  destroy(pkcs11::kReopenKey.open, "mintmark-reopen-2");
  vault.create_next(SignerRole::label);  // connects again
  EXPECT_EQ(fault_of([&] { vault.create_next(SignerRole::reopen); }), "token.key");
}

TEST(Signers, SignWhatOpenSslVerifies) {
  Digest digest = sha256(view("to be signed"));
  Bytes spki = p256_spki(vault().ca_public_point());
  EXPECT_TRUE(p256_verify(spki, digest, vault().ca_sign(digest)));
  EXPECT_FALSE(p256_verify(spki, sha256(view("another")), vault().ca_sign(digest)));
  Bytes signature = vault().journal_sign(view("checkpoint"));
  EXPECT_TRUE(ed25519_verify(vault().journal_public_key(), view("checkpoint"), signature));
  EXPECT_FALSE(ed25519_verify(vault().journal_public_key(), view("checkpoinT"), signature));
  EXPECT_TRUE(p256_point(vault().reopen_spki()));
  EXPECT_NE(vault().reopen_spki(), spki);
}

TEST(Describe, SaysWhatTheTokenIsAndWhatItHolds) {
  vault().create_lot_key("lot-shown");
  TokenReport report = vault().describe();
  EXPECT_EQ(report.label, token().label());
  EXPECT_EQ(report.module_path, SoftToken::kModule);
  EXPECT_NE(report.model.find("SoftHSM"), std::string::npos);
  EXPECT_TRUE(report.is_soft);
  EXPECT_NE(std::find(report.flags.begin(), report.flags.end(), "CKF_LOGIN_REQUIRED"),
            report.flags.end());
  std::multiset<std::string> labels;
  for (const auto& key : report.keys) {
    EXPECT_EQ(key.wrong, "") << key.label;
    EXPECT_FALSE(key.attributes.empty());
    labels.insert(key.label + ", " + key.part);
  }
  EXPECT_EQ(labels, (std::multiset<std::string>{
                        "lot-shown, secret key", "mintmark-ca, private key",
                        "mintmark-ca, public key", "mintmark-fingerprint, secret key",
                        "mintmark-journal, private key", "mintmark-journal, public key",
                        "mintmark-label, private key", "mintmark-label, public key",
                        "mintmark-reopen, private key", "mintmark-reopen, public key"}));
  vault().destroy_lot_key("lot-shown");
}

TEST(Notes, OneTakesTheOthersPlace) {
  SoftToken own;
  Vault vault(own.config());
  std::size_t before = count_objects(own);
  EXPECT_TRUE(vault.notes("mintmark-anchor").empty());
  for (const char* text : {"first", "second", "second"}) {
    vault.keep_note("mintmark-anchor", view(text));
    EXPECT_EQ(vault.notes("mintmark-anchor"), std::vector<Bytes>{to_bytes(view(text))});
  }
  EXPECT_EQ(count_objects(own), before + 1);
  expect_flags(own, CKO_DATA, "mintmark-anchor", {{CKA_TOKEN, true}, {CKA_PRIVATE, true}});
  {  // as a crash leaves it: both are there
    auto session = raw_session(own, pkcs11::Session::Access::write);
    pkcs11::Attributes other;
    other.number(CKA_CLASS, CKO_DATA).flag(CKA_TOKEN, true).flag(CKA_PRIVATE, true);
    session.create(other.bytes(CKA_LABEL, view("mintmark-anchor")).bytes(CKA_VALUE, view("old")));
  }
  EXPECT_EQ(vault.notes("mintmark-anchor").size(), 2U);
  vault.keep_note("mintmark-anchor", view("third"));
  EXPECT_EQ(vault.notes("mintmark-anchor"), std::vector<Bytes>{to_bytes(view("third"))});
  EXPECT_EQ(count_objects(own), before + 1);
  vault.create_lot_key("mintmark-lot-1");
  EXPECT_EQ(vault.lot_keys(), std::vector<std::string>{"mintmark-lot-1"});
}

TEST(Sessions, ManyThreadsShareFewAndLeaveNothingBehind) {
  SoftToken busy;
  Vault shared(busy.config(2));
  shared.create_lot_key("lot");
  std::size_t before = count_objects(busy);
  std::atomic<int> failures{0};
  auto work = [&](int thread) {
    try {
      for (int i = 0; i < 40; ++i) {
        Secret secret = shared.random_secret(16);
        Digest fingerprint = shared.fingerprint(secret.view());
        Iv nonce = iv(static_cast<std::uint8_t>(i));
        nonce[0] = static_cast<std::uint8_t>(thread);
        Bytes sealed = shared.seal("lot", nonce, fingerprint, secret);
        if (!same(shared.open("lot", nonce, fingerprint, sealed).view(), secret.view())) ++failures;
        shared.ca_sign(fingerprint);
        shared.journal_sign(sealed);
      }
    } catch (const std::exception&) {
      ++failures;
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) threads.emplace_back(work, i);
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(count_objects(busy), before);
}

}  // namespace
}  // namespace mintmark
