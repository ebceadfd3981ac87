#include "station/line/secrets.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "station/credential/escrow.hpp"
#include "station/credential/matter.hpp"
#include "station/credential/wifi.hpp"
#include "station/line/tally.hpp"

namespace mintmark {

Bytes RunSecrets::associated_data(const Credential& credential) const {
  std::string hardware = p_.run.hardware_id.source + ":" + p_.run.hardware_id.id;
  return seal_aad(services_.ledger->birth().ledger, p_.run.id, hardware, credential.klass,
                  credential.fingerprint);
}

Task<std::string> RunSecrets::mac() {
  if (p_.mac) co_return *p_.mac;
  auto look = [&](Reader& db) { return runs::mac(db, p_.run); };
  std::optional<std::string> found = co_await services_.ledger->read(look);
  p_.mac = found.value_or("");
  co_return *p_.mac;
}

// At most one in a hundred codes is in use: so many in a row are no accident.
static constexpr int kMostRedraws = 20;

Task<void> RunSecrets::mint(Then then) {
  for (int redraws = 0; redraws < kMostRedraws; ++redraws)
    if (co_await mint_once(then, redraws)) co_return;
  throw Fault("rng.broken");
}

// False where one of the codes is taken: nothing is kept then.
Task<bool> RunSecrets::mint_once(const Then& then, int redraws) {
  auto look = [&](Reader& db) { return std::pair(runs::mac(db, p_.run), runs::mints(db, p_.run)); };
  std::pair<std::optional<std::string>, int> found = co_await services_.ledger->read(look);
  p_.mac = found.first.value_or("");
  int times = found.second;
  std::vector<Drawn> drawn;
  Bytes nonce;
  auto draw = [&] {
    drawn = draw_credentials(*services_.vault, p_.product, p_.run, *p_.mac,
                             services_.ledger->birth().ledger, times);
    nonce = services_.vault->random(16);
  };
  co_await on(*services_.token_pool, draw);
  std::vector<Credential> credentials = co_await sealed(drawn);
  Evidence evidence;
  evidence.facts["credentials"] = credentials.size();
  if (redraws > 0) evidence.facts["codes_drawn_again"] = redraws;
  auto commit = [&](Transaction& db) {
    Run run = runs::mint(db, p_.run, nonce, credentials, p_.product.max_mints);
    return then(db, std::move(run), evidence);
  };
  try {
    p_.run = co_await services_.ledger->transact(commit);
  } catch (const Fault& fault) {
    if (fault.code() != "mint.code_taken") throw;
    co_return false;
  }
  p_.minted = std::move(credentials);
  co_await count(drawn);
  co_return true;
}

// The mint is done: nothing that goes wrong here undoes it.
Task<void> RunSecrets::count(const std::vector<Drawn>& drawn) {
  if (services_.tally == nullptr) co_return;
  for (const Drawn& one : drawn) services_.tally->count(p_.lot.id, one);
  std::vector<SymbolCounts> full = services_.tally->full(p_.lot.id);
  if (full.empty()) co_return;
  auto write = [&](Transaction& db) {
    for (const SymbolCounts& batch : full) symbols::add(db, p_.lot.id, batch);
  };
  try {
    co_await services_.ledger->transact(write);
  } catch (const Fault& fault) {
    spdlog::warn("symbol counts wait: {}", fault.what());
    services_.tally->give_back(p_.lot.id, full);
  }
}

Task<std::optional<EscrowKey>> RunSecrets::escrow_key() {
  if (!p_.product.has_escrow()) co_return std::nullopt;
  auto look = [](Reader& db) { return escrow::key(db); };
  std::optional<EscrowKey> key = co_await services_.ledger->read(look);
  if (!key) throw Fault("escrow.not_installed");
  co_return key;
}

// What is sealed for the run, and for the escrow token as well where the product says so.
Task<std::vector<Credential>> RunSecrets::sealed(const std::vector<Drawn>& drawn) {
  std::vector<Credential> out;
  out.reserve(drawn.size());
  for (const Drawn& one : drawn) out.push_back(one.kept);
  // Committed before they are used: a crash costs numbers, never a second use of one.
  auto take_ivs = [&](Transaction& db) {
    for (Credential& one : out) one.iv = runs::next_iv(db, p_.lot.id);
  };
  co_await services_.ledger->transact(take_ivs);
  std::optional<EscrowKey> key = co_await escrow_key();
  auto seal = [&] {
    for (std::size_t i = 0; i < out.size(); ++i) {
      Bytes aad = associated_data(out[i]);
      out[i].sealed = services_.vault->seal(p_.lot.seal_key, out[i].iv, aad, drawn[i].value);
      if (!key || !drawn[i].escrow) continue;
      out[i].escrow_key = key->id;
      out[i].escrowed = close_escrow(key->spki, aad, drawn[i].value);
    }
  };
  co_await on(*services_.token_pool, seal);
  co_return out;
}

// Of a run that somebody ended the secrets are burnt: also while the token opened this one.
Task<Secret> RunSecrets::opened(std::string name) {
  p_.must_go_on();
  auto look = [&](Reader& db) { return runs::credentials(db, p_.run); };
  if (p_.minted.empty()) p_.minted = co_await services_.ledger->read(look);
  std::vector<Credential> mine = p_.minted;
  std::erase_if(mine, [&](const Credential& one) { return one.name != name; });
  if (mine.size() != 1) throw Fault("ledger.failed", {{"what", "run seal of " + p_.run.id}});
  const Credential& sealed = mine.front();
  auto work = [&] {
    return services_.vault->open(p_.lot.seal_key, sealed.iv, associated_data(sealed),
                                 sealed.sealed);
  };
  Secret out = co_await on(*services_.token_pool, work);
  p_.must_go_on();
  co_return out;
}

Task<Template::Secrets> RunSecrets::for_label(const Template& form) {
  Template::Secrets out;
  const Product& product = p_.product;
  if (form.uses("password")) {
    Secret password = co_await opened(product.password_name);
    out["password"] = group_by_four(password);
  }
  if (product.wifi && (form.uses("wifi_key") || form.uses("wifi_qr"))) {
    Secret key = co_await opened(kWifiKey);
    std::string address = co_await mac();
    out["wifi_qr"] = wifi_qr(derive_ssid(product.wifi->ssid, p_.run.serial, address), key);
    out["wifi_key"] = std::move(key);
  }
  if (product.matter && (form.uses("matter_qr") || form.uses("matter_manual"))) {
    Secret passcode = co_await opened(kMatterPasscode);
    Secret blob = co_await opened(kMatterUnit);
    std::uint16_t discriminator = matter_discriminator(blob);
    const MatterProduct& ids = product.matter->product;
    out["matter_qr"] = matter_qr(ids, discriminator, passcode);
    Secret manual = matter_manual_code(ids, discriminator, passcode);
    out["matter_manual"] = group_manual_code(manual);
  }
  co_return out;
}

Task<Secret> RunSecrets::deposited(const Deposit& deposit) {
  if (deposit.name == kWifiSsid) {
    std::string address = co_await mac();
    std::string ssid = derive_ssid(p_.product.wifi->ssid, p_.run.serial, address);
    co_return Secret::copy_of(view(ssid));
  }
  co_return co_await opened(deposit.name);
}

Task<void> RunSecrets::inject_all() {
  for (const Deposit& deposit : deposits(p_.product)) {
    Secret value = co_await deposited(deposit);
    UnitError answer = UnitError::ok;
    if (deposit.raw)
      answer = co_await p_.unit().inject_raw(deposit.name, value);
    else
      answer = co_await p_.unit().inject(deposit.name, value);
    must(answer, "inject");
  }
}

Task<void> RunSecrets::prove_all(bool raw_only, std::string fault_if_not) {
  for (const Deposit& deposit : deposits(p_.product)) {
    if (raw_only && !deposit.raw) continue;
    Secret value = co_await deposited(deposit);
    Proof proof = Proof::unsupported;
    if (deposit.raw)
      proof = co_await p_.unit().prove_raw(deposit.name, value);
    else
      proof = co_await p_.unit().prove(deposit.name, value);
    if (proof == Proof::holds) continue;
    if (proof == Proof::unsupported)
      throw Fault("unit.lacks_capability", {{"capability", "prove"}});
    UnitError why = co_await p_.unit().ask_proof(deposit.name);
    bool missing = why == UnitError::no_credential && fault_if_not == "prove.failed";
    throw Fault(missing ? "inject.not_stored" : fault_if_not);
  }
}

Task<RunSecrets::Decoy> RunSecrets::draw_decoy() {
  Decoy out;
  PasswordPolicy policy = p_.product.password.value_or(PasswordPolicy());
  auto draw = [&] {
    out.password = mint_password(*services_.vault, policy, {});
    out.fingerprint = services_.vault->fingerprint(out.password.view());
  };
  co_await on(*services_.token_pool, draw);
  co_return out;
}

static void burn(Transaction& db, const Run& run, const Digest& decoy) {
  runs::burn_decoy(db, run, "decoy", 0, decoy);
}

Task<Secret> RunSecrets::decoy() {
  Decoy drawn = co_await draw_decoy();
  auto burn_it = [&](Transaction& db) { burn(db, p_.run, drawn.fingerprint); };
  co_await services_.ledger->transact(burn_it);
  co_return std::move(drawn.password);
}

Task<WrongPassword> RunSecrets::wrong_decoy(Fault if_accepted) {
  Decoy drawn = co_await draw_decoy();
  WrongPassword out("decoy", std::move(drawn.password), std::move(if_accepted));
  out.to_burn = drawn.fingerprint;
  co_return out;
}

void RunSecrets::add_defaults(std::vector<WrongPassword>& wrong, std::string_view code) const {
  for (const std::string& word : p_.product.known_defaults)
    wrong.emplace_back("known default", Secret::copy_of(view(word)),
                       Fault(code, {{"password", word}}));
}

Task<bool> RunSecrets::try_right(const Secret& password) {
  std::optional<bool> in = co_await p_.unit().login(p_.product.password_name, password);
  if (!in.value_or(false)) co_return false;
  p_.let_in = true;
  co_return true;
}

Task<void> RunSecrets::must_refuse(std::vector<WrongPassword> wrong) {
  int lockout = p_.product.lockout;
  std::vector<std::string> kinds;
  kinds.reserve(wrong.size());
  for (const WrongPassword& one : wrong) kinds.push_back(one.kind);
  auto note = [&](Transaction& db) {
    for (const WrongPassword& one : wrong)
      if (one.to_burn) burn(db, p_.run, *one.to_burn);
    if (p_.let_in) runs::count_success(db, p_.run);
    runs::count_tries(db, p_.run, kinds, lockout);
  };
  co_await services_.ledger->transact(note);
  p_.let_in = false;
  for (const WrongPassword& one : wrong) {
    std::optional<bool> in = co_await p_.unit().login(p_.product.password_name, one.password);
    // Locked out says nothing about this password: silence is never success.
    if (!in) throw Fault("unit.tries_spent", {{"limit", std::to_string(lockout)}});
    if (*in) throw Fault(one.if_accepted);
  }
}

}  // namespace mintmark
