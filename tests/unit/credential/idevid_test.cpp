#include "station/credential/idevid.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <memory>
#include <set>

#include "station/credential/denial.hpp"
#include "station/words/crypto.hpp"
#include "station/words/fault.hpp"
#include "tests/unit/fault_of.hpp"
#include "tests/unit/hsm/softhsm.hpp"

namespace mintmark {
namespace {

struct Ran {
  int status;
  std::string output;
};

Ran run(const std::string& command) {
  std::FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  Ran out{-1, ""};
  std::array<char, 4096> some{};
  while (std::size_t n = std::fread(some.data(), 1, some.size(), pipe))
    out.output.append(some.data(), n);
  out.status = pclose(pipe);
  return out;
}

// A CA and a certified unit, as DER and as files for other tools.
class Idevid : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    token_ = std::make_unique<SoftToken>();
    vault_ = std::make_unique<Vault>(token_->config());
    ca_ = make_ca_certificate(*vault_, "Test Works IDevID CA");
    spki_ = p256_spki(EphemeralKey().point());
    leaf_ = make("SN-000000123", view("SN-000000123"));
    write("ca.pem", pem(ca_));
    write("leaf.pem", pem(leaf_));
  }
  static void TearDownTestSuite() {
    vault_.reset();
    token_.reset();
  }

  static Bytes make(const std::string& serial, View hw_raw) {
    return make_idevid(*vault_, ca_, spki_, serial, hw_raw, profile());
  }
  static IdevidProfile profile() { return {"Test Works \xc3\x84", "1.3.6.1.4.1.99999.1.1"}; }
  static std::string path(const std::string& name) { return (token_->directory() / name).string(); }
  static void write(const std::string& name, const std::string& text) {
    write_file(path(name), text);
  }
  static std::string shown(const std::string& name) {
    return run("openssl x509 -noout -text -in " + path(name)).output;
  }

  static std::unique_ptr<SoftToken> token_;
  static std::unique_ptr<Vault> vault_;
  static Bytes ca_, spki_, leaf_;
};
std::unique_ptr<SoftToken> Idevid::token_;
std::unique_ptr<Vault> Idevid::vault_;
Bytes Idevid::ca_, Idevid::spki_, Idevid::leaf_;

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_F(Idevid, IsAcceptedByOpenSsl) {
  Ran ca = run("openssl verify -x509_strict -check_ss_sig -CAfile " + path("ca.pem") + " " +
               path("ca.pem"));
  EXPECT_EQ(ca.status, 0) << ca.output;
  Ran leaf = run("openssl verify -x509_strict -CAfile " + path("ca.pem") + " " + path("leaf.pem"));
  EXPECT_EQ(leaf.status, 0) << leaf.output;
}

TEST_F(Idevid, ASecondCertificateIsOfAnotherProfileForTheSameKey) {
  LdevidProfile profile;
  profile.name = "cloud";
  profile.organization = "Aurora Cloud";
  profile.common_name = "lamp-{serial}.aurora.example";
  profile.days = 30;
  write("second.pem", pem(make_ldevid(*vault_, ca_, spki_, "SN-7", profile)));
  Ran verified = run("openssl verify -x509_strict -purpose sslclient -CAfile " + path("ca.pem") +
                     " " + path("second.pem"));
  EXPECT_EQ(verified.status, 0) << verified.output;
  EXPECT_NE(run("openssl verify -x509_strict -purpose sslserver -CAfile " + path("ca.pem") + " " +
                path("second.pem"))
                .status,
            0);
  std::string text = shown("second.pem");
  EXPECT_TRUE(has(text, "CN = lamp-SN-7.aurora.example")) << text;
  EXPECT_TRUE(has(text, "O = Aurora Cloud"));
  EXPECT_TRUE(has(text, "CA:FALSE"));
  EXPECT_EQ(run("openssl x509 -noout -checkend 2500000 -in " + path("second.pem")).status, 0);
  EXPECT_NE(run("openssl x509 -noout -checkend 2600000 -in " + path("second.pem")).status, 0);
}

TEST_F(Idevid, OfAnotherCaIsNot) {
  SoftToken other;
  Vault theirs(other.config());
  write("other.pem", pem(make_ca_certificate(theirs, "Test Works IDevID CA")));
  EXPECT_NE(run("openssl verify -CAfile " + path("other.pem") + " " + path("leaf.pem")).status, 0);
}

TEST_F(Idevid, ThatWasBentIsNot) {
  Bytes bent = leaf_;
  bent[bent.size() / 2] ^= 1;
  write("bent.pem", pem(bent));
  EXPECT_NE(run("openssl verify -CAfile " + path("ca.pem") + " " + path("bent.pem")).status, 0);
}

TEST_F(Idevid, CertifiesNoFurtherCertificates) {
  EXPECT_NE(run("openssl verify -partial_chain -CAfile " + path("leaf.pem") + " " + path("ca.pem"))
                .status,
            0);
  EXPECT_FALSE(has(shown("leaf.pem"), "CA:TRUE"));
}

TEST_F(Idevid, HasTheFieldsOf802_1AR) {
  std::string text = shown("leaf.pem");
  for (const char* part :
       {"Version: 3 (0x2)", "Issuer: CN = Test Works IDevID CA",
        "Not After : Dec 31 23:59:59 9999 GMT", "serialNumber = SN-000000123", "NIST CURVE: P-256",
        "X509v3 Key Usage: critical\n                Digital Signature\n",
        "X509v3 Authority Key Identifier", "X509v3 Subject Alternative Name: \n",
        "Signature Algorithm: ecdsa-with-SHA256"})
    EXPECT_TRUE(has(text, part)) << part << "\n" << text;
  EXPECT_FALSE(has(text, "Subject Key Identifier"));
  EXPECT_FALSE(has(text, "Basic Constraints"));
}

TEST_F(Idevid, HasItsIssuersKeyIdentifier) {
  auto after = [](const std::string& text, const std::string& title) {
    auto at = text.find('\n', text.find(title)) + 1;
    return text.substr(text.find_first_not_of(' ', at), 59);
  };
  EXPECT_EQ(after(shown("leaf.pem"), "Authority Key Identifier"),
            after(shown("ca.pem"), "Subject Key Identifier"));
}

TEST_F(Idevid, IsEncodedAsWritten) {
  std::string der = hex(leaf_);
  EXPECT_TRUE(has(der, "180f39393939313233313233353935395a"));          // GeneralizedTime 9999
  EXPECT_TRUE(has(der, "0603550405130c" + hex(view("SN-000000123"))));  // PrintableString
  EXPECT_TRUE(has(der,
                  "302aa02806082b06010505070804a01c301a060a2b06010401868d1f0101040c534e2d3030"
                  "30303030313233"));
  EXPECT_TRUE(has(der, hex(spki_)));
  EXPECT_TRUE(has(der, "170d"));  // notBefore: UTCTime
  std::string tree = run("openssl asn1parse -in " + path("leaf.pem")).output;
  EXPECT_TRUE(has(tree, "GENERALIZEDTIME   :99991231235959Z")) << tree;
  EXPECT_TRUE(has(tree, "PRINTABLESTRING   :SN-000000123")) << tree;
}

TEST_F(Idevid, TakesAnyRawHardwareId) {
  Bytes raw = {0x00, 0xff, 0x80, 0x0a};
  EXPECT_TRUE(has(hex(make("A", raw)), "060a2b06010401868d1f0101040400ff800a"));
}

TEST_F(Idevid, HasASerialNumberOfItsOwn) {
  std::set<std::string> seen;
  for (int i = 0; i < 20; ++i) {
    // tbs: version [0] is 5 bytes, then INTEGER of 20 octets with a positive first.
    std::string der = hex(make("A", view("x")));
    auto at = der.find("a0030201020214");
    ASSERT_NE(at, std::string::npos);
    std::string number = der.substr(at + 14, 40);
    EXPECT_LT(number[0], '8');
    EXPECT_TRUE(seen.insert(number).second);
  }
}

TEST_F(Idevid, CaIsACaAndNoMore) {
  std::string text = shown("ca.pem");
  for (const char* part :
       {"X509v3 Basic Constraints: critical\n                CA:TRUE, pathlen:0",
        "X509v3 Key Usage: critical\n                Certificate Sign, CRL Sign\n",
        "X509v3 Subject Key Identifier", "Not After : Dec 31 23:59:59 9999 GMT",
        "Subject: CN = Test Works IDevID CA"})
    EXPECT_TRUE(has(text, part)) << part << "\n" << text;
}

TEST_F(Idevid, IsRefusedForWhatIsNoKey) {
  Bytes off_curve = spki_;
  off_curve.back() ^= 1;
  for (const Bytes& key : {off_curve, Bytes(), Bytes(91), Bytes(spki_.begin(), spki_.end() - 1)})
    EXPECT_EQ(fault_of([&] { make_idevid(*vault_, ca_, key, "A", view("x"), profile()); }),
              "identity.bad_key");
}

TEST_F(Idevid, IsRefusedUnderACaThatTheTokenIsNot) {
  SoftToken other;
  Vault theirs(other.config());
  EXPECT_EQ(fault_of([&] { make_idevid(theirs, ca_, spki_, "A", view("x"), profile()); }),
            "identity.ca");
  EXPECT_EQ(fault_of([&] { make_idevid(*vault_, view("no"), spki_, "A", view("x"), profile()); }),
            "identity.ca");
  Bytes longer = ca_;
  longer.push_back(0);
  EXPECT_EQ(fault_of([&] { make_idevid(*vault_, longer, spki_, "A", view("x"), profile()); }),
            "identity.ca");
}

TEST_F(Idevid, IsRefusedWithoutSerialOrHardwareId) {
  EXPECT_EQ(fault_of([&] { make("", view("x")); }), "identity.failed");
  EXPECT_EQ(fault_of([&] { make("lower", view("x")); }), "identity.failed");
  EXPECT_EQ(fault_of([&] { make("A", {}); }), "identity.failed");
}

TEST(IdevidProfileCheck, RefusesWhatIsNoNameOrOid) {
  auto bad = [](const std::string& organization, const std::string& oid) {
    return fault_of([&] { IdevidProfile(organization, oid).check(); }) == "identity.profile";
  };
  EXPECT_FALSE(bad("Works", "1.3.6.1.4.1.99999.1.1"));
  EXPECT_FALSE(bad(std::string(64, 'x'), "2.999.1"));
  EXPECT_TRUE(bad("", "1.3.6.1"));
  EXPECT_TRUE(bad(std::string(65, 'x'), "1.3.6.1"));
  EXPECT_TRUE(bad("bad \xff", "1.3.6.1"));
  for (const char* oid : {"", "1", "1.3", "commonName", "3.1.1", "1.40.1", "1..3.1", ".1.3.1",
                          "1.3.1.", "1.3.x", "1.3.6 1", "-1.3.1"})
    EXPECT_TRUE(bad("Works", oid)) << oid;
}

TEST(Pem, IsWhatOthersRead) {
  EXPECT_EQ(pem(Bytes(48)), "-----BEGIN CERTIFICATE-----\n" + std::string(64, 'A') +
                                "\n-----END CERTIFICATE-----\n");
}

TEST(SpkiFingerprint, IsItsSha256) {
  EXPECT_EQ(hex(spki_fingerprint(view("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_F(Idevid, ADenialListIsWhatOpensslChecks) {
  Bytes other = make("SN-000000124", view("SN-000000124"));
  std::vector<DeniedCertificate> denied;
  denied.emplace_back(leaf_, "keyCompromise", "2026-01-31T12:00:00.000Z");
  write("denied.crl", denial_list_pem(make_denial_list(*vault_, ca_, denied, 4711)));
  write("other.pem", pem(other));
  std::string check = "openssl verify -crl_check -CAfile " + path("ca.pem") + " -CRLfile " +
                      path("denied.crl") + " ";
  EXPECT_EQ(
      run("openssl crl -noout -verify -CAfile " + path("ca.pem") + " -in " + path("denied.crl"))
          .output,
      "verify OK\n");
  Ran refused = run(check + path("leaf.pem"));
  EXPECT_NE(refused.status, 0);
  EXPECT_NE(refused.output.find("certificate revoked"), std::string::npos) << refused.output;
  EXPECT_EQ(run(check + path("other.pem")).status, 0);
  std::string text = run("openssl crl -noout -text -in " + path("denied.crl")).output;
  for (const char* part :
       {"Version 2 (0x1)", "X509v3 CRL Number: \n                4711", "Key Compromise",
        "X509v3 Authority Key Identifier", "Jan 31 12:00:00 2026 GMT", "CN = Test Works IDevID CA"})
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
}

TEST_F(Idevid, AnEmptyDenialListIsOneToo) {
  write("none.crl", denial_list_pem(make_denial_list(*vault_, ca_, {}, 1)));
  EXPECT_EQ(run("openssl crl -noout -verify -CAfile " + path("ca.pem") + " -in " + path("none.crl"))
                .status,
            0);
  EXPECT_EQ(fault_of([&] { make_denial_list(*vault_, leaf_, {}, 1); }), "identity.ca");
  EXPECT_EQ(fault_of([&] { make_denial_list(*vault_, Bytes(9), {}, 1); }), "identity.ca");
}

// A token of its own: it gets a second CA key.
TEST(DenialLists, AreOnePerCaAndOpensslFindsEachCertificateInItsOwn) {
  SoftToken token;
  Vault vault(token.config());
  auto path = [&](const std::string& name) { return (token.directory() / name).string(); };
  auto issue = [&](View ca, const std::string& serial) {
    return make_idevid(vault, ca, p256_spki(EphemeralKey().point()), serial, view(serial),
                       IdevidProfile("Test Works", "1.3.6.1.4.1.99999.1.1"));
  };
  Bytes first = make_ca_certificate(vault, "Works CA");
  std::vector<Bytes> old = {issue(first, "SN-1"), issue(first, "SN-2")};
  int generation = vault.create_next(SignerRole::ca);
  Bytes second = make_ca_certificate(vault, "Works CA 2", generation);
  std::vector<Bytes> fresh = {issue(second, "SN-3"), issue(second, "SN-4")};
  std::vector<DeniedCertificate> denied;
  for (const Bytes& one : {old[0], fresh[0]})
    denied.emplace_back(one, "superseded", "2026-01-31T12:00:00.000Z");
  // The same CA, certified again, is the same issuer.
  std::vector<Bytes> cas = {second, first, make_ca_certificate(vault, "Works CA")};
  auto lists = make_denial_lists(vault, cas, denied, 12);
  ASSERT_EQ(lists.size(), 2U);
  std::string crl;
  for (const Bytes& one : lists) crl += denial_list_pem(one);
  write_file(path("denied.crl"), crl);
  write_file(path("chain.pem"), pem(second) + pem(first));
  auto good = [&](const Bytes& der) {
    write_file(path("one.pem"), pem(der));
    return run("openssl verify -crl_check -CAfile " + path("chain.pem") + " -CRLfile " +
               path("denied.crl") + " " + path("one.pem"))
               .status == 0;
  };
  EXPECT_FALSE(good(old[0]));
  EXPECT_TRUE(good(old[1]));
  EXPECT_FALSE(good(fresh[0]));
  EXPECT_TRUE(good(fresh[1]));
  EXPECT_EQ(fault_of([&] { make_denial_lists(vault, {second}, denied, 12); }), "identity.failed")
      << "a denied certificate that would be in no list";
}

}  // namespace
}  // namespace mintmark
