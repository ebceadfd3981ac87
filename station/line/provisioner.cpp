#include "station/line/provisioner.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "station/credential/dpp.hpp"
#include "station/credential/wifi.hpp"
#include "station/label/template.hpp"
#include "station/line/enrolment.hpp"
#include "station/line/reopening.hpp"
#include "station/line/reset_check.hpp"
#include "station/line/secrets.hpp"
#include "station/line/token_watch.hpp"
#include "station/words/crypto.hpp"

namespace mintmark {

namespace {

// The step after which nobody needs the unit in its slot any more.
constexpr Step kLastAtTheSlot = Step::lock;

bool needs_unit(Step step) { return step <= kLastAtTheSlot; }

// Only such a step shows, when it is done, that the unit sits there.
bool speaks_to_unit(Step step) {
  return needs_unit(step) && step != Step::reserve && step != Step::mint;
}

}  // namespace

Task<void> Provisioner::provision(std::shared_ptr<Passage> passage) {
  Passage& p = *passage;
  std::optional<Fault> fault = co_await go_on(p);
  while (fault) {
    bool again = co_await sit_out(p, *fault);
    if (!again) break;
    fault = co_await go_on(p);
  }
  if (fault) co_await end(p, *fault);
  p.over = true;
  if (p.seat) p.seat->free();
  show_(p);
}

// Three endings alike in a row are their slot's.
Run Provisioner::noted(Transaction& db, const Passage& p, Run run) {
  if (run.ending) runs::note_ending(db, kStation, p.slot, *run.ending, run.code);
  return run;
}

Run Provisioner::pass(Transaction& db, const Passage& p, Run run) {
  run = runs::end(db, kStation, std::move(run), Ending::passed, "", Fault::Args());
  return noted(db, p, std::move(run));
}

static bool all_applied(const Product& product, const std::vector<runs::LabelState>& states) {
  return states.size() == product.labels.size() &&
         std::all_of(states.begin(), states.end(),
                     [](const runs::LabelState& s) { return s.state == "applied"; });
}

// The step that comes next is known to have begun before any of it is done.
Task<void> Provisioner::begin(Passage& p) {
  p.must_go_on();
  if (p.run.next == Step::done || (p.run.begun && !p.run.interrupted)) co_return;
  if (p.run.interrupted) co_await reconcile(p);
  auto intend = [&](Transaction& db) { return runs::intend(db, kStation, p.run); };
  p.run = co_await services_.ledger->transact(intend);
}

// To the end; or to the fault that stands in the way.
Task<std::optional<Fault>> Provisioner::go_on(Passage& p) {
  std::optional<Fault> fault;
  try {
    co_await begin(p);
    while (p.run.next != Step::done) {
      if (p.seat && !needs_unit(p.run.next)) p.seat->free();
      show_(p);
      bool at_the_slot = speaks_to_unit(p.run.next);
      co_await take_step(p);
      if (at_the_slot) ++p.steps_done;
      p.disk_tries = 0;
      p.let_in = false;
      if (p.doomed && !p.run.ending) throw Fault(*p.doomed);
    }
    if (!p.run.ending) co_await finish(p);
  } catch (const Fault& f) {
    fault = f;
  } catch (const std::exception& e) {
    fault = Fault("station.internal", {}, e.what());  // a defect of ours: the run stays open
  }
  co_return fault;
}

// In the transaction that its last act may be part of: a step's end, and that the next one begins
// or the unit has passed.
Run Provisioner::step_on(Transaction& db, const Passage& p, Run run, const Evidence& evidence) {
  if (p.let_in) runs::count_success(db, run);
  run = runs::step_on(db, kStation, std::move(run), evidence);
  return run.next == Step::done ? pass(db, p, std::move(run)) : run;
}

Task<void> Provisioner::take_step(Passage& p) {
  if (p.run.next == Step::reserve) {
    co_await reserve(p);
    co_return;
  }
  if (p.run.next == Step::mint) {
    co_await mint(p);
    co_return;
  }
  Evidence evidence = co_await perform(p);
  p.must_go_on();
  // A label may have been voided since it was looked at: then the step goes on.
  auto next = [&](Transaction& db) {
    bool again =
        p.run.next == Step::scan && !all_applied(p.product, runs::labels(db, p.run.serial));
    return again ? p.run : step_on(db, p, p.run, evidence);
  };
  p.run = co_await services_.ledger->transact(next);
}

Task<Evidence> Provisioner::perform(Passage& p) {
  switch (p.run.next) {
    case Step::enrol:
      return enrol(p);
    case Step::inject:
      return inject(p);
    case Step::prove:
      return prove(p);
    case Step::reset_check:
      return check_reset(services_, p);
    case Step::lock:
      return lock(p);
    case Step::label:
      return label(p);
    case Step::scan:
      return scan(p);
    case Step::identify:
    case Step::reserve:
    case Step::mint:
    case Step::done:
      break;
  }
  throw Fault("ledger.failed", {{"what", "step of run " + p.run.id}});
}

// The column "after a crash here". Steps that it does not name are simply done again.
Task<void> Provisioner::reconcile(Passage& p) {
  if (p.run.next != Step::inject || !p.run.offered) co_return;
  // Secrets may have left for the unit. Only a session with the certified key and the run's nonce
  // may have the same ones again; anything else gets fresh ones, and these are burnt.
  co_await open_session(p);
  if (co_await p.unit().run_nonce() == p.run.nonce) co_return;
  auto again = [&](Transaction& db) {
    Run run = runs::burn(db, kStation, p.run, "run nonce lost");
    return runs::go_back(db, kStation, run, Step::mint, "run nonce lost");
  };
  p.run = co_await services_.ledger->transact(again);
  p.minted.clear();
}

Task<void> Provisioner::reserve(Passage& p) {
  // Asked for before anything is spent on a unit: a run that cannot be labelled is not begun.
  Readiness sink = services_.sink->ready();
  if (!sink.ok()) throw Fault(sink.code, {{"reason", sink.reason}});
  auto admit = [&](Transaction& db) {
    Run run = runs::admit(db, p.run);
    Evidence evidence;
    evidence.facts["serial"] = run.serial;
    return step_on(db, p, std::move(run), evidence);
  };
  p.run = co_await services_.ledger->transact(admit);
}

Task<Evidence> Provisioner::enrol(Passage& p) {
  Reopening reopening(services_, p);
  co_await reopening.carry_out();
  Enrolment enrolment(services_, p);
  co_return co_await enrolment.enrol();
}

Task<void> Provisioner::mint(Passage& p) {
  RunSecrets secrets(services_, p);
  RunSecrets::Then then = [&p](Transaction& db, Run run, const Evidence& evidence) {
    return step_on(db, p, std::move(run), evidence);
  };
  co_await secrets.mint(std::move(then));
}

Task<void> Provisioner::open_session(Passage& p) {
  must(co_await p.unit().open_identity(p.hardware_id(), p.run.id_bytes(), p.run.spki),
       "open identity session");
}

Task<Evidence> Provisioner::inject(Passage& p) {
  co_await open_session(p);
  if (!p.run.offered) {
    must(co_await p.unit().set_run_nonce(p.run.nonce), "run nonce");
    auto offer = [&](Transaction& db) { return runs::offer(db, p.run); };
    p.run = co_await services_.ledger->transact(offer);
  }
  RunSecrets secrets(services_, p);
  co_await secrets.inject_all();
  Evidence evidence;
  evidence.facts["acknowledged"] =
      true;  // in the session; that it was stored is the next step's to prove
  co_return evidence;
}

// The unit restarts first: what it proves then is what it stored.
Task<Evidence> Provisioner::prove(Passage& p) {
  p.seat->who = co_await p.unit().restart();
  co_await open_session(p);
  Evidence evidence;
  std::vector<Deposit> kept = deposits(p.product);
  if (kept.empty()) {
    evidence.facts["identity"] = "signed after restart";
    co_return evidence;
  }
  RunSecrets secrets(services_, p);
  bool can_prove = p.product.capabilities.contains("prove");
  bool can_login = !p.product.password || p.product.capabilities.contains("login");
  if (can_prove) {
    co_await secrets.prove_all(false, "prove.failed");
    evidence.facts["proof"] = "holds";
    for (const Deposit& one : kept) evidence.facts["proven"].push_back(one.name);
  }
  if (can_login && p.product.password) {
    Secret own = co_await secrets.password();
    if (!co_await secrets.try_right(own)) throw Fault("login.own_refused");
    Fault decoy_accepted("login.decoy_accepted");
    WrongPassword decoy = co_await secrets.wrong_decoy(std::move(decoy_accepted));
    std::vector<WrongPassword> wrong;
    wrong.push_back(std::move(decoy));
    wrong.emplace_back("empty", Secret(), Fault("login.empty_accepted"));
    secrets.add_defaults(wrong, "login.default_accepted");
    co_await secrets.must_refuse(std::move(wrong));
    if (!co_await secrets.try_right(own)) throw Fault("login.own_refused");
    evidence.facts["login"] = "own let in; decoy, empty and known defaults refused";
  }
  if (!can_prove || !can_login) {
    evidence.result = StepResult::not_proven;
    evidence.reason =
        can_login ? "the unit cannot prove what it stores" : "the unit has no login to try";
  }
  co_return evidence;
}

// Each name by itself: firmware may keep values elsewhere than passwords.
Task<void> Provisioner::refuses_raw(Passage& p, const Secret& decoy) {
  for (const Deposit& deposit : deposits(p.product)) {
    if (!deposit.raw) continue;
    if (co_await p.unit().inject_raw(deposit.name, decoy) != UnitError::locked)
      throw Fault("lock.provisioning_open", {{"act", "inject"}});
    if (co_await p.unit().ask_proof(deposit.name) != UnitError::locked)
      throw Fault("lock.provisioning_open", {{"act", "prove"}});
  }
}

Task<Evidence> Provisioner::lock(Passage& p) {
  co_await open_session(p);
  must(co_await p.unit().lock(), "lock");
  p.seat->who = co_await p.unit().factory_reset();
  const Identification& who = p.seat->who;
  if (!who.locked) throw Fault("lock.provisioning_open", {{"act", "identify"}});
  if (who.debug_open) throw Fault("lock.debug_open");

  UnitError enrolment = co_await p.unit().open_enrolment(p.hardware_id(), p.run.id_bytes());
  if (enrolment != UnitError::locked && enrolment != UnitError::certified)
    throw Fault("lock.provisioning_open", {{"act", "make key"}});
  // A unit that lost its identity to this last reset could never be recognised again.
  co_await reopen_session_after_reset(p);
  RunSecrets secrets(services_, p);
  Secret decoy = co_await secrets.decoy();
  const std::string& name = p.product.password_name;
  if (co_await p.unit().inject(name, decoy) != UnitError::locked)
    throw Fault("lock.provisioning_open", {{"act", "inject"}});
  if (co_await p.unit().ask_proof(name) != UnitError::locked)
    throw Fault("lock.provisioning_open", {{"act", "prove"}});
  co_await refuses_raw(p, decoy);
  if (co_await p.unit().ask_login(name, decoy) != UnitError::locked)
    throw Fault("lock.provisioning_open", {{"act", "login"}});
  Evidence evidence;
  evidence.facts["refused"] = {"make key", "inject", "prove", "login"};
  evidence.facts["wire_bytes"] = p.unit().bytes_on_wire();
  co_return evidence;
}

Task<Evidence> Provisioner::label(Passage& p) {
  // A label that may or may not have come out is not printed again: the operator looks.
  if (p.run.interrupted) {
    auto look = [&](Reader& db) { return runs::labels(db, p.run.serial); };
    std::vector<runs::LabelState> states = co_await services_.ledger->read(look);
    for (const runs::LabelState& label : states)
      if (label.state == "sent") p.uncertain[label.place] = label.attempt;
  }
  co_await print_what_is_due(p);
  Evidence evidence;
  evidence.facts["sent"] = true;  // that it came out is the scan's to show
  evidence.facts["uncertain"] = !p.uncertain.empty();
  co_return evidence;
}

// The first place whose label is missing or void.
static std::optional<std::string> due_place(const Product& product,
                                            const std::vector<runs::LabelState>& states) {
  for (const LabelPlace& place : product.labels) {
    auto state = std::find_if(states.begin(), states.end(),
                              [&](const runs::LabelState& s) { return s.place == place.place; });
    if (state == states.end() || state->state == "void") return place.place;
  }
  return std::nullopt;
}

// Until no label is missing or void. Each is looked for anew: one may be voided meanwhile.
Task<std::vector<runs::LabelState>> Provisioner::print_what_is_due(Passage& p) {
  for (;;) {
    auto look = [&](Reader& db) { return runs::labels(db, p.run.serial); };
    std::vector<runs::LabelState> states = co_await services_.ledger->read(look);
    std::optional<std::string> due = due_place(p.product, states);
    if (!due) co_return states;
    co_await print(p, std::move(*due));
  }
}

Task<void> Provisioner::print(Passage& p, std::string place) {
  for (Readiness sink = services_.sink->ready(); !sink.ok(); sink = services_.sink->ready()) {
    spdlog::warn("label of {}: {} {}", p.run.serial, sink.code, sink.reason);
    co_await p.changed.wait_past(p.changed.count(), std::chrono::seconds(2));
    p.must_go_on();
  }
  auto zpl = std::find_if(p.lot.templates.begin(), p.lot.templates.end(),
                          [&](const auto& entry) { return entry.first == place; });
  if (zpl == p.lot.templates.end()) throw Fault("template.digest", {{"place", place}});
  Template form = Template::parse(view(zpl->second));
  // Before the attempt is recorded: a token that is away costs no label.
  RunSecrets secrets(services_, p);
  Template::Secrets secret_fields = co_await secrets.for_label(form);
  std::string mac = co_await secrets.mac();
  auto record = [&](Transaction& db) {
    return runs::begin_label(db, kStation, p.run, place, form.digest());
  };
  int attempt = co_await services_.ledger->transact(record);
  p.must_go_on();
  Template::Fields fields = {{"serial", p.run.serial},
                             {"control", ControlSymbol(p.run.serial, place, attempt).str()},
                             {"link", p.product.link_for(p.run.serial)},
                             {"model", p.product.model},
                             {"product", p.product.name},
                             {"contact", p.product.contact},
                             {"support_until", p.product.support_until},
                             {"mac", mac}};
  if (p.product.wifi) fields["wifi_ssid"] = derive_ssid(p.product.wifi->ssid, p.run.serial, mac);
  if (p.product.easy_connect)
    fields["dpp_uri"] =
        dpp_uri(p.run.spki, "SN=" + p.run.serial, mac, p.product.easy_connect->channels);
  Secret label = form.render(fields, secret_fields);
  p.uncertain[place] = attempt;
  services_.sink->print(LabelJob(p.run.serial, place, attempt), label);
  p.uncertain.erase(place);
}

Task<Evidence> Provisioner::scan(Passage& p) {
  for (;;) {
    std::uint64_t seen = p.changed.count();
    p.must_go_on();
    p.labels = co_await print_what_is_due(p);
    show_(p);
    if (all_applied(p.product, p.labels)) break;
    co_await p.changed.wait_past(seen);
  }
  Evidence evidence;
  evidence.facts["labels"] = p.product.labels.size();
  co_return evidence;
}

// Of a run whose last step was done by a station that ended it in a commit of its own.
Task<void> Provisioner::finish(Passage& p) {
  auto ended = [&](Transaction& db) { return pass(db, p, p.run); };
  p.run = co_await services_.ledger->transact(ended);
}

}  // namespace mintmark
