#include "station/ledger/signers.hpp"

#include <algorithm>

#include "station/words/crypto.hpp"
#include "station/words/fault.hpp"

namespace mintmark::signers {

int generation(Reader& db, const std::string& role) {
  return db.value<int>("SELECT coalesce(max(generation), 1) FROM signer WHERE role = ?", role)
      .value_or(1);
}

std::optional<Bytes> public_key(Reader& db, const std::string& role, int generation) {
  auto kept = db.value<Bytes>("SELECT public FROM signer WHERE role = ? AND generation = ?", role,
                              generation);
  if (!kept && role == "journal" && generation == 1)
    return db.value<Bytes>("SELECT journal_key FROM birth");
  return kept;
}

std::vector<Bytes> journal_keys(Reader& db) {
  std::vector<Bytes> out;
  for (int one = 1; one <= generation(db, "journal"); ++one)
    out.push_back(public_key(db, "journal", one).value_or(Bytes{}));
  return out;
}

std::vector<std::string> handovers(Reader& db) {
  std::vector<std::string> out;
  auto row = db.query("SELECT since FROM signer WHERE role = 'journal' ORDER BY generation");
  while (row.step()) {
    auto note = db.value<Bytes>("SELECT note FROM checkpoint WHERE size > ? ORDER BY size LIMIT 1",
                                row.get<std::uint64_t>(0));
    out.emplace_back(text(note.value_or(Bytes{})));
  }
  return out;
}

std::optional<OpenedCheckpoint> opened(Reader& db, std::string_view note) {
  auto station = db.value<std::string>("SELECT station FROM birth").value_or("");
  for (const Bytes& key : journal_keys(db)) {
    auto verifier = parse_verifier_key(verifier_key(station, key));
    auto out = verifier ? open_checkpoint(note, *verifier) : std::nullopt;
    if (out) return out;
  }
  return std::nullopt;
}

bool knows(Reader& db, std::string_view note) {
  auto seen = opened(db, note);
  return seen &&
         db.exists("SELECT 1 FROM checkpoint WHERE size = ? AND root = ?", seen->size, seen->root);
}

int add(Transaction& db, const Actor& actor, const std::string& role, const Bytes& public_key) {
  bool waits = role == "ca" && db.exists("SELECT 1 FROM birth WHERE length(ca) = 0") &&
               !db.exists("SELECT 1 FROM signer WHERE role = 'ca'");
  int next = waits ? 1 : generation(db, role) + 1;
  auto station = db.value<std::string>("SELECT station FROM birth").value_or("");
  Json entry = {{"role", role}, {"generation", next}};
  entry["public"] = role == "journal" ? verifier_key(station, public_key) : base64(public_key);
  std::uint64_t seq = db.journal(actor, "signer.new", entry);
  db.exec("INSERT INTO signer (role, generation, public, since) VALUES (?, ?, ?, ?)", role, next,
          public_key, seq);
  return next;
}

static std::optional<CaCertificate> of_birth(Reader& db) {
  CaCertificate out;
  out.der = db.value<Bytes>("SELECT ca FROM birth").value_or(Bytes{});
  if (out.der.empty()) return std::nullopt;
  return out;
}

// Newest first; that of birth last.
static std::vector<CaCertificate> all(Reader& db) {
  std::vector<CaCertificate> out;
  auto row = db.query(
      "SELECT generation, der, issuers FROM ca_certificate ORDER BY generation DESC, "
      "since DESC");
  while (row.step()) {
    CaCertificate one;
    one.generation = row.get<int>(0);
    one.der = row.get<Bytes>(1);
    one.issuers = split_der(row.get<Bytes>(2));
    out.push_back(std::move(one));
  }
  if (auto first = of_birth(db)) out.push_back(*first);
  return out;
}

std::optional<CaCertificate> ca(Reader& db) {
  std::vector<CaCertificate> known = all(db);
  if (known.empty() || known.front().generation != generation(db, "ca")) return std::nullopt;
  return known.front();
}

std::vector<Bytes> ca_certificates(Reader& db) {
  std::vector<Bytes> out;
  for (CaCertificate& one : all(db)) out.push_back(std::move(one.der));
  return out;
}

std::vector<Bytes> ca_chain(Reader& db) {
  std::vector<Bytes> out;
  auto add_once = [&](const Bytes& der) {
    if (std::find(out.begin(), out.end(), der) == out.end()) out.push_back(der);
  };
  for (const CaCertificate& one : all(db)) {
    add_once(one.der);
    for (const Bytes& issuer : one.issuers) add_once(issuer);
  }
  return out;
}

void install(Transaction& db, const Actor& actor, const CaCertificate& certificate) {
  Json issuers = Json::array();
  Bytes joined;
  for (const Bytes& issuer : certificate.issuers) {
    issuers.push_back(hex(sha256(issuer)));
    joined.insert(joined.end(), issuer.begin(), issuer.end());
  }
  Digest digest = sha256(certificate.der);
  std::uint64_t seq = db.journal(actor, "ca.install",
                                 {{"generation", certificate.generation},
                                  {"sha256", hex(digest)},
                                  {"issuers", std::move(issuers)}});
  db.exec(
      "INSERT INTO ca_certificate (sha256, generation, der, issuers, since) VALUES (?, ?, ?, ?, ?)",
      digest, certificate.generation, certificate.der, joined, seq);
}

}  // namespace mintmark::signers
