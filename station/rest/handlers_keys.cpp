// The station's signers, the certificates of its CA, and what leaves only by two officers.
#include "hsm/clone.hpp"
#include "station/credential/authority.hpp"
#include "station/export/chain.hpp"
#include "station/ledger/acts.hpp"
#include "station/ledger/escrow.hpp"
#include "station/ledger/signers.hpp"
#include "station/rest/handlers.hpp"
#include "station/rest/key_acts.hpp"
#include "station/words/crypto.hpp"

namespace mintmark::handlers {

namespace {

// The newest key is the one that waits for the owner; where none waits, it is the one in use.
CaCertificate certificate_of(Vault& vault, const std::vector<Bytes>& chain) {
  CaCertificate out;
  out.generation = vault.newest(SignerRole::ca);
  if (!chain.empty() && equal(certificate_key(chain.front()), vault.ca_public_point()))
    out.generation = vault.in_use(SignerRole::ca);
  check_ca_chain(vault.public_key(SignerRole::ca, out.generation), chain);
  out.der = chain.front();
  out.issuers.assign(chain.begin() + 1, chain.end());
  return out;
}

// Two people have agreed: one of them comes for it.
void must_be_taken_by(const Act& act, const std::string& person) {
  if (person != act.proposed_by && person != act.confirmed_by) throw Fault("act.not_yours");
}

Json escrowed_json(const Escrowed& one) {
  return {{"name", one.name},
          {"class", one.klass},
          {"run", one.run},
          {"hardware", one.hardware},
          {"fingerprint", hex(one.fingerprint)},
          {"spki", base64(one.spki)},
          {"sealed", base64(one.sealed)},
          {"burnt", one.burnt}};
}

Json take_escrow(Transaction& db, const Actor& actor, const Act& act) {
  Json secrets = Json::array(), fingerprints = Json::array();
  for (const Escrowed& one : escrow::of_serial(db, act.subject)) {
    secrets.push_back(escrowed_json(one));
    fingerprints.push_back(hex(one.fingerprint));
  }
  acts::finish(db, actor, act.id, {{"fingerprints", std::move(fingerprints)}});
  return {{"act", act.id},
          {"kind", act.kind},
          {"serial", act.subject},
          {"ledger", db.value<std::string>("SELECT ledger FROM birth").value_or("")},
          {"secrets", std::move(secrets)}};
}

Json take_clone(Transaction& db, const Actor& actor, const Act& act, const Bytes& wrapped) {
  auto check = db.value<Bytes>("SELECT kcv FROM birth").value_or(Bytes{});
  auto station = db.value<std::string>("SELECT station FROM birth").value_or("");
  Json result = {{"check_value", hex(check)}, {"wrapped_sha256", hex(sha256(wrapped))}};
  acts::finish(db, actor, act.id, result);
  return {{"act", act.id},
          {"kind", act.kind},
          {"station", station},
          {"check_value", hex(check)},
          {"request", act.subject},
          {"wrapped", base64(wrapped)},
          {"officers", Json::array({act.proposed_by, act.confirmed_by})}};
}

}  // namespace

Task<Response> ca_request(Desk& desk, Call&) {
  auto make = [&] {
    Vault& vault = *desk.services.vault;
    return make_ca_request(vault, desk.ca_name, vault.newest(SignerRole::ca));
  };
  std::string request = co_await on(*desk.services.token_pool, make);
  co_return Response(200, "application/pkcs10", std::move(request));
}

// The certificate speaks for itself: it is of the token's own key, or it is refused. One for a key
// that was rotated and waits puts that key into force.
Task<Response> install_ca(Desk& desk, Call& call) {
  Fields fields(call.request.body);
  std::string text = fields.text("chain", std::size_t{16} << 10);
  fields.finish();
  std::vector<Bytes> chain = exports::read_pem(text);
  Vault& vault = *desk.services.vault;
  auto judge = [&] { return certificate_of(vault, chain); };
  CaCertificate certificate = co_await on(*desk.services.token_pool, judge);
  auto install = [&](Transaction& db) {
    if (certificate.generation > signers::generation(db, "ca"))
      signers::add(db, call.actor(), "ca",
                   vault.public_key(SignerRole::ca, certificate.generation));
    signers::install(db, call.actor(), certificate);
  };
  co_await desk.services.ledger->transact(install);
  vault.use(SignerRole::ca, certificate.generation);
  Json body = {{"generation", certificate.generation},
               {"sha256", hex(sha256(certificate.der))},
               {"issuers", certificate.issuers.size()}};
  co_return json_response(body, 201);
}

Task<Response> show_escrow(Desk& desk, Call&) {
  auto look = [](Reader& db) { return escrow::key(db); };
  std::optional<EscrowKey> key = co_await desk.services.ledger->read(look);
  if (!key) throw Fault("escrow.not_installed");
  Json body = {
      {"spki", base64(key->spki)}, {"check", comparison(key->spki)}, {"since", key->since}};
  co_return json_response(body);
}

// Nothing leaves before the act is done in the journal, and that is committed.
Task<Response> take_act(Desk& desk, Call& call) {
  must_be_empty(call);
  auto look = [&](Reader& db) { return acts::get(db, call.args.at(0)); };
  Act act = co_await desk.services.ledger->read(look);
  bool is_clone = act.kind == "hsm.clone";
  if (!is_clone && act.kind != "escrow.open") throw Fault("act.kind", {{"kind", act.kind}});
  must_be_taken_by(act, call.person.name);
  if (act.state != "confirmed") throw Fault("act.ended", {{"act", act.id}, {"state", act.state}});
  Bytes wrapped;
  auto wrap = [&] {
    auto spki = from_base64(act.arguments.value("spki", ""));
    wrapped = desk.services.vault->clone_fingerprint_key(spki.value_or(Bytes{}));
  };
  if (is_clone) co_await on(*desk.services.token_pool, wrap);
  auto finish = [&](Transaction& db) {
    return is_clone ? take_clone(db, call.actor(), act, wrapped)
                    : take_escrow(db, call.actor(), act);
  };
  Json taken = co_await desk.services.ledger->transact(finish);
  co_return json_response(taken);
}

}  // namespace mintmark::handlers
