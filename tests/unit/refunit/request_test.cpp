// The unit's PKCS#10 requests, read by OpenSSL.
#include <openssl/x509.h>

#include "bench.hpp"

namespace bench {
namespace {

struct Asking {
  Asking() {
    unit.config.csr = true;
    unit.restart();
  }
  std::unique_ptr<X509_REQ, decltype(&X509_REQ_free)> ask(const char* algorithm) {
    EXPECT_EQ(station.open_enrolment(), 0U);
    json made = station.op({{"op", "make-key"}, {"alg", algorithm}});
    EXPECT_EQ(made["rc"], 0) << algorithm;
    spki = get(made, "spki");
    der = get(station.op({{"op", "request"}}), "csr");
    const unsigned char* at = der.data();
    return {d2i_X509_REQ(nullptr, &at, static_cast<long>(der.size())), &X509_REQ_free};
  }
  Unit unit;
  Station station{unit.exchanger()};
  Bytes spki, der;
};

constexpr const char* kAlgorithms[] = {"P-256", "P-384", "Ed25519", "RSA-2048", "RSA-3072"};

TEST(Request, OfEachAlgorithmIsSignedAndBound) {
  Asking asking;
  for (const char* algorithm : kAlgorithms) {
    auto request = asking.ask(algorithm);
    ASSERT_TRUE(request) << algorithm;
    EXPECT_EQ(X509_REQ_verify(request.get(), X509_REQ_get0_pubkey(request.get())), 1) << algorithm;
    unsigned char* der = nullptr;
    int size = i2d_X509_PUBKEY(X509_REQ_get_X509_PUBKEY(request.get()), &der);
    EXPECT_EQ(Bytes(der, der + size), asking.spki) << algorithm;
    OPENSSL_free(der);
    std::string text(asking.der.begin(), asking.der.end());
    EXPECT_NE(text.find(to_hex(asking.station.transcript)), std::string::npos);
    EXPECT_EQ(X509_NAME_entry_count(X509_REQ_get_subject_name(request.get())), 0);
  }
}

TEST(Request, NamesTheSerialWhereItIsToldTo) {
  Asking asking;
  asking.unit.config.csr_serial = "SN-7";
  asking.unit.restart();
  auto request = asking.ask("P-256");
  char text[64] = "";
  X509_NAME_get_text_by_NID(X509_REQ_get_subject_name(request.get()), NID_serialNumber, text,
                            sizeof text);
  EXPECT_STREQ(text, "SN-7");
}

// An uncertified key is found again, over a restart too; one of another kind takes its place.
TEST(Request, IsForTheKeyThatIsThereAlready) {
  Asking asking;
  asking.ask("RSA-2048");
  Bytes first = asking.spki;
  asking.unit.restart();
  asking.ask("RSA-2048");
  EXPECT_EQ(asking.spki, first);
  asking.ask("Ed25519");
  EXPECT_EQ(asking.spki.size(), 44U);
}

TEST(Request, OfUnknownOrUnaskedKindsIsNotMade) {
  Asking asking;
  ASSERT_EQ(asking.station.open_enrolment(), 0U);
  EXPECT_EQ(asking.station.rc({{"op", "make-key"}, {"alg", "P-521"}}), MU_NOT_SUPPORTED);
  EXPECT_EQ(asking.station.rc({{"op", "make-key"}, {"alg", 3}}), MU_INVALID);
  Unit plain;  // it answers with its bare key, and that is a P-256 key
  Station station(plain.exchanger());
  ASSERT_EQ(station.open_enrolment(), 0U);
  EXPECT_EQ(station.rc({{"op", "make-key"}, {"alg", "P-384"}}), MU_NOT_SUPPORTED);
  EXPECT_EQ(station.rc({{"op", "make-key"}, {"alg", "P-256"}}), MU_OK);
}

TEST(Request, EachKindOfKeySignsSessionsAfterARestart) {
  for (const char* algorithm : kAlgorithms) {
    Asking asking;
    asking.ask(algorithm);
    Bytes cert = asking.spki, reopen(91), point(65);
    ASSERT_TRUE(mu_p256_public(asking.station.reopen_key.data(), point.data()));
    mu_spki_from_point(point.data(), reopen.data());
    ASSERT_EQ(asking.station.op_with("store-cert", {{"cert", bin(cert)}, {"reopen", bin(reopen)}})
                  .value("rc", 1000U),
              0U);
    asking.unit.restart();
    Bytes e(65), own(32);
    ASSERT_TRUE(mu_p256_generate(own.data(), e.data()));
    json answer =
        asking.station
            .request(2, 77, 2, {{"e", bin(e)}, {"n", bin(Bytes(16))}, {"run", bin(Bytes(16))}})
            .value();
    EXPECT_EQ(get(answer, "spki"), asking.spki) << algorithm;
    EXPECT_GE(get(answer, "sig").size(), 64U) << algorithm;
  }
}

}  // namespace
}  // namespace bench
