#include "tests/vault/checks.hpp"

#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <iostream>
#include <unordered_map>

#include "station/label/template.hpp"
#include "station/words/crypto.hpp"

namespace mintmark {

namespace {

// No credentials: everybody knows them.
bool is_public(const Bytes& secret) {
  std::string word(text(secret));
  return word.empty() || word == "admin" || word == "password";
}

bool contains(const std::vector<Bytes>& list, View value) {
  return std::any_of(list.begin(), list.end(), [&](const Bytes& one) { return equal(one, value); });
}

// Every way in which a secret could stand in a file; without base64's last characters, which depend
// on what follows.
std::vector<std::string> spellings(const Bytes& secret) {
  std::string raw(text(secret)), upper = hex(secret), wide;
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  for (char c : raw) wide += {c, '\0'};
  std::string encoded = base64(secret);
  std::string grouped(text(group_by_four(Secret::copy_of(secret)).view()));
  return {raw, hex(secret), upper, wide, encoded.substr(0, secret.size() * 4 / 3), grouped};
}

std::uint64_t head(const char* at) {
  std::uint64_t out = 0;
  std::memcpy(&out, at, sizeof out);
  return out;
}

std::string read_whole(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  std::string out(static_cast<std::size_t>(file.tellg()), '\0');
  file.seekg(0);
  file.read(out.data(), static_cast<std::streamsize>(out.size()));
  return out;
}

bool is_signed_by(const Bytes& certificate, const Bytes& ca, const Bytes& spki) {
  const unsigned char* at = certificate.data();
  const unsigned char* ca_at = ca.data();
  X509* x = d2i_X509(nullptr, &at, static_cast<long>(certificate.size()));
  X509* issuer = d2i_X509(nullptr, &ca_at, static_cast<long>(ca.size()));
  bool good = x != nullptr && issuer != nullptr && X509_verify(x, X509_get0_pubkey(issuer)) == 1;
  unsigned char* der = nullptr;
  int size = good ? i2d_PUBKEY(X509_get0_pubkey(x), &der) : 0;
  good = good && size > 0 && equal(View(der, static_cast<std::size_t>(size)), spki);
  OPENSSL_free(der);
  X509_free(issuer);
  X509_free(x);
  return good;
}

}  // namespace

// One pass over the file for all of them: by the first eight bytes, then whole.
std::vector<std::string> exposures(const std::vector<Bytes>& secrets, const std::string& name,
                                   std::string_view file) {
  std::unordered_multimap<std::uint64_t, std::string> wanted;
  std::vector<char> maybe(1U << 16);
  constexpr std::uint64_t kSpread = 0x9e3779b97f4a7c15U;
  for (const Bytes& secret : secrets)
    for (std::string& spelling : spellings(secret)) {
      maybe[(head(spelling.data()) * kSpread) >> 48] = 1;
      wanted.emplace(head(spelling.data()), std::move(spelling));
    }
  std::vector<std::string> out;
  const char* seen = maybe.data();
  for (const char *at = file.data(), *end = at + file.size(); end - at >= 8; ++at) {
    std::uint64_t key = head(at);
    if (seen[(key * kSpread) >> 48] == 0) continue;
    std::size_t i = static_cast<std::size_t>(at - file.data());
    auto [one, last] = wanted.equal_range(key);
    for (; one != last; ++one)
      if (file.substr(i, one->second.size()) == one->second)
        out.push_back(name + " at " + std::to_string(i));
  }
  return out;
}

void Checks::violation(const std::string& what) {
  ++violations_;
  std::cout << "violation: " << what << "  [" << fault_ << "]" << std::endl;
}

void Checks::look(Station& station, MemoryUnit& unit, const Stay& stay) {
  if (stay.hung) violation("the line stands still");
  if (stay.state != "ended" && stay.state != "paused") violation("the slot says " + stay.state);
  const char* ended =
      "SELECT ending || ' ' || code FROM run JOIN unit ON unit.id = run.unit "
      "WHERE unit.hw = ? ORDER BY run.id DESC LIMIT 1";
  std::string ending = station.outside.one(ended, unit.hardware());
  bool passed = ending.starts_with("passed");
  if (!passed && stay.code.empty()) violation("not passed, and the page gives no code");
  if (stay.code == "station.internal") violation("a defect of the station");
  for (const Sent& sent : station.sent) {
    if (is_public(sent.secret)) continue;
    recent_.push_back(sent.secret);
    auto [owner, fresh] = owner_.emplace(sent.secret, unit.hardware());
    if (!fresh && owner->second != unit.hardware()) violation("two units got one secret");
    Digest fingerprint = station.vault.fingerprint(sent.secret);
    if (!contains(sent.committed, fingerprint))
      violation("a secret left before its fingerprint was in the ledger");
    if (unit.lets_in(sent.secret)) injected_[unit.hardware()] = sent.secret;
  }
  if (!station.outside.rows("SELECT value FROM fingerprint GROUP BY value HAVING count(*) > 1")
           .empty())
    violation("a fingerprint twice");
  if (passed) passed_rightly(station, unit);
  for (const std::string& place : exposures(recent_, "log", station.log()))
    violation("a secret in " + place);
}

// Its own word, the ledger's and the label's must be one.
void Checks::passed_rightly(Station& station, MemoryUnit& unit) {
  auto& out = station.outside;
  const std::string& hw = unit.hardware();
  const Bytes& password = injected_[hw];
  if (!unit.locked() || !unit.certified()) violation("passed, and not locked or not certified");
  if (password.empty() || !unit.lets_in(password)) violation("passed without its password");
  std::vector<Bytes> valid = out.rows(
      "SELECT f.value FROM fingerprint f JOIN unit u ON u.id = f.unit "
      "LEFT JOIN burn b ON b.fingerprint = f.id WHERE u.hw = ? AND f.class <> 'identity-key' "
      "AND b.fingerprint IS NULL",
      hw);
  std::vector<Bytes> kept = unit.raw_secrets();
  kept.push_back(password);
  for (const Bytes& secret : kept)
    if (!contains(valid, station.vault.fingerprint(secret)))
      violation("a unit that passed keeps a secret that is not the ledger's");
  if (valid.size() != kept.size())
    violation("the ledger has secrets that the unit which passed has not");
  if (!keys_.emplace(unit.spki(), hw).second && keys_[unit.spki()] != hw)
    violation("two units have one key");
  std::string run = out.one(
      "SELECT run.id FROM run JOIN unit ON unit.id = run.unit WHERE unit.hw = ? AND ending = "
      "'passed'",
      hw);
  for (const char* step :
       {"enrol", "mint", "inject", "prove", "reset_check", "lock", "label", "scan"}) {
    std::string wanted = "\"step\":\"" + std::string(step) + "\",\"result\":\"proven\"";
    bool found = false;
    for (const Bytes& entry :
         out.rows("SELECT bytes FROM journal WHERE run = ? AND type = 'step.end'", run))
      found = found || text(entry).find(wanted) != std::string_view::npos;
    if (!found) violation("passed, and no proof of " + std::string(step) + " in the journal");
  }
  if (!out.rows("SELECT sealed FROM run_seal WHERE run = ?", run).empty())
    violation("passed, and a sealed copy is left");
  std::vector<Bytes> certificates = out.rows("SELECT der FROM certificate WHERE run = ?", run);
  if (certificates.size() != 1 ||
      !is_signed_by(certificates.front(), out.rows("SELECT ca FROM birth").front(), unit.spki()))
    violation("passed without a certificate of its key");
  std::string serial = out.one("SELECT serial FROM run WHERE id = ?", run);
  std::string grouped(text(group_by_four(Secret::copy_of(password)).view()));
  if (station.sink.printed[serial].find(grouped) == std::string::npos)
    violation("the label shows another password");
}

void Checks::no_secret_in_files(Station& station) {
  for (const auto& entry : std::filesystem::directory_iterator(station.directory.path()))
    for (const std::string& place :
         exposures(recent_, entry.path().filename().string(), read_whole(entry.path())))
      violation("a secret in " + place);
  recent_.clear();
}

}  // namespace mintmark
