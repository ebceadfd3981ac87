// A station on a token that is not SoftHSM2: made, opened, and its checkpoint verified.
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "station/ledger/checkpoint.hpp"
#include "station/main/station.hpp"
#include "tests/unit/hsm/nss.hpp"

namespace mintmark {
namespace {

TEST(NssStation, IsMadeAndItsCheckpointVerifies) {
  TemporaryDirectory directory;
  InitOptions options;
  options.owner_key = (directory.path() / "owner.pub.pem").string();
  options.person = "first";
  EVP_PKEY* owner = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  std::FILE* file = std::fopen(options.owner_key.c_str(), "wb");
  PEM_write_PUBKEY(file, owner);
  std::fclose(file);
  EVP_PKEY_free(owner);

  Config config;
  config.state_dir = (directory.path() / "state").string();
  std::filesystem::create_directory(config.state_dir);
  config.token = nss_token();
  config.token.state_dir = config.state_dir;
  config.listen.certificate = config.state_dir + "/tls.pem";
  config.listen.key = config.state_dir + "/tls-key.pem";
  init_station(config, options);

  Vault vault(config.token);
  Ledger ledger(config.ledger());
  must_belong_together(vault, ledger.birth(), config);
  EXPECT_EQ(ledger.birth().journal_key.size(), 65U);
  EXPECT_EQ(ledger.anchor(), "file") << "NSS takes no private data object";
  EXPECT_FALSE(must_be_anchored(vault, ledger));
  EXPECT_TRUE(check_anchor(vault, ledger).ok);
  Signer signer = [&](View message) { return vault.journal_sign(message); };
  Checkpoint checkpoint = ledger.checkpoint_now(signer);
  auto key = parse_verifier_key(verifier_key(ledger.birth().station, ledger.birth().journal_key));
  ASSERT_TRUE(key);
  auto opened = open_checkpoint(checkpoint.note, *key);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->size, checkpoint.size);
}

}  // namespace
}  // namespace mintmark
