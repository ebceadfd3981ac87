// What people do: lots, scans, voids, abandons, resumes, checkpoints. Each act is one transaction.
#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "station/credential/wifi.hpp"
#include "station/label/scan.hpp"
#include "station/label/template.hpp"
#include "station/ledger/escrow.hpp"
#include "station/ledger/returns.hpp"
#include "station/ledger/signers.hpp"
#include "station/line/line_impl.hpp"
#include "station/line/lot_keys.hpp"
#include "station/line/room.hpp"
#include "station/words/clock.hpp"
#include "station/words/crypto.hpp"

namespace mintmark {

namespace {

constexpr std::chrono::milliseconds kLedgerPause{2000};

void check_digest(const char* code, View bytes, const std::string& wanted,
                  const std::string& what) {
  if (hex(sha256(bytes)) != wanted) throw Fault(code, {{"what", what}});
}

[[noreturn]] void refuse_template(const std::string& reason) {
  throw Fault("template.invalid", {{"line", "0"}, {"reason", reason}});
}

// A label shows what its product has, and what only a label shows is on one of them.
void check_use(const std::vector<Template>& forms, const Product& product, bool has_macs) {
  auto used = [&](std::string_view name) {
    return std::any_of(forms.begin(), forms.end(),
                       [&](const Template& form) { return form.uses(name); });
  };
  auto needs = [&](bool there, const char* reason, std::initializer_list<const char*> names) {
    for (const char* name : names)
      if (used(name) && !there) refuse_template(reason);
  };
  needs(product.password.has_value(), "asks for a password that this product has not",
        {"password"});
  needs(product.wifi.has_value(), "asks for a Wi-Fi network that this product has not",
        {"wifi_ssid", "wifi_key", "wifi_qr"});
  needs(product.matter.has_value(), "asks for a Matter code that this product has not",
        {"matter_qr", "matter_manual"});
  needs(product.easy_connect.has_value(), "asks for an Easy Connect code that this product has not",
        {"dpp_uri"});
  needs(has_macs, "asks for a MAC that this order does not give", {"mac"});
  if (product.wifi && !used("wifi_key") && !used("wifi_qr"))
    refuse_template("no label shows the Wi-Fi key");
  if (product.matter && !used("matter_qr") && !used("matter_manual"))
    refuse_template("no label shows the Matter code");
}

// Everything that the order names by digest, read and checked before a lot exists.
Product read_product(const Order& order, const OrderFiles& files) {
  check_digest("product.digest", files.product, order.product_sha256, order.product_name);
  Product product = Product::parse(text(files.product), order.product_name);
  if (product.name != order.product_name || product.number != order.product_number)
    throw Fault("product.digest", {{"what", product.name}});
  std::vector<Template> forms;
  for (const LabelPlace& place : product.labels) {
    auto found = files.templates.find(place.place);
    if (found == files.templates.end()) throw Fault("template.missing", {{"place", place.place}});
    check_digest("template.digest", found->second, place.sha256, place.file);
    forms.push_back(Template::parse(found->second));
  }
  check_use(forms, product, !order.macs.empty());
  if (product.wifi && ssid_needs_mac(product.wifi->ssid) && order.macs.empty())
    throw Fault("policy.ssid", {{"reason", "it needs a MAC, and this order gives none"}});
  return product;
}

// Nothing of the trial stays.
void try_wrapping(Vault& vault, const Product& product) {
  UnitKeyOrder trial(HardwareId("trial", "00"), Bytes(16), EphemeralKey().point(),
                     product.key_algorithm);
  try {
    vault.make_unit_key(trial);
  } catch (const Fault& fault) {
    if (fault.code() != "token.refused") throw;
    throw Fault("product.token_lacks", {{"algorithm", std::string(word(product.key_algorithm))},
                                        {"reason", fault.what()}});
  }
}

// What the token cannot do for units is found by doing it, before the first of them sits in a slot.
void try_token(Vault& vault, const Product& product) {
  if (product.wrapped_key) try_wrapping(vault, product);
  if (product.keyed && !vault.has_derivation_key()) throw Fault("policy.derivation_key");
}

// A label shows a password, so it is read into nothing but locked memory; empty where there is
// none.
Secret read_label(const std::string& path) {
  constexpr off_t kLargest = 64 << 10;
  int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (file < 0) return {};
  struct stat info {};
  bool fits = ::fstat(file, &info) == 0 && info.st_size > 0 && info.st_size <= kLargest;
  Secret out(fits ? static_cast<std::size_t>(info.st_size) : 0);
  ssize_t size = fits ? ::read(file, out.mutable_view().data(), out.size()) : 0;
  ::close(file);
  out.shrink(size < 0 ? 0 : static_cast<std::size_t>(size));
  return out;
}

// One that passed has all its labels on it; any other that has ended gets none.
void must_be_scanned(const Run& run) {
  if (run.ending == Ending::passed) throw Fault("scan.already", {{"serial", run.serial}});
  if (run.ending) throw Fault("run.ended", {{"run", run.id}});
}

// While a lot's key is made and the ledger does not know it yet.
class Opening {
 public:
  Opening(std::set<std::string>& all, std::string key) : all_(&all), key_(std::move(key)) {
    all_->insert(key_);
  }
  ~Opening() { all_->erase(key_); }
  Opening(const Opening&) = delete;
  Opening& operator=(const Opening&) = delete;

 private:
  std::set<std::string>* all_;
  std::string key_;
};

}  // namespace

Task<Lot> Line::Impl::open_lot(Actor actor, OrderFiles files) {
  const Birth& birth = services_.ledger->birth();
  Order order = read_order(files.order, files.signature, birth.owner_key, birth.station);
  if (order.serials_from_mes)
    throw Fault("order.malformed",
                {{"field", "serials"}, {"reason", "this station has no MES to ask for serials"}});
  Product product = read_product(order, files);
  must_have_room(services_.directories, order.quantity + order.spares);
  auto authority = [](Reader& db) { return signers::ca(db).has_value(); };
  bool may_issue = co_await services_.ledger->read(authority);
  auto sealed_to = [](Reader& db) { return escrow::key(db).has_value(); };
  bool may_escrow = co_await services_.ledger->read(sealed_to);
  if (product.has_escrow() && !may_escrow) throw Fault("escrow.not_installed");
  if (!may_issue) throw Fault("ca.not_installed");
  std::vector<std::pair<std::string, std::string>> templates;
  for (const LabelPlace& place : product.labels)
    templates.emplace_back(place.place, std::string(text(files.templates.at(place.place))));

  auto attempt = [&] { try_token(*services_.vault, product); };
  co_await on(*services_.token_pool, attempt);
  auto draw = [&] { return uuid_v7(services_.vault->random(16)); };
  std::string id = co_await on(*services_.token_pool, draw);
  std::string seal_key = "mintmark-lot-" + id;
  Opening is_opening(opening_, seal_key);
  auto make_key = [&] { services_.vault->create_lot_key(seal_key); };
  co_await on(*services_.token_pool, make_key);
  std::optional<Fault> fault;
  Lot lot;
  auto open = [&](Transaction& db) {
    return lots::open(db, actor, order, id, std::string(text(files.product)), templates, seal_key);
  };
  try {
    lot = co_await services_.ledger->transact(open);
  } catch (const Fault& f) {
    fault = f;
  }
  if (fault) {
    auto drop_key = [&] { services_.vault->destroy_lot_key(seal_key); };
    co_await on(*services_.token_pool, drop_key);
    throw Fault(*fault);
  }
  co_await refresh();
  co_return lot;
}

Task<Lot> Line::Impl::close_lot(Actor actor, std::string id) {
  std::vector<SymbolCounts> rest = tally_.rest(id);
  auto close = [&](Transaction& db) {
    for (const SymbolCounts& batch : rest) symbols::add(db, id, batch);
    return lots::close(db, actor, id);
  };
  std::optional<Fault> fault;
  Lot lot;
  try {
    lot = co_await services_.ledger->transact(close);
  } catch (const Fault& f) {
    fault = f;
  }
  if (fault) {
    tally_.give_back(id, rest);
    throw Fault(*fault);
  }
  tally_.forget(id);
  // The real destruction of every sealed copy, in backups too.
  auto destroy = [&] { services_.vault->destroy_lot_key(lot.seal_key); };
  co_await on(*services_.token_pool, destroy);
  co_await checkpoint(Actor("station"), "");
  co_await refresh();
  co_return lot;
}

// A crash between a lot's closing and the destruction of its key is made good here, and one between
// the making of a key and of its lot.
Task<void> Line::Impl::destroy_left_keys() {
  auto list = [&] { return services_.vault->lot_keys(); };
  std::vector<std::string> keys = co_await on(*services_.token_pool, list);
  std::set<std::string> opening = opening_;
  auto look = [](Reader& db) { return lots::unfinished(db); };
  std::vector<Lot> unfinished = co_await services_.ledger->read(look);
  std::vector<std::string> stray = stray_keys(keys, std::move(opening), unfinished);
  auto destroy = [&] {
    for (const std::string& key : stray) services_.vault->destroy_lot_key(key);
  };
  co_await on(*services_.token_pool, destroy);
  if (!stray.empty())
    spdlog::warn("{} keys destroyed whose lots are closed, or never were", stray.size());
}

void Line::Impl::token_turned() {
  publish("station", station());
  changed_.notify();
  if (!token_.away()) spawn(catch_up(), "after the token's absence");
}

// What the token's absence, or a crash, left undone.
Task<void> Line::Impl::catch_up() {
  std::optional<Fault> fault;
  try {
    co_await destroy_left_keys();
  } catch (const Fault& f) {
    fault = f;
  }
  if (fault) {
    spdlog::error("keys of closed lots are still there: {}", fault->what());
    if (TokenWatch::concerns(*fault)) token_.report(*fault);
  }
  co_await checkpoint_when_due();
}

// Every commit looks whether the ledger is still ours; this is for the time when there is none.
Task<void> Line::Impl::watch_ledger() {
  Event pause(executor_);
  while (!lost_) {
    co_await pause.wait_past(pause.count(), kLedgerPause);
    std::optional<Fault> fault;
    try {
      co_await services_.ledger->look();
    } catch (const Fault& f) {
      fault = f;
    }
    if (fault && (fault->code() == "ledger.replaced" || fault->code() == "ledger.tampered"))
      lost_ = fault;
  }
  spdlog::critical("the station stops issuing: {}", lost_->what());
  publish("station", station());
  changed_.notify();
}

Task<Lot> Line::Impl::set_lot(Actor actor, std::string id, bool paused) {
  auto set = [&](Transaction& db) {
    return paused ? lots::pause(db, actor, id, "lot.paused_by_hand") : lots::resume(db, actor, id);
  };
  Lot lot = co_await services_.ledger->transact(set);
  co_await refresh();
  co_return lot;
}

std::shared_ptr<Passage> Line::Impl::passage_of(const std::string& run) const {
  for (const auto& passage : passages_)
    if (passage->run.id == run && !passage->over) return passage;
  return nullptr;
}

// Its run was ended by somebody else.
void Line::Impl::doom(const std::string& run, const Fault& fault) {
  std::shared_ptr<Passage> passage = passage_of(run);
  if (!passage) return;
  passage->doomed = fault;
  passage->changed.notify();
}

// How the label is tied to this unit: by the unit's own code, or by the slot while it sits there. A
// code of another unit, or a slot with another one in it, is the mistake that this step exists to
// catch.
std::string Line::Impl::binding(const Passage& passage, const std::string& unit) const {
  const HardwareId& id = passage.run.hardware_id;
  if (unit == id.source + ":" + id.id) return "unit";
  if (!unit.starts_with("SLOT:")) {
    auto colon = unit.find(':');
    bool a_unit = colon != unit.npos && from_hex(unit.substr(colon + 1));
    throw Fault(a_unit ? "scan.other_unit" : "scan.unit_unknown", {{"serial", passage.run.serial}});
  }
  std::string name = unit.substr(5);
  for (const Bench& bench : benches_) {
    if (bench.name() != name) continue;
    if (!bench.seat || !bench.seat->seated) throw Fault("scan.not_seated", {{"slot", name}});
    if (bench.seat != passage.seat) {
      bool met = !bench.seat->in_use && ending_of(bench.code) != Ending::retry;
      bool comes_back = !met && bench.seat->who.hardware_id == id;
      throw Fault(comes_back ? "scan.not_met" : "scan.other_unit",
                  {{"serial", passage.run.serial}});
    }
    return "slot " + name;
  }
  throw Fault("scan.unit_unknown", {{"serial", passage.run.serial}});
}

Task<Json> Line::Impl::scan(Actor actor, std::string unit, std::string symbol_text) {
  auto symbol = ControlSymbol::parse(symbol_text);
  if (!symbol) throw Fault("scan.malformed");
  auto find = [&](Reader& db) { return runs::by_serial(db, symbol->serial); };
  std::optional<Run> run = co_await services_.ledger->read(find);
  if (!run) throw Fault("scan.unknown", {{"serial", symbol->serial}});
  must_be_scanned(*run);
  std::shared_ptr<Passage> passage = passage_of(run->id);
  if (!passage) throw Fault("run.moved", {{"run", run->id}});  // nobody carries it at the moment
  std::optional<Fault> fault;
  std::string bound_by;
  try {
    bound_by = binding(*passage, unit);
  } catch (const Fault& f) {
    fault = f;
  }
  if (fault) {
    auto note = [&](Transaction& db) {
      runs::note_visit(db, actor, run->slot, run->hardware_id, fault->code(), fault->args());
    };
    co_await services_.ledger->transact(note);
    throw Fault(*fault);
  }
  auto apply = [&](Transaction& db) {
    must_be_scanned(runs::get(db, run->id));
    runs::apply_label(db, actor, *run, *symbol, bound_by);
  };
  co_await services_.ledger->transact(apply);
  auto look = [&](Reader& db) { return runs::labels(db, symbol->serial); };
  std::vector<runs::LabelState> labels = co_await services_.ledger->read(look);
  bool done = labels.size() == passage->product.labels.size();
  for (const runs::LabelState& label : labels) done = done && label.state == "applied";
  passage->changed.notify();
  Json out;
  out["run"] = run->id;
  out["serial"] = symbol->serial;
  out["place"] = symbol->place;
  out["attempt"] = symbol->attempt;
  out["state"] = "applied";
  out["done"] = done;
  co_return out;
}

Task<void> Line::Impl::void_label(Actor actor, std::string symbol_text, std::string reason) {
  auto symbol = ControlSymbol::parse(symbol_text);
  if (!symbol) throw Fault("scan.malformed");
  auto act = [&](Transaction& db) {
    std::optional<Run> run = runs::by_serial(db, symbol->serial);
    if (!run) throw Fault("scan.unknown", {{"serial", symbol->serial}});
    if (run->ending) throw Fault("run.ended", {{"run", run->id}});  // nothing would print another
    runs::void_label(db, actor, *run, *symbol, reason);
    return run->id;
  };
  std::string run = co_await services_.ledger->transact(act);
  if (auto passage = passage_of(run)) passage->changed.notify();
}

// Nobody has it, so somebody may: what it says is burnt, and only two officers bring the unit back.
Task<void> Line::Impl::lose_label(Actor actor, std::string serial, std::string reason) {
  auto act = [&](Transaction& db) { return returns::lose_label(db, actor, serial, reason); };
  Run run = co_await services_.ledger->transact(act);
  doom(run.id, Fault("label.lost"));
  co_await refresh();
}

Task<void> Line::Impl::abandon(Actor actor, std::string id, std::string reason) {
  Fault fault("run.abandoned", {{"reason", reason}, {"by", actor.name}});
  auto act = [&](Transaction& db) {
    Run run = runs::get(db, id);
    if (run.ending) throw Fault("run.ended", {{"run", id}});
    return runs::end(db, actor, run, Ending::abandoned, fault.code(), fault.args());
  };
  co_await services_.ledger->transact(act);
  doom(id, fault);
  co_await refresh();
}

Task<void> Line::Impl::resume_slot(Actor actor, std::string slot) {
  auto act = [&](Transaction& db) { runs::resume_slot(db, actor, slot); };
  co_await services_.ledger->transact(act);
  co_await refresh();
}

Task<std::string> Line::Impl::checkpoint(Actor actor, std::string nonce) {
  if (!nonce.empty()) {
    auto note = [&](Transaction& db) { note_nonce(db, actor, nonce); };
    co_await services_.ledger->transact(note);
  }
  Signer signer = [vault = services_.vault](View message) { return vault->journal_sign(message); };
  Checkpoint signed_head = co_await services_.ledger->checkpoint(std::move(signer));
  co_return signed_head.note;
}

Task<void> Line::Impl::checkpoint_when_due() {
  if (checkpointing_) co_return;
  checkpointing_ = true;
  auto every = static_cast<std::uint64_t>(services_.checkpoint_every);
  auto due = [every](Reader& db) { return checkpoint_due(db, every); };
  std::optional<Fault> fault;
  try {
    if (co_await services_.ledger->read(due)) co_await checkpoint(Actor("station"), "");
  } catch (const Fault& f) {
    fault = f;
  }
  checkpointing_ = false;
  if (!fault) co_return;
  spdlog::error("no checkpoint: {}", fault->what());
  if (TokenWatch::concerns(*fault)) token_.report(*fault);
}

// Reads the label that the spool holds, as the scanner of a demo would, and shows it to the slot it
// sits in.
Task<void> Line::Impl::simulate_scan(std::shared_ptr<Passage> passage) {
  if (!passage->seat || !passage->seat->seated) co_return;
  std::string slot = "SLOT:" + passage->seat->slot->config().name;
  std::vector<runs::LabelState> labels = passage->labels;  // they change while one is scanned
  for (const runs::LabelState& label : labels) {
    if (label.state != "sent") continue;
    LabelJob job(passage->run.serial, label.place, label.attempt);
    Secret zpl = read_label(services_.scanned_spool->path_of(job));
    auto symbol = read_control_symbol(zpl.view());
    if (!symbol) continue;
    try {
      co_await scan(Actor("simulated-scanner"), slot, symbol->str());
    } catch (const Fault& fault) {
      spdlog::debug("simulated scanner: {}", fault.what());
    }
  }
}

}  // namespace mintmark
