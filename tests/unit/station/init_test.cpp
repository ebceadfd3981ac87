#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/stat.h>

#include "station/ledger/signers.hpp"
#include "station/main/files.hpp"
#include "station/main/station.hpp"
#include "station/words/clock.hpp"
#include "station/words/crypto.hpp"
#include "tests/unit/fault_of.hpp"
#include "tests/unit/hsm/softhsm.hpp"

namespace mintmark {
namespace {

namespace fs = std::filesystem;

// An owner's key pair, as openssl genpkey writes it.
void write_owner_key(const fs::path& directory) {
  EVP_PKEY* key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  std::FILE* file = std::fopen((directory / "owner.pem").c_str(), "wb");
  PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(file);
  file = std::fopen((directory / "owner.pub.pem").c_str(), "wb");
  PEM_write_PUBKEY(file, key);
  std::fclose(file);
  EVP_PKEY_free(key);
}

unsigned mode_of(const std::string& path) {
  struct stat status {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
  return status.st_mode & 0777U;
}

class InitTest : public ::testing::Test {
 protected:
  InitTest() : token(SoftToken::With::nothing) {
    write_owner_key(directory.path());
    write_file(directory.path() / "so-pin", "0815-officer\n");
    config.file = "station.toml";
    config.state_dir = (directory.path() / "state").string();
    config.token = token.config();
    config.token.state_dir = config.state_dir;
    config.listen.certificate = config.state_dir + "/tls.pem";
    config.listen.key = config.state_dir + "/tls-key.pem";
    config.label_directory = (directory.path() / "labels").string();
    config.allow_plaintext_spool = true;
    options.owner_key = (directory.path() / "owner.pub.pem").string();
    options.so_pin_file = (directory.path() / "so-pin").string();
    options.person = "first";
    options.uid = 4711;
    options.demo = true;
  }
  std::string text_of(const std::string& path) { return read_text(path); }

  TemporaryDirectory directory;
  SoftToken token;
  Config config;
  InitOptions options;
};

TEST_F(InitTest, MakesAStationOnce) {
  InitResult made = init_station(config, options);
  EXPECT_TRUE(is_uuid(made.station));
  EXPECT_EQ(made.token.size(), 64U);
  EXPECT_EQ(mode_of(config.listen.key), 0600U);
  EXPECT_EQ(mode_of(config.ledger()) & 077U, 0U);
  std::string ledger = text_of(config.ledger()), key = text_of(config.listen.key);
  EXPECT_EQ(ledger.find(made.token), std::string::npos) << "digest only";
  {
    Vault vault(config.token);
    Ledger opened(config.ledger());
    EXPECT_TRUE(opened.birth().demo);
    EXPECT_EQ(opened.birth().owner_key, read_ed25519_public(options.owner_key));
    must_belong_together(vault, opened.birth(), config);
    auto person = opened.read_now([&](Reader& db) { return people::by_token(db, made.token); });
    ASSERT_TRUE(person);
    EXPECT_EQ(person->roles, (std::set<Role>{Role::op, Role::lead, Role::auditor}));
    EXPECT_EQ(person->uid, 4711U);
    EXPECT_EQ(opened.anchor(), "token");
    auto anchor = must_be_anchored(vault, opened);
    ASSERT_TRUE(anchor);
    EXPECT_EQ(anchor->size, opened.read_now([](Reader& db) { return journal_size(db); }));
    Birth foreign = opened.birth();
    foreign.fingerprint_check[0] ^= 1;
    EXPECT_EQ(fault_of([&] { must_belong_together(vault, foreign, config); }), "token.foreign");
    foreign = opened.birth();
    foreign.ca = Bytes(20);
    EXPECT_EQ(fault_of([&] { must_belong_together(vault, foreign, config); }), "token.foreign");
    foreign = opened.birth();
    foreign.demo = false;
    config.simulate_scanner = true;
    EXPECT_EQ(fault_of([&] { must_belong_together(vault, foreign, config); }), "station.not_demo");
    config.simulate_scanner = false;
  }
  EXPECT_EQ(fault_of([&] { init_station(config, options); }), "file.exists");
  EXPECT_EQ(text_of(config.listen.key), key);
  for (const Check& check : examine(config))
    EXPECT_TRUE(check.ok || check.name == "slots") << check.name << ": " << check.says;
}

TEST_F(InitTest, AnAnchorThatTheLedgerDoesNotKnowIsRefused) {
  init_station(config, options);
  Vault vault(config.token);
  Ledger ledger(config.ledger());
  std::string note = anchors_in(vault).at(0);
  auto put = [&](const std::string& text) {
    vault.keep_note(Vault::kAnchor, view(text));
    return fault_of([&] { must_be_anchored(vault, ledger); });
  };
  auto body = read_checkpoint(note);
  ASSERT_TRUE(body);
  std::string station = ledger.birth().station;
  EXPECT_EQ(put(checkpoint_text(station, body->size + 1, body->root) + "\n"), "ledger.rolled_back");
  EXPECT_EQ(put(checkpoint_text(station, body->size, Digest{}) + "\n"), "ledger.rolled_back");
  EXPECT_EQ(put(checkpoint_text("another", body->size, body->root) + "\n"),
            "ledger.anchor_unreadable");
  EXPECT_EQ(put("nothing of the kind"), "ledger.anchor_unreadable");
  EXPECT_FALSE(check_anchor(vault, ledger).ok);
  EXPECT_EQ(put(note), "");
}

TEST_F(InitTest, WhereTheOwnerSignsTheCaARequestIsWrittenAndNothingIsIssuedYet) {
  options.ca_request = (directory.path() / "ca-request.pem").string();
  init_station(config, options);
  EXPECT_EQ(text_of(options.ca_request).rfind("-----BEGIN CERTIFICATE REQUEST-----", 0), 0U);
  Vault vault(config.token);
  Ledger opened(config.ledger());
  EXPECT_TRUE(opened.birth().ca.empty());
  must_belong_together(vault, opened.birth(), config);
  use_signers(vault, opened);
  EXPECT_FALSE(opened.read_now([](Reader& db) { return signers::ca(db).has_value(); }));
  Check check = check_token(vault, opened, config);
  EXPECT_FALSE(check.ok);
  EXPECT_NE(check.says.find("ca install"), std::string::npos) << check.says;
  opened.transact_now([](Transaction& db) {
    signers::add(db, Actor("x"), "ca", Bytes(65, 4));  // as if the token's were another
  });
  EXPECT_EQ(fault_of([&] { use_signers(vault, opened); }), "token.key") << "no second generation";
}

TEST_F(InitTest, TouchesNothingThatIsThere) {
  for (std::string path : {config.ledger(), config.listen.certificate, config.listen.key}) {
    fs::create_directories(config.state_dir);
    write_file(path, "mine");
    EXPECT_EQ(fault_of([&] { init_station(config, options); }), "file.exists") << path;
    EXPECT_EQ(text_of(path), "mine");
    fs::remove_all(config.state_dir);
  }
  fs::create_directories(config.state_dir);
  Vault::create(config.token, view(SoftToken::kSoPin));
  EXPECT_EQ(fault_of([&] { init_station(config, options); }), "token.exists");
  EXPECT_FALSE(fs::exists(config.listen.key)) << "what was begun is taken away";
  EXPECT_FALSE(fs::exists(config.ledger()));
}

TEST_F(InitTest, RefusesBadInputBeforeItBegins) {
  config.simulate_scanner = true;
  options.demo = false;
  EXPECT_EQ(fault_of([&] { init_station(config, options); }), "station.not_demo");
  options.owner_key = (directory.path() / "so-pin").string();
  EXPECT_EQ(fault_of([&] { init_station(config, options); }), "key.unreadable");
  EXPECT_FALSE(fs::exists(config.state_dir));
}

TEST(Files, TheOwnersSignatureIsOverTheExactBytes) {
  TemporaryDirectory directory;
  write_owner_key(directory.path());
  Bytes key = read_ed25519_public((directory.path() / "owner.pub.pem").string());
  std::string order = "{\"order\": 1}\n";
  std::string text = sign_ed25519((directory.path() / "owner.pem").string(), view(order));
  ASSERT_TRUE(text.ends_with("\n"));
  text.pop_back();
  auto signature = from_base64(text);
  ASSERT_TRUE(signature);
  EXPECT_TRUE(ed25519_verify(key, view(order), *signature));
  EXPECT_FALSE(ed25519_verify(key, view(order + " "), *signature));
  std::string pub = (directory.path() / "owner.pub.pem").string();
  EXPECT_EQ(fault_of([&] { sign_ed25519(pub, view(order)); }), "key.unreadable");
  EXPECT_EQ(fault_of([&] { read_ed25519_public("/nowhere"); }), "key.unreadable");
}

TEST(Files, AreNeverOverwrittenUnasked) {
  TemporaryDirectory directory;
  std::string path = (directory.path() / "x").string();
  write_new(path, "one", 0600);
  EXPECT_EQ(mode_of(path), 0600U);
  EXPECT_EQ(fault_of([&] { write_new(path, "two", 0600); }), "file.exists");
  EXPECT_EQ(read_text(path), "one");
  write_text(path, "three");
  EXPECT_EQ(read_text(path), "three");
  EXPECT_EQ(fault_of([&] { read_text(path, 3); }), "file.read");
}

}  // namespace
}  // namespace mintmark
