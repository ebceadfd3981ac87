#include "station/line/reset_check.hpp"

#include "station/line/secrets.hpp"

namespace mintmark {

namespace {

Task<bool> is_due(Services& services, Passage& p) {
  if (p.product.reset.each) co_return true;
  auto look = [&](Reader& db) { return runs::sampling(db, p.run); };
  runs::Sampling seen = co_await services.ledger->read(look);
  co_return seen.first_of_lot || seen.first_of_firmware ||
      seen.since_last_good + 1 >= p.product.reset.every;
}

// User data must be seen to be there before its absence says anything.
Task<void> write_marker(Services& services, Passage& p) {
  auto draw = [&] { return services.vault->random(16); };
  Bytes value = co_await on(*services.token_pool, draw);
  must(co_await p.unit().set_marker(value), "marker");
  if (co_await p.unit().marker() != value) throw Fault("reset.marker_unwritten");
}

// What opened the unit before its factory reset, or opens all units of careless makers.
std::vector<WrongPassword> of_before(const RunSecrets& secrets, Secret users) {
  std::vector<WrongPassword> out;
  secrets.add_defaults(out, "reset.universal_default");
  out.emplace_back("user's old password", std::move(users), Fault("reset.user_password_kept"));
  return out;
}

Task<void> own_credential(Services services, Passage& p) {
  RunSecrets secrets(services, p);
  bool can_prove = p.product.capabilities.contains("prove");
  std::string lost = "reset.credential_lost";
  if (!p.product.password) {
    co_await write_marker(services, p);
    p.seat->who = co_await p.unit().factory_reset();
    co_await reopen_session_after_reset(p);
    std::optional<Bytes> kept = co_await p.unit().marker();
    if (kept) throw Fault("reset.marker_kept");
    if (can_prove) co_await secrets.prove_all(true, lost);
    co_return;
  }
  Secret own = co_await secrets.password();
  if (!co_await secrets.try_right(own)) throw Fault("login.own_refused");
  Secret users = co_await secrets.decoy();
  must(co_await p.unit().set_password(p.product.password_name, users), "set-password");
  if (!co_await secrets.try_right(users)) throw Fault("reset.user_password_unset");
  co_await write_marker(services, p);
  p.seat->who = co_await p.unit().factory_reset();
  co_await reopen_session_after_reset(p);
  std::optional<Bytes> kept = co_await p.unit().marker();
  if (kept) throw Fault("reset.marker_kept");
  // What the unit keeps as it is came through, too: the label's Wi-Fi key or code works again.
  if (can_prove) co_await secrets.prove_all(true, lost);

  Fault decoy_accepted("reset.decoy_accepted");
  WrongPassword decoy = co_await secrets.wrong_decoy(std::move(decoy_accepted));
  std::vector<WrongPassword> wrong = of_before(secrets, std::move(users));
  wrong.push_back(std::move(decoy));
  wrong.emplace_back("empty", Secret(), Fault("reset.empty_accepted"));
  co_await secrets.must_refuse(std::move(wrong));
  if (!co_await secrets.try_right(own)) throw Fault("reset.own_refused");
}

Task<void> refuses_weak_choices(Passage& p) {
  std::vector<std::string> weak = p.product.known_defaults;
  weak.insert(weak.end(), {"", "1234", "12345678"});
  for (const std::string& word : weak) {
    Secret password = Secret::copy_of(view(word));
    UnitError answer = co_await p.unit().set_password(p.product.password_name, password);
    if (answer == UnitError::ok) throw Fault("reset.weak_accepted", {{"password", word}});
  }
}

Task<void> set_up_state(Services services, Passage& p) {
  RunSecrets secrets(services, p);
  if (p.seat->who.state != "setup") {
    p.seat->who = co_await p.unit().factory_reset();
    co_await reopen_session_after_reset(p);
  }
  Secret users = co_await secrets.decoy();
  must(co_await p.unit().set_password(p.product.password_name, users), "set-password");
  if (!co_await secrets.try_right(users)) throw Fault("reset.setup_refused");
  co_await write_marker(services, p);

  p.seat->who = co_await p.unit().factory_reset();
  co_await reopen_session_after_reset(p);

  if (co_await p.unit().marker()) throw Fault("reset.marker_kept");
  bool can_prove = p.product.capabilities.contains("prove");
  std::string lost = "reset.credential_lost";
  if (can_prove) co_await secrets.prove_all(true, lost);
  const std::string& feature = p.product.reset.feature;
  bool answers = false;
  if (!feature.empty()) answers = co_await p.unit().feature(feature);
  if (answers) throw Fault("reset.feature_open", {{"feature", feature}});
  std::vector<WrongPassword> wrong = of_before(secrets, std::move(users));
  wrong.emplace_back("empty", Secret(), Fault("reset.empty_accepted"));
  co_await secrets.must_refuse(std::move(wrong));
  if (p.seat->who.state != "setup")
    throw Fault("reset.own_refused", {{"state", p.seat->who.state}});
  co_await refuses_weak_choices(p);
  // A state that nobody can leave would be no set-up state: the next reset, before lock, comes back
  // to it.
  Secret strong = co_await secrets.decoy();
  if (co_await p.unit().set_password(p.product.password_name, strong) != UnitError::ok)
    throw Fault("reset.setup_refused");
}

}  // namespace

Task<void> reopen_session_after_reset(Passage& p) {
  std::optional<Fault> fault;
  UnitError answer = UnitError::ok;
  try {
    answer = co_await p.unit().open_identity(p.hardware_id(), p.run.id_bytes(), p.run.spki);
  } catch (const Fault& f) {
    fault = f;
  }
  if (answer == UnitError::no_key || answer == UnitError::no_certificate)
    throw Fault("reset.identity_lost");
  if (fault && (fault->code() == "hwid.second_key" || fault->code() == "hwid.cannot_sign"))
    throw Fault("reset.identity_changed");
  if (fault) throw Fault(*fault);
  must(answer, "open identity session");
}

Task<Evidence> check_reset(Services services, Passage& p) {
  Evidence evidence;
  bool own = p.product.reset.policy == ResetPolicy::own_credential;
  evidence.facts["policy"] = own ? "own_credential" : "set_up_state";
  if (!co_await is_due(services, p)) {
    evidence.result = StepResult::not_proven;
    evidence.reason = "sampled";
    co_return evidence;
  }
  co_await reopen_session_after_reset(p);
  if (p.run.interrupted) {
    // A check that was cut off may have left a user's password behind: begin where a user begins.
    p.seat->who = co_await p.unit().factory_reset();
    co_await reopen_session_after_reset(p);
  }
  if (own)
    co_await own_credential(services, p);
  else
    co_await set_up_state(services, p);
  evidence.facts["checked"] = true;
  co_return evidence;
}

}  // namespace mintmark
