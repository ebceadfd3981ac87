#include "station/line/secrets.hpp"

#include "station/credential/password.hpp"

namespace mintmark {

Bytes RunSecrets::associated_data(const Credential& credential) const {
  std::string hardware = p_.run.hardware_id.source + ":" + p_.run.hardware_id.id;
  return frame({view(services_.ledger->birth().ledger), view(p_.run.id), view(hardware),
                view(credential.klass), credential.fingerprint});
}

Task<void> RunSecrets::mint() {
  std::vector<Credential> credentials;
  if (p_.product.password) {
    Credential credential;
    credential.name = p_.product.password_name;
    credential.klass = "password";
    // Committed before it is used: a crash costs a number, never a second use of one.
    auto take_iv = [&](Transaction& db) { return runs::next_iv(db, p_.lot.id); };
    credential.iv = co_await services_.ledger->transact(take_iv);
    auto work = [&] {
      Secret password = mint_password(*services_.vault, *p_.product.password,
                                      {p_.run.serial, p_.run.hardware_id.id});
      credential.fingerprint = services_.vault->fingerprint(password.view());
      credential.sealed = services_.vault->seal(p_.lot.seal_key, credential.iv,
                                                associated_data(credential), password);
    };
    co_await on(*services_.token_pool, work);
    credentials.push_back(std::move(credential));
  }
  auto draw = [&] { return services_.vault->random(16); };
  Bytes nonce = co_await on(*services_.token_pool, draw);
  auto commit = [&](Transaction& db) {
    return runs::mint(db, p_.run, nonce, credentials, p_.product.max_mints);
  };
  p_.run = co_await services_.ledger->transact(commit);
}

Task<Secret> RunSecrets::password() {
  auto look = [&](Reader& db) { return runs::credentials(db, p_.run); };
  std::vector<Credential> found = co_await services_.ledger->read(look);
  if (found.size() != 1) throw Fault("ledger.failed", {{"what", "run seal of " + p_.run.id}});
  const Credential& credential = found.front();
  auto work = [&] {
    return services_.vault->open(p_.lot.seal_key, credential.iv, associated_data(credential),
                                 credential.sealed);
  };
  co_return co_await on(*services_.token_pool, work);
}

Task<Secret> RunSecrets::decoy() {
  Secret out;
  Digest fingerprint{};
  PasswordPolicy policy = p_.product.password.value_or(PasswordPolicy());
  auto draw = [&] {
    out = mint_password(*services_.vault, policy, {});
    fingerprint = services_.vault->fingerprint(out.view());
  };
  co_await on(*services_.token_pool, draw);
  auto burn = [&](Transaction& db) { runs::burn_decoy(db, p_.run, "decoy", 0, fingerprint); };
  co_await services_.ledger->transact(burn);
  co_return out;
}

Task<bool> RunSecrets::try_right(const Secret& password) {
  std::optional<bool> in = co_await p_.unit().login(p_.product.password_name, password);
  if (!in.value_or(false)) co_return false;
  auto note = [&](Transaction& db) { runs::count_success(db, p_.run); };
  co_await services_.ledger->transact(note);
  co_return true;
}

Task<bool> RunSecrets::try_wrong(const Secret& password, std::string kind) {
  auto note = [&](Transaction& db) { runs::count_try(db, p_.run, kind, p_.product.lockout); };
  co_await services_.ledger->transact(note);
  std::optional<bool> in = co_await p_.unit().login(p_.product.password_name, password);
  // Locked out says nothing about this password: silence is never success.
  if (!in) throw Fault("unit.tries_spent", {{"limit", std::to_string(p_.product.lockout)}});
  co_return *in;
}

Task<std::optional<std::string>> RunSecrets::accepted_default() {
  for (const std::string& word : p_.product.known_defaults) {
    Secret password = Secret::copy_of(view(word));
    if (co_await try_wrong(password, "known default")) co_return word;
  }
  co_return std::nullopt;
}

}  // namespace mintmark
