#include "station/ledger/escrow.hpp"

#include "station/words/clock.hpp"

namespace mintmark::escrow {

std::optional<EscrowKey> key(Reader& db) {
  auto row = db.query("SELECT id, spki, since FROM escrow_key ORDER BY id DESC LIMIT 1");
  if (!row.step()) return std::nullopt;
  EscrowKey out;
  out.id = row.get<std::int64_t>(0);
  out.spki = row.get<Bytes>(1);
  out.since = row.get<std::uint64_t>(2);
  return out;
}

void install(Transaction& db, const Actor& actor, const Bytes& spki) {
  std::uint64_t seq = db.journal(actor, "escrow.install", {{"spki", base64(spki)}});
  db.exec("INSERT INTO escrow_key (spki, since) VALUES (?, ?)", spki, seq);
}

void keep(Transaction& db, std::int64_t fingerprint, std::int64_t key, const Bytes& sealed) {
  db.exec("INSERT INTO escrow (fingerprint, key, sealed, at) VALUES (?, ?, ?, ?)", fingerprint, key,
          sealed, utc_now());
}

std::vector<Escrowed> of_serial(Reader& db, const std::string& serial) {
  std::vector<Escrowed> out;
  auto row = db.query(
      "SELECT f.name, f.class, f.run, u.source || ':' || u.hw, f.value, k.spki, e.sealed, "
      "EXISTS (SELECT 1 FROM burn b WHERE b.fingerprint = f.id) FROM escrow e "
      "JOIN escrow_key k ON k.id = e.key JOIN fingerprint f ON f.id = e.fingerprint "
      "JOIN unit u ON u.id = f.unit JOIN run r ON r.id = f.run WHERE r.serial = ? ORDER BY f.id",
      serial);
  while (row.step()) {
    Escrowed one;
    one.name = row.get<std::string>(0);
    one.klass = row.get<std::string>(1);
    one.run = row.get<std::string>(2);
    one.hardware = row.get<std::string>(3);
    one.fingerprint = row.get<Digest>(4);
    one.spki = row.get<Bytes>(5);
    one.sealed = row.get<Bytes>(6);
    one.burnt = row.get<bool>(7);
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace mintmark::escrow
