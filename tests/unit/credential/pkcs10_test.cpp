// Requests as OpenSSL makes them, each bent in one place, and each refused by its own name.
#include "station/credential/pkcs10.hpp"

#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <functional>
#include <memory>

#include "tests/unit/fault_of.hpp"

namespace mintmark {
namespace {

const Digest kSession = {1, 2, 3};

std::shared_ptr<EVP_PKEY> owned(EVP_PKEY* key) { return {key, EVP_PKEY_free}; }
std::shared_ptr<EVP_PKEY> curve(const char* name) { return owned(EVP_EC_gen(name)); }
std::shared_ptr<EVP_PKEY> rsa_of(unsigned bits) {
  return owned(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{bits}));
}

// What a unit sends, before it is signed.
struct Draft {
  std::shared_ptr<EVP_PKEY> key = curve("P-256");
  std::shared_ptr<EVP_PKEY> signer;  // none: the key itself
  const EVP_MD* digest = EVP_sha256();
  std::string binding = hex(kSession);
  std::vector<std::pair<int, std::string>> subject;
  std::vector<std::pair<int, const char*>> extensions;
  std::function<void(X509_REQ*)> more = [](X509_REQ*) {};

  Bytes der() const {
    std::unique_ptr<X509_REQ, decltype(&X509_REQ_free)> out(X509_REQ_new(), &X509_REQ_free);
    X509_REQ_set_pubkey(out.get(), key.get());
    for (const auto& [type, value] : subject)
      X509_NAME_add_entry_by_NID(X509_REQ_get_subject_name(out.get()), type, MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(value.data()),
                                 static_cast<int>(value.size()), -1, 0);
    bind(out.get());
    ask(out.get());
    more(out.get());
    X509_REQ_sign(out.get(), signer ? signer.get() : key.get(), digest);
    unsigned char* bytes = nullptr;
    int size = i2d_X509_REQ(out.get(), &bytes);
    Bytes result(bytes, bytes + size);
    OPENSSL_free(bytes);
    return result;
  }

  void bind(X509_REQ* out) const {
    if (binding.empty()) return;
    X509_REQ_add1_attr_by_NID(out, NID_pkcs9_challengePassword, MBSTRING_ASC,
                              reinterpret_cast<const unsigned char*>(binding.data()),
                              static_cast<int>(binding.size()));
  }

  void ask(X509_REQ* out) const {
    if (extensions.empty()) return;
    STACK_OF(X509_EXTENSION)* asked = sk_X509_EXTENSION_new_null();
    for (const auto& [type, value] : extensions)
      sk_X509_EXTENSION_push(asked, X509V3_EXT_conf_nid(nullptr, nullptr, type, value));
    X509_REQ_add_extensions(out, asked);
    sk_X509_EXTENSION_pop_free(asked, X509_EXTENSION_free);
  }
};

Bytes spki(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  int size = i2d_PUBKEY(key, &der);
  Bytes out(der, der + size);
  OPENSSL_free(der);
  return out;
}

std::string refused_request(const Bytes& der, KeyAlgorithm algorithm = KeyAlgorithm::p256) {
  return fault_of([&] { check_pkcs10(der, Pkcs10Rules(algorithm, "SN-7", kSession)); });
}
std::string refused_request(const Draft& draft, KeyAlgorithm algorithm = KeyAlgorithm::p256) {
  return refused_request(draft.der(), algorithm);
}

TEST(Pkcs10, OfEachAlgorithmIsTakenForItsKeyAlone) {
  const std::pair<KeyAlgorithm, std::shared_ptr<EVP_PKEY>> keys[] = {
      {KeyAlgorithm::p256, curve("P-256")},
      {KeyAlgorithm::p384, curve("P-384")},
      {KeyAlgorithm::rsa2048, rsa_of(2048)},
      {KeyAlgorithm::rsa3072, rsa_of(3072)},
      {KeyAlgorithm::ed25519, owned(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"))}};
  for (const auto& [algorithm, key] : keys) {
    Draft draft;
    draft.key = key;
    if (algorithm == KeyAlgorithm::ed25519) draft.digest = nullptr;
    EXPECT_EQ(check_pkcs10(draft.der(), Pkcs10Rules(algorithm, "SN-7", kSession)), spki(key.get()))
        << word(algorithm);
  }
}

TEST(Pkcs10, MayNameTheUnitsOwnSerialAndWhatIsGrantedAnyway) {
  Draft draft;
  draft.subject = {{NID_serialNumber, "SN-7"}, {NID_commonName, "SN-7"}};
  draft.extensions = {{NID_key_usage, "critical,digitalSignature"},
                      {NID_basic_constraints, "CA:FALSE"}};
  EXPECT_EQ(refused_request(draft), "");
}

TEST(Pkcs10, OfAnotherSubjectIsRefused) {
  const std::vector<std::pair<int, std::string>> others[] = {
      {{NID_commonName, "SN-8"}},
      {{NID_serialNumber, "SN-70"}},
      {{NID_serialNumber, "SN-7"}, {NID_organizationName, "Aurora"}},
      {{NID_serialNumber, "SN-7"}, {NID_commonName, std::string("SN-7\0.x", 7)}}};
  for (const auto& subject : others) {
    Draft draft;
    draft.subject = subject;
    EXPECT_EQ(refused_request(draft), "identity.subject") << subject.back().second;
  }
}

TEST(Pkcs10, ThatAsksForMoreIsRefused) {
  const std::pair<int, const char*> more[] = {{NID_basic_constraints, "critical,CA:TRUE"},
                                              {NID_basic_constraints, "CA:FALSE,pathlen:0"},
                                              {NID_key_usage, "digitalSignature,keyCertSign"},
                                              {NID_key_usage, "keyAgreement"},
                                              {NID_ext_key_usage, "serverAuth"},
                                              {NID_subject_alt_name, "DNS:root.example"}};
  for (const auto& one : more) {
    Draft draft;
    draft.extensions = {{NID_key_usage, "digitalSignature"}, one};
    EXPECT_EQ(refused_request(draft), "identity.extension") << one.second;
  }
}

TEST(Pkcs10, OfAnotherSessionIsRefused) {
  Digest other = kSession;
  other.back() ^= 1;
  for (const std::string& binding : {std::string(), hex(other), hex(kSession) + "0"}) {
    Draft draft;
    draft.binding = binding;
    EXPECT_EQ(refused_request(draft), "identity.request_unbound") << binding;
  }
}

TEST(Pkcs10, MustBeSignedByItsKey) {
  Draft draft;
  draft.signer = curve("P-256");
  EXPECT_EQ(refused_request(draft), "identity.bad_signature");
  Draft weak;
  weak.digest = EVP_sha1();
  EXPECT_EQ(refused_request(weak), "identity.bad_signature");
  Bytes bent = Draft().der();
  bent.back() ^= 1;
  EXPECT_EQ(refused_request(bent), "identity.bad_signature");
}

TEST(Pkcs10, OfAWeakOrAnotherKeyIsRefusedByName) {
  Draft draft;
  draft.key = rsa_of(1024);
  EXPECT_EQ(refused_request(draft, KeyAlgorithm::rsa2048), "identity.weak_key");
  draft.key = curve("prime192v1");
  EXPECT_EQ(refused_request(draft), "identity.weak_key");
  draft.key = curve("P-384");
  EXPECT_EQ(refused_request(draft), "identity.algorithm");
  draft.key = curve("P-256");
  EXPECT_EQ(refused_request(draft, KeyAlgorithm::p384), "identity.algorithm");
  EVP_PKEY_set_utf8_string_param(draft.key.get(), "point-format", "compressed");
  EXPECT_EQ(refused_request(draft), "identity.bad_key") << "one key, two fingerprints";
}

TEST(Pkcs10, WithAttributesThatNobodyKnowsIsRefused) {
  auto add = [](int type) {
    return [type](X509_REQ* out) {
      X509_REQ_add1_attr_by_NID(out, type, MBSTRING_ASC,
                                reinterpret_cast<const unsigned char*>("x"), 1);
    };
  };
  Draft draft;
  draft.more = add(NID_pkcs9_unstructuredName);
  EXPECT_EQ(refused_request(draft), "identity.request");
  Draft two;
  two.binding.clear();
  two.more = [](X509_REQ* out) {
    std::string value = hex(kSession);
    const auto* bytes = reinterpret_cast<const unsigned char*>(value.data());
    X509_ATTRIBUTE* attribute =
        X509_ATTRIBUTE_create_by_NID(nullptr, NID_pkcs9_challengePassword, MBSTRING_ASC, bytes, 64);
    X509_ATTRIBUTE_set1_data(attribute, MBSTRING_ASC, "x", 1);
    X509_REQ_add1_attr(out, attribute);
    X509_ATTRIBUTE_free(attribute);
  };
  EXPECT_EQ(refused_request(two), "identity.request") << "two values";
  draft.more = add(NID_ext_req);
  EXPECT_EQ(refused_request(draft), "identity.request") << "no extensions in it";
}

TEST(Pkcs10, CutOrLengthenedAnywhereIsRefused) {
  Draft draft;
  draft.extensions = {{NID_key_usage, "digitalSignature"}};
  Bytes good = draft.der(), longer = good;
  longer.push_back(0);
  EXPECT_EQ(refused_request(longer), "identity.request");
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_EQ(refused_request(Bytes(good.begin(), good.begin() + static_cast<long>(size))),
              "identity.request");
}

// No bit of a request can be turned without a refusal.
TEST(Pkcs10, WithAnyByteBentIsRefused) {
  Draft draft;
  draft.subject = {{NID_serialNumber, "SN-7"}};
  Bytes good = draft.der();
  ASSERT_EQ(refused_request(good), "");
  for (std::size_t i = 0; i < good.size(); ++i) {
    Bytes bent = good;
    bent[i] ^= 0x04;
    EXPECT_TRUE(refused_request(bent).starts_with("identity.")) << i;
  }
}

}  // namespace
}  // namespace mintmark
