// The journal's entries, tree and checkpoints, judged by other means than those that made them.
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>

#include <cstdlib>
#include <fstream>

#include "station.hpp"
#include "station/words/crypto.hpp"

namespace mintmark::test {

// RFC 6962 section 2.1, word for word: MTH(D[n]) with k the largest power of two below n.
static Digest mth(const std::vector<Bytes>& d, std::size_t from, std::size_t to) {
  std::size_t n = to - from;
  if (n == 0) return sha256({});
  if (n == 1) {
    Bytes leaf{0};
    leaf.insert(leaf.end(), d[from].begin(), d[from].end());
    return sha256(leaf);
  }
  std::size_t k = 1;
  while (k * 2 < n) k *= 2;
  Digest left = mth(d, from, from + k), right = mth(d, from + k, to);
  Bytes node{1};
  node.insert(node.end(), left.begin(), left.end());
  node.insert(node.end(), right.begin(), right.end());
  return sha256(node);
}

TEST(Tree, EqualsTheRecursiveDefinition) {
  std::vector<Bytes> entries;
  Tree tree;
  EXPECT_EQ(tree.root(), mth(entries, 0, 0));
  for (int i = 0; i < 140; ++i) {
    entries.push_back(random_bytes(static_cast<std::size_t>(i % 50)));
    tree.append(entries.back());
    EXPECT_EQ(tree.root(), mth(entries, 0, entries.size())) << i;
    auto restored = Tree::restore(tree.size(), tree.frontier());
    ASSERT_TRUE(restored);
    EXPECT_EQ(restored->root(), tree.root());
  }
}

TEST(Tree, KnownVectors) {
  // RFC 6962's published test vectors (certificate-transparency-go, merkletree).
  Tree tree;
  EXPECT_EQ(hex(tree.root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  const char* leaves[] = {"",
                          "00",
                          "10",
                          "2021",
                          "3031",
                          "40414243",
                          "5051525354555657",
                          "606162636465666768696a6b6c6d6e6f"};
  for (const char* leaf : leaves) tree.append(*from_hex(leaf));
  EXPECT_EQ(hex(tree.root()), "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
  EXPECT_FALSE(Tree::restore(3, Bytes(32)));
}

TEST(Journal, FixedKeysInOrderThenTheTypesOwn) {
  Station station;
  station.write([](Transaction& db) { note_nonce(db, alice(), "abc"); });
  Json entry = station.entries().back();
  std::vector<std::string> keys;
  for (const auto& [key, value] : entry.items()) keys.push_back(key);
  std::vector<std::string> wanted{"seq", "station", "at", "mono", "boot", "actor", "type", "nonce"};
  EXPECT_EQ(keys, wanted);
  EXPECT_EQ(entry["actor"], "alice");
  EXPECT_EQ(entry["station"], station.birth.station);
  EXPECT_EQ(entry["at"].get<std::string>().size(), 24u);
}

TEST(Journal, HostileTextStaysOneLineOfUtf8) {
  Station station;
  station.write([](Transaction& db) {
    Json fields = {{"text", "a\nb\r\x01\xff\xfe\"}"}};
    db.journal(self(), "unit.visit", fields);
  });
  Bytes bytes = station.read([](Reader& db) {
    return *db.value<Bytes>("SELECT bytes FROM journal ORDER BY seq DESC LIMIT 1");
  });
  EXPECT_EQ(text(bytes).find('\n'), std::string_view::npos);
  EXPECT_TRUE(Json::parse(bytes).is_object());
}

TEST(Journal, RefusesWhatDoesNotFit) {
  Station station;
  auto put = [&](const Json& fields) {
    return fault_of(
        [&] { station.write([&](Transaction& db) { db.journal(self(), "x", fields); }); });
  };
  EXPECT_EQ(put({{"text", std::string(70000, 'a')}}), "journal.too_long");
  EXPECT_EQ(put({{"seq", 5}}), "ledger.failed");
  EXPECT_EQ(put({{"text", std::string(65000, 'a')}}), "");
  EXPECT_EQ(
      fault_of([&] { station.write([](Transaction& db) { note_nonce(db, alice(), "a b"); }); }),
      "audit.nonce_malformed");
  EXPECT_EQ(station.entries().size(), 2u);
}

TEST(Checkpoint, IsGoodToOpensslToo) {
  Station station;
  for (int i = 0; i < 4; ++i) station.write([](Transaction& db) { note_nonce(db, alice(), "n"); });
  Checkpoint checkpoint = station.ledger->checkpoint_now(station.signer());
  EXPECT_EQ(checkpoint.size, 5u);
  std::string body = checkpoint.note.substr(0, checkpoint.note.find("\n\n") + 1);
  EXPECT_EQ(body, "mintmark/" + station.birth.station + "\n5\n" + base64(checkpoint.root) + "\n");
  std::string line = checkpoint.note.substr(body.size() + 1);
  std::string encoded = line.substr(line.rfind(' ') + 1);
  encoded.pop_back();
  Bytes blob = from_base64(encoded).value_or(Bytes(4));
  auto put = [&](const std::string& name, std::string_view bytes) {
    std::string path = station.directory.path(name);
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  };
  std::string command = "openssl pkeyutl -verify -pubin -inkey " +
                        put("pub.pem", station.journal_key.public_pem()) + " -rawin -in " +
                        put("body", body) + " -sigfile " + put("sig", text(View(blob).subspan(4))) +
                        " >/dev/null 2>&1";
  EXPECT_EQ(std::system(command.c_str()), 0);
  put("body", body + " ");
  EXPECT_NE(std::system(command.c_str()), 0);
}

TEST(Checkpoint, NotesAndKeysAreReadStrictly) {
  Station station;
  std::string note = station.ledger->checkpoint_now(station.signer()).note;
  std::string vkey = verifier_key(station.birth.station, station.birth.journal_key);
  auto key = parse_verifier_key(vkey);
  ASSERT_TRUE(key);
  ASSERT_TRUE(open_checkpoint(note, *key));
  // Not one byte of the text or the signature line may change; a foreign line behind it may be.
  for (std::size_t i = 0; i < note.size(); ++i) {
    std::string bad = note;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    EXPECT_FALSE(open_checkpoint(bad, *key)) << i;
  }
  EXPECT_TRUE(open_checkpoint(note + "\xe2\x80\x94 witness AAAA\n", *key));
  EXPECT_FALSE(open_checkpoint(note.substr(0, note.size() - 1), *key));
  EXPECT_FALSE(open_checkpoint("", *key));
  Ed25519 other;
  auto stranger = parse_verifier_key(verifier_key(station.birth.station, other.public_key()));
  EXPECT_FALSE(open_checkpoint(note, *stranger));
  for (std::size_t i = 0; i < vkey.size(); ++i) {
    std::string bad = vkey;
    bad[i] = bad[i] == '0' ? '1' : '0';
    EXPECT_FALSE(parse_verifier_key(bad)) << i;
  }
}

// A P-256 key of OpenSSL's, signing as a token does: SHA-256, r and s side by side.
class P256 {
 public:
  P256() : key_(EVP_EC_gen("P-256")) {}
  ~P256() { EVP_PKEY_free(key_); }
  P256(const P256&) = delete;
  P256& operator=(const P256&) = delete;

  Bytes point() const {
    Bytes out(65);
    EVP_PKEY_get_octet_string_param(key_, "pub", out.data(), out.size(), nullptr);
    return out;
  }
  Bytes sign(View message) const {
    Digest digest = sha256(message);
    EVP_PKEY_CTX* context = EVP_PKEY_CTX_new(key_, nullptr);
    Bytes der(80);
    std::size_t size = der.size();
    EVP_PKEY_sign_init(context);
    EVP_PKEY_sign(context, der.data(), &size, digest.data(), digest.size());
    EVP_PKEY_CTX_free(context);
    const unsigned char* at = der.data();
    ECDSA_SIG* parts = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(size));
    Bytes out(64);
    BN_bn2binpad(ECDSA_SIG_get0_r(parts), out.data(), 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(parts), out.data() + 32, 32);
    ECDSA_SIG_free(parts);
    return out;
  }

 private:
  EVP_PKEY* key_;
};

TEST(Checkpoint, OfATokenWithoutEd25519HasATypeOfItsOwn) {
  P256 signer, stranger;
  Signer sign = [&](View message) { return signer.sign(message); };
  std::string station = "0192aaaa-0000-7000-8000-000000000000";
  std::string body = checkpoint_text(station, 7, sha256(view("root")));
  std::string note = sign_note(station, signer.point(), body, sign);
  std::string vkey = verifier_key(station, signer.point());
  auto key = parse_verifier_key(vkey);
  ASSERT_TRUE(key);
  EXPECT_EQ(key->public_key, signer.point());
  auto opened = open_checkpoint(note, *key);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->size, 7U);
  for (std::size_t i = 0; i < note.size(); ++i) {
    std::string bad = note;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    EXPECT_FALSE(open_checkpoint(bad, *key)) << i;
  }
  EXPECT_FALSE(open_checkpoint(note, *parse_verifier_key(verifier_key(station, stranger.point()))));
  Signer wrong = [&](View message) { return stranger.sign(message); };
  EXPECT_EQ(fault_of([&] { sign_note(station, signer.point(), body, wrong); }),
            "checkpoint.bad_signature");
  Bytes no_point = signer.point();
  no_point.back() ^= 1;
  EXPECT_FALSE(parse_verifier_key(verifier_key(station, no_point)));
}

TEST(Checkpoint, IsMadeOnceForASizeAndKept) {
  Station station;
  int signatures = 0;
  Signer counting = [&](View message) {
    ++signatures;
    return station.journal_key.sign(message);
  };
  Checkpoint first = station.ledger->checkpoint_now(counting);
  EXPECT_EQ(station.ledger->checkpoint_now(counting).note, first.note);
  EXPECT_EQ(signatures, 1);
  EXPECT_FALSE(station.read([](Reader& db) { return checkpoint_due(db, 2); }));
  station.write([](Transaction& db) { note_nonce(db, alice(), "n"); });
  station.write([](Transaction& db) { note_nonce(db, alice(), "n"); });
  EXPECT_TRUE(station.read([](Reader& db) { return checkpoint_due(db, 2); }));
  station.write([](Transaction& db) { note_request(db, alice()); });
  EXPECT_EQ(station.types().back(), "checkpoint.request");
  station.reopen();
  EXPECT_EQ(station.ledger->checkpoint_now(counting).size, 4u);
  EXPECT_EQ(signatures, 2);
  station.reopen();
  EXPECT_EQ(station.ledger->checkpoint_now(counting).size, 4u);
}

TEST(Checkpoint, ASignerThatSignsWronglyIsNoCheckpoint) {
  Station station;
  Signer wrong = [](View) { return Bytes(64); };
  EXPECT_EQ(fault_of([&] { station.ledger->checkpoint_now(wrong); }), "checkpoint.bad_signature");
  auto rows =
      station.read([](Reader& db) { return db.value<int>("SELECT count(*) FROM checkpoint"); });
  EXPECT_EQ(rows, 0);
}

TEST(Checkpoint, WhatAnotherProgramWroteIsNotSigned) {
  Station station;
  station.audits = false;
  station.write([](Transaction& db) { note_nonce(db, alice(), "n"); });
  station.ledger->checkpoint_now(station.signer());
  ASSERT_EQ(station.intrude("DROP TRIGGER journal_no_update"), "");
  ASSERT_EQ(station.intrude("UPDATE journal SET bytes = CAST('{}' AS BLOB) WHERE seq = 1"), "");
  EXPECT_EQ(fault_of([&] { station.ledger->checkpoint_now(station.signer()); }), "ledger.tampered");
  EXPECT_EQ(fault_of([&] { station.reopen(); }), "ledger.tampered");
}

}  // namespace mintmark::test
