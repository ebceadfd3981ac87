#include "station/rest/key_acts.hpp"

#include "hsm/clone.hpp"
#include "station/credential/idevid.hpp"
#include "station/ledger/checkpoint.hpp"
#include "station/ledger/escrow.hpp"
#include "station/ledger/signers.hpp"
#include "station/words/crypto.hpp"

namespace mintmark {

namespace {

Bytes spki_in(const Act& act) {
  auto it = act.arguments.find("spki");
  auto spki = it != act.arguments.end() && it->is_string() ? from_base64(it->get<std::string>())
                                                           : std::nullopt;
  return spki.value_or(Bytes{});
}

void must_hold_only(const Act& act, std::string_view field) {
  for (const auto& [key, value] : act.arguments.items())
    if (key != field) throw Fault("act.arguments", {{"field", key.substr(0, 64)}});
}

// What people compare is what the act is about: a proposal that says one and carries another is
// refused before anybody reads it.
void must_be_compared(const Act& act) {
  must_hold_only(act, "spki");
  std::string found = comparison_value(spki_in(act));
  if (found != act.subject) throw Fault("clone.check", {{"found", found}, {"wanted", act.subject}});
}

void check_escrow_key(Reader&, const Act& act) {
  if (!p256_point(spki_in(act))) throw Fault("escrow.key");
  must_be_compared(act);
}

void install_escrow_key(Transaction& db, const Actor& actor, const Act& act) {
  escrow::install(db, actor, spki_in(act));
}

void check_escrow_open(Reader& db, const Act& act) {
  must_hold_only(act, "");
  if (escrow::of_serial(db, act.subject).empty())
    throw Fault("escrow.none", {{"serial", act.subject.substr(0, 32)}});
}

// On the ledger's first day it was settled whether the key may ever leave.
void check_clone(Reader& db, const Act& act) {
  must_be_compared(act);
  check_unwrap_key(spki_in(act));
  if (!db.exists("SELECT 1 FROM journal WHERE type = 'fingerprint.origin' AND seq < 100"))
    throw Fault("clone.never");
}

void check_rotate(Reader&, const Act& act) {
  must_hold_only(act, "");
  if (act.subject == "fingerprint") throw Fault("signer.never");
  if (!signer_from(act.subject))
    throw Fault("signer.unknown", {{"role", act.subject.substr(0, 32)}});
}

// The checkpoint by the old key that covers the entry of the new one: who trusts the old one comes
// to trust the new one by it.
Task<void> hand_over_journal(Desk& desk) {
  Signer old = [vault = desk.services.vault,
                generation = desk.services.vault->in_use(SignerRole::journal)](View message) {
    return vault->sign(SignerRole::journal, message, generation);
  };
  co_await desk.services.ledger->checkpoint(std::move(old));
}

// A station whose CA signs itself has its new certificate at once; one whose owner signs goes on
// under the old key until the new certificate is installed.
Task<Json> rotate_ca(Desk& desk, Actor actor) {
  auto look = [](Reader& db) { return signers::ca(db); };
  std::optional<CaCertificate> now = co_await desk.services.ledger->read(look);
  bool by_owner = !now || !now->issuers.empty();
  Vault& vault = *desk.services.vault;
  int generation = 0;
  CaCertificate fresh;
  auto make = [&] {
    generation = vault.newest(SignerRole::ca);
    if (generation == vault.in_use(SignerRole::ca)) generation = vault.create_next(SignerRole::ca);
    fresh.generation = generation;
    if (!by_owner)
      fresh.der =
          make_ca_certificate(vault, desk.ca_name + " " + std::to_string(generation), generation);
  };
  co_await on(*desk.services.token_pool, make);
  Json result = {{"generation", generation}, {"waits_for_owner", by_owner}};
  if (by_owner) co_return result;
  auto record = [&](Transaction& db) {
    signers::add(db, actor, "ca", vault.public_key(SignerRole::ca, generation));
    signers::install(db, actor, fresh);
  };
  co_await desk.services.ledger->transact(record);
  vault.use(SignerRole::ca, generation);
  co_return result;
}

// What an earlier attempt left in the token is used, not added to.
Task<int> record_next(Desk& desk, Actor actor, SignerRole role) {
  Vault& vault = *desk.services.vault;
  Bytes key;
  auto make = [&] {
    int generation = vault.newest(role);
    if (generation == vault.in_use(role)) vault.create_next(role);
    key = vault.public_key(role, vault.in_use(role) + 1);
  };
  co_await on(*desk.services.token_pool, make);
  std::string name(word(role));
  auto record = [&](Transaction& db) { return signers::add(db, actor, name, key); };
  int recorded = co_await desk.services.ledger->transact(record);
  co_return recorded;
}

constexpr std::string_view kDerivation = "mintmark-derivation";

void check_derivation_key(Reader&, const Act& act) {
  must_hold_only(act, "");
  if (act.subject != kDerivation) throw Fault("act.arguments", {{"field", "subject"}});
}

// The owner asks for such products in his orders; that this station can make them at all is two
// officers' doing.
Task<Json> make_derivation_key(Desk& desk, Act) {
  auto make = [&] { desk.services.vault->create_derivation_key(); };
  co_await on(*desk.services.token_pool, make);
  Json result = {{"key", kDerivation}};
  co_return result;
}

Task<Json> rotate(Desk& desk, Act act) {
  Actor actor(act.confirmed_by);
  SignerRole role = signer_from(act.subject).value_or(SignerRole::label);
  auto look = [&](Reader& db) { return signers::generation(db, act.subject); };
  int recorded = co_await desk.services.ledger->read(look);
  // Recorded already by an attempt that ended before the key was in use: it is finished.
  bool unfinished = recorded != desk.services.vault->in_use(role);
  if (role == SignerRole::ca && !unfinished) {
    Json of_ca = co_await rotate_ca(desk, actor);
    co_return of_ca;
  }
  if (!unfinished) recorded = co_await record_next(desk, actor, role);
  if (role == SignerRole::journal) co_await hand_over_journal(desk);
  desk.services.vault->use(role, recorded);
  Json result = {{"generation", recorded}};
  co_return result;
}

}  // namespace

std::string comparison(View spki) { return comparison_value(spki); }

std::vector<ActKind> key_acts() {
  return {{"escrow.install", &check_escrow_key, &install_escrow_key, nullptr, true},
          {"escrow.open", &check_escrow_open, nullptr, nullptr},
          {"hsm.clone", &check_clone, nullptr, nullptr, true},
          {"hsm.derivation-key", &check_derivation_key, nullptr, &make_derivation_key},
          {"hsm.rotate", &check_rotate, nullptr, &rotate}};
}

}  // namespace mintmark
