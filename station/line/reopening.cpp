#include "station/line/reopening.hpp"

#include <algorithm>

#include "station/line/recipe.hpp"
#include "station/words/crypto.hpp"

namespace mintmark {

// Nothing of the unit's own need go, or can: it holds no lock that a permission would have to open.
static bool needs_none(const returns::Permission& permission, const Identification& who) {
  return !permission.new_key && !who.locked && !who.capabilities.contains("reopen");
}

// The new key that was committed before a crash, if any.
static Bytes begun(const returns::Permission& permission) {
  return permission.renewed.empty() ? Bytes() : permission.renewed.back();
}

Task<void> Reopening::carry_out() {
  auto look = [&](Reader& db) { return returns::permission(db, p_.run); };
  std::optional<returns::Permission> permission = co_await services_.ledger->read(look);
  if (!permission) co_return;
  const Identification& who = p_.seat->who;
  if (!who.certified) p_.known_spki = begun(*permission);
  if (!who.certified || needs_none(*permission, who)) co_return;
  if (!who.capabilities.contains("reopen"))
    throw Fault("unit.lacks_capability", {{"capability", "reopen"}});

  Bytes shown = p_.known_spki;
  if (permission->new_key)
    shown = co_await p_.unit().open_identity_of_any_key(p_.hardware_id(), p_.run.id_bytes());
  else
    must(co_await p_.unit().open_identity(p_.hardware_id(), p_.run.id_bytes(), shown),
         "open identity session");
  bool renewed = std::find(permission->renewed.begin(), permission->renewed.end(), shown) !=
                 permission->renewed.end();
  bool new_key = permission->new_key && !renewed;
  std::vector<std::string> acts(1, "wipe");
  if (new_key) acts.emplace_back("new-key");
  bool known = shown == p_.known_spki;
  co_await ask(acts);
  Json facts = co_await see_wiped(shown);
  facts["act"] = permission->act;
  facts["acts"] = acts;
  facts["spki_sha256"] = hex(sha256(shown));
  facts["known"] = known;
  auto note = [&](Transaction& db) { returns::note_reopened(db, kStation, p_.run, facts); };
  co_await services_.ledger->transact(note);
  p_.known_spki = new_key ? begun(*permission) : shown;
  p_.seat->who.certified = !new_key;  // in the sense of this run: the old one counts no more
}

// The unit knows the reopen key that was in use when its certificate was stored: the newest is
// asked first, then those before it.
Task<void> Reopening::ask(std::vector<std::string> acts) {
  UnitError answer = UnitError::mismatch;
  int generation = services_.vault->in_use(SignerRole::reopen);
  for (; generation > 0 && answer == UnitError::mismatch; --generation) {
    Bytes nonce = co_await p_.unit().reopen_nonce();
    Digest digest = reopen_digest(p_.hardware_id(), nonce, acts);
    auto sign = [&] { return services_.vault->sign(SignerRole::reopen, digest, generation); };
    Bytes signature = co_await on(*services_.token_pool, sign);
    p_.must_go_on();
    answer = co_await p_.unit().reopen(acts, std::move(signature));
  }
  if (answer == UnitError::busy || answer == UnitError::store_failed) must(answer, "reopen");
  if (answer != UnitError::ok)
    throw Fault("reopen.refused", {{"error", std::string(word(answer))}});
}

// Observed after a restart, in a session with the key that it had before.
Task<Json> Reopening::see_wiped(Bytes spki) {
  p_.seat->who = co_await p_.unit().restart();
  if (p_.seat->who.locked) throw Fault("reopen.ignored", {{"what", "lock"}});
  must(co_await p_.unit().open_identity(p_.hardware_id(), p_.run.id_bytes(), std::move(spki)),
       "open identity session");
  Json wiped = Json::array();
  std::vector<Deposit> given = deposits(p_.product);
  bool gone = !given.empty();
  for (const Deposit& one : given) {
    UnitError proof = co_await p_.unit().ask_proof(one.name);
    if (proof == UnitError::ok || proof == UnitError::locked)
      throw Fault("reopen.ignored", {{"what", "credential"}});
    gone = gone && proof == UnitError::no_credential;
  }
  if (gone) wiped.push_back("credential");
  if (p_.seat->who.capabilities.contains("marker")) {
    std::optional<Bytes> marker = co_await p_.unit().marker();
    if (marker) throw Fault("reopen.ignored", {{"what", "marker"}});
    wiped.push_back("marker");
  }
  Json facts = Json::object();
  facts["seen_wiped"] = std::move(wiped);
  co_return facts;
}

}  // namespace mintmark
