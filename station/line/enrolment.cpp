#include "station/line/enrolment.hpp"

#include "station/credential/attestation.hpp"
#include "station/credential/idevid.hpp"
#include "station/credential/key_check.hpp"
#include "station/credential/pkcs10.hpp"
#include "station/ledger/signers.hpp"
#include "station/words/clock.hpp"
#include "station/words/crypto.hpp"

namespace mintmark {

namespace {

// What has to be sent again if the unit did not get it, and for which static key it was wrapped.
// All of it is ciphertext or public; the seal around it dies with the lot.
Secret pack(const KeyDelivery& key, const Bytes& static_spki) {
  Json all = {{"e", hex(key.point)},
              {"kdf", key.kdf},
              {"key", hex(key.wrapped)},
              {"static", hex(static_spki)}};
  return Secret::copy_of(view(all.dump()));
}

Bytes bytes_in(const Json& all, const char* key) {
  return from_hex(all.value(key, "")).value_or(Bytes());
}

}  // namespace

Task<Evidence> Enrolment::enrol() {
  bool certified = p_.seat->who.certified && !p_.known_spki.empty();
  if (certified)
    co_await keep();
  else if (p_.product.wrapped_key)
    co_await certify_wrapped();
  else
    co_await certify_own();
  if (p_.product.wrapped_key) co_await seen_to_sign();
  std::string made = p_.product.wrapped_key ? "made in the token, wrapped" : "made on the unit";
  Evidence evidence;
  evidence.facts["spki_sha256"] = hex(sha256(p_.run.spki));
  evidence.facts["key"] = certified ? "kept" : made;
  evidence.facts["peer"] = peer_;
  evidence.facts["algorithm"] = word(p_.product.key_algorithm);
  if (pkcs10_) evidence.facts["request"] = "PKCS#10";
  co_return evidence;
}

Task<void> Enrolment::keep() {
  must(co_await p_.unit().open_identity(p_.hardware_id(), p_.run.id_bytes(), p_.known_spki),
       "open identity session");
  auto bind = [&](Transaction& db) {
    return runs::commit_key(db, p_.run, p_.known_spki, sha256(p_.known_spki));
  };
  p_.run = co_await services_.ledger->transact(bind);
}

Task<void> Enrolment::open_session() {
  UnitError opened = co_await p_.unit().open_enrolment(p_.hardware_id(), p_.run.id_bytes());
  if (opened == UnitError::certified) throw Fault("hwid.second_key");
  if (opened == UnitError::locked) throw Fault("unit.locked_before");
  must(opened, "open enrolment session");
}

// Before anything is certified or wrapped for the unit.
void Enrolment::vouch(const Bytes& spki) {
  peer_ = "first-use";
  if (p_.product.attestation_key.empty()) return;
  check_attestation(p_.product.attestation_key, p_.hardware_id(), spki, p_.unit().attestation());
  peer_ = "attested";
}

// The key alone is taken, and nothing is begun for one that must not be certified.
Bytes Enrolment::key_of(const KeyRequest& request) {
  pkcs10_ = !request.pkcs10.empty();
  if (pkcs10_)
    return check_pkcs10(request.pkcs10,
                        Pkcs10Rules(p_.product.key_algorithm, p_.run.serial, request.transcript));
  check_key(request.spki, p_.product.key_algorithm);
  return request.spki;
}

// The SPKI row is committed before the token signs: from then on nothing else is certified for this
// hardware id.
Task<void> Enrolment::certify_own() {
  co_await open_session();
  std::string algorithm(word(p_.product.key_algorithm));
  KeyRequest request = co_await p_.unit().request_certificate(std::move(algorithm));
  Bytes spki = key_of(request);
  vouch(spki);
  auto commit = [&](Transaction& db) {
    return runs::commit_key(db, p_.run, spki, sha256(spki), peer_);
  };
  p_.run = co_await services_.ledger->transact(commit);
  Bytes issued = co_await certificates();
  Bytes reopen = co_await reopen_key();
  p_.must_go_on();
  must(co_await p_.unit().store_certificate(issued, reopen), "store certificate");
  p_.known_spki = p_.run.spki;
  p_.seat->who.certified = true;
}

// What was issued for the run's key already; else the CA that is to issue it.
struct Enrolment::Issue {
  Issue(std::optional<Bytes> issued_, std::optional<CaCertificate> in_force_)
      : issued(std::move(issued_)), in_force(std::move(in_force_)) {}
  std::optional<Bytes> issued;
  std::optional<CaCertificate> in_force;
  const Bytes& ca() const {
    if (!in_force) throw Fault("ca.not_installed");
    return in_force->der;
  }
};

Task<Bytes> Enrolment::certificate() {
  auto look = [&](Reader& db) { return Issue(runs::certificate(db, p_.run), signers::ca(db)); };
  Issue found = co_await services_.ledger->read(look);
  if (found.issued) co_return std::move(*found.issued);
  const Bytes& ca = found.ca();
  auto sign = [&] {
    IdevidProfile profile(p_.product.organization, p_.product.hw_type_oid);
    return make_idevid(*services_.vault, ca, p_.run.spki, p_.run.serial, p_.hardware_id().raw(),
                       profile, p_.product.key_algorithm);
  };
  Bytes made = co_await on(*services_.token_pool, sign);
  auto record = [&](Transaction& db) { runs::record_certificate(db, p_.run, made); };
  co_await services_.ledger->transact(record);
  co_return made;
}

Task<Bytes> Enrolment::second_certificate(const LdevidProfile& profile) {
  auto look = [&](Reader& db) {
    return Issue(runs::second_certificate(db, p_.run, profile.name), signers::ca(db));
  };
  Issue found = co_await services_.ledger->read(look);
  if (found.issued) co_return std::move(*found.issued);
  const Bytes& ca = found.ca();
  auto sign = [&] {
    return make_ldevid(*services_.vault, ca, p_.run.spki, p_.run.serial, profile,
                       p_.product.key_algorithm);
  };
  Bytes made = co_await on(*services_.token_pool, sign);
  auto record = [&](Transaction& db) {
    runs::record_second_certificate(db, p_.run, profile.name, made);
  };
  co_await services_.ledger->transact(record);
  co_return made;
}

// DER after DER: the IDevID, then what else the product asks for.
Task<Bytes> Enrolment::certificates() {
  Bytes all = co_await certificate();
  for (const LdevidProfile& profile : p_.product.certificates) {
    Bytes more = co_await second_certificate(profile);
    all.insert(all.end(), more.begin(), more.end());
  }
  co_return all;
}

Task<Bytes> Enrolment::reopen_key() {
  auto ask = [&] { return services_.vault->reopen_spki(); };
  Bytes reopen = co_await on(*services_.token_pool, ask);
  co_return reopen;
}

// A key that was wrapped and committed before is sent again, never replaced: its certificate may be
// out already.
Task<void> Enrolment::certify_wrapped() {
  co_await open_session();
  Bytes static_spki = co_await p_.unit().static_key();
  vouch(static_spki);
  auto look = [&](Reader& db) { return runs::wrapped_key(db, p_.known_spki); };
  std::optional<runs::SealedKey> kept = co_await services_.ledger->read(look);
  KeyDelivery delivery;
  if (kept)
    delivery = co_await find_wrapped(*kept, static_spki);
  else
    delivery = co_await make_wrapped(static_spki);
  Bytes issued = co_await certificates();
  Bytes reopen = co_await reopen_key();
  p_.must_go_on();
  UnitError stored = co_await p_.unit().store_key(std::move(delivery), issued, reopen);
  if (stored == UnitError::bad_key || stored == UnitError::mismatch)
    throw Fault("identity.unwrap_failed", {{"error", std::string(word(stored))}});
  must(stored, "store key");
  p_.seat->who.certified = true;
}

Bytes Enrolment::associated_data(const std::string& run, const Digest& fingerprint) const {
  std::string hardware = p_.hardware_id().source + ":" + p_.hardware_id().id;
  return frame({view(services_.ledger->birth().ledger), view(run), view(hardware),
                view("wrapped-key"), fingerprint});
}

Task<KeyDelivery> Enrolment::make_wrapped(const Bytes& static_spki) {
  if (!p_.known_spki.empty()) throw Fault("hwid.second_key");  // it had its key, and lost it
  runs::SealedKey sealed;
  auto take_iv = [&](Transaction& db) { return runs::next_iv(db, p_.lot.id); };
  sealed.iv = co_await services_.ledger->transact(take_iv);
  KeyDelivery delivery;
  Bytes spki;
  auto make = [&] {
    UnitKeyOrder order(p_.hardware_id(), p_.run.id_bytes(),
                       p256_point(static_spki).value_or(Bytes()), p_.product.key_algorithm);
    WrappedKey key = services_.vault->make_unit_key(order);
    check_wrapped_request(key, order);
    delivery = KeyDelivery(key.point, std::string(word(key.kdf)), key.wrapped, order.run);
    spki = key.spki;
    sealed.fingerprint = sha256(spki);
    sealed.sealed = services_.vault->seal(p_.lot.seal_key, sealed.iv,
                                          associated_data(p_.run.id, sealed.fingerprint),
                                          pack(delivery, static_spki));
  };
  co_await on(*services_.token_pool, make);
  auto commit = [&](Transaction& db) {
    return runs::commit_wrapped_key(db, p_.run, spki, sealed, peer_);
  };
  p_.run = co_await services_.ledger->transact(commit);
  p_.known_spki = p_.run.spki;  // for this very run, where it has to wait for the token
  co_return delivery;
}

Task<KeyDelivery> Enrolment::find_wrapped(const runs::SealedKey& key, const Bytes& static_spki) {
  KeyDelivery delivery;
  Bytes wrapped_for;
  auto open = [&] {
    Secret packed = services_.vault->open(p_.lot.seal_key, key.iv,
                                          associated_data(key.run, key.fingerprint), key.sealed);
    Json all = Json::parse(text(packed.view()), nullptr, false);
    delivery = KeyDelivery(bytes_in(all, "e"), all.value("kdf", ""), bytes_in(all, "key"),
                           uuid_bytes(key.run));
    wrapped_for = bytes_in(all, "static");
  };
  co_await on(*services_.token_pool, open);
  if (wrapped_for != static_spki) throw Fault("hwid.second_key");
  auto bind = [&](Transaction& db) {
    return runs::commit_key(db, p_.run, p_.known_spki, key.fingerprint, peer_);
  };
  p_.run = co_await services_.ledger->transact(bind);
  co_return delivery;
}

// The station's copy goes only when the unit has signed with the key: its word that it stored
// something is no proof.
Task<void> Enrolment::seen_to_sign() {
  auto look = [&](Reader& db) { return runs::wrapped_key(db, p_.run.spki).has_value(); };
  if (!co_await services_.ledger->read(look)) co_return;
  must(co_await p_.unit().open_identity(p_.hardware_id(), p_.run.id_bytes(), p_.run.spki),
       "open identity session");
  auto forget = [&](Transaction& db) { runs::forget_wrapped_key(db, p_.run); };
  co_await services_.ledger->transact(forget);
}

}  // namespace mintmark
