// The owner's signature over the station's CA: made by his helper (OpenSSL alone), judged here.
#include "station/credential/authority.hpp"

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "station/credential/idevid.hpp"
#include "station/words/crypto.hpp"
#include "station/words/fault.hpp"
#include "tests/unit/hsm/softhsm.hpp"

namespace mintmark {
namespace {

class OwnerCa : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    token_ = std::make_unique<SoftToken>();
    vault_ = std::make_unique<Vault>(token_->config());
    write_file(path("request.pem"), make_ca_request(*vault_, "Test Works device CA 1234"));
    ASSERT_EQ(sh(helper() + " root " + path("owner") + " 'Test Works Root'"), 0);
    ASSERT_EQ(
        sh(helper() + " sign " + path("owner") + " " + path("request.pem") + " " + path("ca.pem")),
        0);
  }
  static void TearDownTestSuite() {
    vault_.reset();
    token_.reset();
  }

  static std::string helper() {
    return std::string(MINTMARK_SOURCE) + "/deploy/examples/owner-ca.sh";
  }
  static std::string path(const std::string& name) { return (token_->directory() / name).string(); }
  static int sh(const std::string& command) {
    return std::system((command + " >/dev/null 2>&1").c_str());
  }

  // The certificates of PEM files, in order.
  static std::vector<Bytes> certificates(const std::vector<std::string>& files) {
    std::vector<Bytes> out;
    for (const std::string& file : files) {
      BIO* in = BIO_new_file(path(file).c_str(), "rb");
      while (X509* one = PEM_read_bio_X509(in, nullptr, nullptr, nullptr)) {
        Bytes der(static_cast<std::size_t>(i2d_X509(one, nullptr)));
        unsigned char* at = der.data();
        i2d_X509(one, &at);
        out.push_back(der);
        X509_free(one);
      }
      BIO_free(in);
    }
    return out;
  }

  // The reason of the refusal; empty where there is none.
  static std::string refusal(const std::vector<std::string>& files) {
    try {
      check_ca_chain(vault_->ca_public_point(), certificates(files));
      return "";
    } catch (const Fault& fault) {
      EXPECT_EQ(fault.code(), "ca.chain");
      return fault.args().at("reason");
    }
  }

  // The same request, signed by the same owner with other extensions.
  static void sign_with(const std::string& extensions, const std::string& out,
                        const std::string& more = "-days 30") {
    write_file(path("extensions"), extensions);
    ASSERT_EQ(sh("openssl x509 -req -in " + path("request.pem") + " -CA " + path("owner/root.pem") +
                 " -CAkey " + path("owner/root-key.pem") + " -set_serial 7 " + more + " -extfile " +
                 path("extensions") + " -out " + path(out)),
              0);
  }

  static std::unique_ptr<SoftToken> token_;
  static std::unique_ptr<Vault> vault_;
};
std::unique_ptr<SoftToken> OwnerCa::token_;
std::unique_ptr<Vault> OwnerCa::vault_;

constexpr const char* kGood =
    "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\n"
    "subjectKeyIdentifier=hash\n";

TEST_F(OwnerCa, TheRequestIsSignedByTheTokenAndSaysWhatItAsksFor) {
  EXPECT_EQ(sh("openssl req -in " + path("request.pem") + " -noout -verify"), 0);
  EXPECT_EQ(
      sh("openssl req -in " + path("request.pem") + " -noout -text | grep -q 'CA:TRUE, pathlen:0'"),
      0);
  EXPECT_EQ(sh("openssl req -in " + path("request.pem") +
               " -noout -subject | grep -q 'Test Works device CA 1234'"),
            0);
}

TEST_F(OwnerCa, ItsChainIsTakenAndDevicesUnderItVerifyElsewhere) {
  EXPECT_EQ(refusal({"ca.pem", "owner/root.pem"}), "");
  Bytes unit =
      make_idevid(*vault_, certificates({"ca.pem"}).at(0), p256_spki(EphemeralKey().point()),
                  "SN-1", view("SN-1"), IdevidProfile("Test Works", "1.3.6.1.4.1.99999.1.1"));
  write_file(path("unit.pem"), pem(unit));
  EXPECT_EQ(sh("openssl verify -CAfile " + path("owner/root.pem") + " -untrusted " +
               path("ca.pem") + " " + path("unit.pem")),
            0);
  EXPECT_NE(sh("openssl verify -CAfile " + path("owner/root.pem") + " " + path("unit.pem")), 0);
}

TEST_F(OwnerCa, WhatIsNoChainOfThisKeyIsRefusedWithItsReason) {
  EXPECT_NE(refusal({}).find("no issuer"), std::string::npos);
  EXPECT_NE(refusal({"ca.pem"}).find("no issuer"), std::string::npos);
  EXPECT_NE(refusal({"owner/root.pem", "ca.pem"}).find("another key"), std::string::npos);
  ASSERT_EQ(sh(helper() + " root " + path("stranger") + " 'Test Works Root'"), 0);
  EXPECT_NE(refusal({"ca.pem", "stranger/root.pem"}).find("not signed by the next"),
            std::string::npos);
  write_file(path("own.pem"), pem(make_ca_certificate(*vault_, "Self")));
  EXPECT_NE(refusal({"own.pem", "owner/root.pem"}).find("not signed by the next"),
            std::string::npos);
  std::vector<std::string> many(9, "owner/root.pem");
  EXPECT_NE(refusal(many).find("more than 8"), std::string::npos);
}

TEST_F(OwnerCa, WhatMayNotIssueIsRefusedWithItsReason) {
  const std::pair<const char*, const char*> kBad[] = {
      {"keyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n", "CA:TRUE"},
      {"basicConstraints=critical,CA:FALSE\nsubjectKeyIdentifier=hash\n", "CA:TRUE"},
      {"basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign,cRLSign\nsubjectKeyIdentifier="
       "hash\n",
       "pathlen:0"},
      {"basicConstraints=critical,CA:TRUE,pathlen:1\nkeyUsage=keyCertSign,"
       "cRLSign\nsubjectKeyIdentifier=hash\n",
       "pathlen:0"},
      {"basicConstraints=critical,CA:TRUE,pathlen:0\nsubjectKeyIdentifier=hash\n", "key usage"},
      {"basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=keyCertSign\nsubjectKeyIdentifier="
       "hash\n",
       "key usage"},
      {"basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=keyCertSign,"
       "cRLSign\nsubjectKeyIdentifier=none\n",
       "subject key identifier"},
      {"1.2.3.4=critical,DER:0500\nbasicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage="
       "keyCertSign,cRLSign\n",
       "not understood"},
  };
  for (const auto& [extensions, reason] : kBad) {
    sign_with(extensions, "bad.pem");
    EXPECT_NE(refusal({"bad.pem", "owner/root.pem"}).find(reason), std::string::npos)
        << extensions << "said: " << refusal({"bad.pem", "owner/root.pem"});
  }
  sign_with(kGood, "expired.pem", "-days -1");
  EXPECT_NE(refusal({"expired.pem", "owner/root.pem"}).find("expired"), std::string::npos);
}

}  // namespace
}  // namespace mintmark
