#include "tests/vault/unit.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "station/line/recipe.hpp"
#include "station/words/crypto.hpp"

namespace mintmark {

namespace {

const mu_span kName = mu_text("admin");

void append(void* out, mu_span frame, bool /*last*/) {
  auto* bytes = static_cast<Bytes*>(out);
  bytes->insert(bytes->end(), frame.data, frame.data + frame.size);
}

// What a chip's maker does once.
const mu_fuses* burn_fuses(mu_fuses& fuses) {
  Bytes point(MU_POINT);
  if (!mu_p256_generate(fuses.key, point.data())) throw std::runtime_error("fuses of a unit");
  mu_spki_from_point(point.data(), fuses.spki);
  return &fuses;
}

}  // namespace

MemoryUnit::MemoryUnit(const std::filesystem::path& directory, const std::string& hardware,
                       const Article& article)
    : hardware_(hardware), path_((directory / ("flash-" + hardware)).string()) {
  Bytes raw = HardwareId("demo-otp", hardware).raw();
  config_.src = "demo-otp";
  config_.hw_size = raw.size();
  std::copy(raw.begin(), raw.end(), config_.hw);
  config_.model = article.model.c_str();
  config_.firmware = "1.4.0";
  config_.secure_boot = true;
  config_.policy = MU_RESET_OWN_CREDENTIAL;
  config_.feature = "relay";
  config_.iterations = 1000;
  config_.max_failures = 10;
  if (!article.has_generator) config_.fuses = burn_fuses(fuses_);
  start();
}

MemoryUnit::~MemoryUnit() {
  mu_flash_close(flash_.get());
  std::filesystem::remove(path_);
  std::filesystem::remove(path_ + ".lock");
}

void MemoryUnit::start() {
  if (!mu_flash_open(flash_.get(), path_.c_str())) throw std::runtime_error("flash of a unit");
  mu_host host{};
  host.context = &sent_;
  host.send = append;
  if (!mu_unit_start(unit_.get(), &config_, &host, flash_.get()))
    throw std::runtime_error("start of a unit");
}

Bytes MemoryUnit::answer(View line) {
  mu_unit_receive(unit_.get(), line.data(), line.size());
  Bytes out = std::exchange(sent_, Bytes());
  if (unit_->restart_wanted) {
    mu_flash_close(flash_.get());
    start();
  }
  return out;
}

Bytes MemoryUnit::spki() const {
  Bytes out(MU_MAX_SPKI);
  std::size_t size = 0;
  if (!mu_key_spki(&unit_->store.key, out.data(), &size)) return {};
  out.resize(size);
  return out;
}

bool MemoryUnit::lets_in(View password) const {
  const mu_verifier* verifier = mu_find_credential(&unit_->store.accounts.factory, kName);
  return verifier != nullptr && mu_verify(verifier, mu_bytes(password.data(), password.size()));
}

std::vector<Bytes> MemoryUnit::raw_secrets() const {
  std::vector<Bytes> out;
  const mu_raw_list& raw = unit_->store.raw;
  for (const mu_raw* one = raw.list; one != raw.list + raw.count; ++one) {
    bool is_public = text(View(one->name, one->name_size)) == kWifiSsid;
    if (!is_public) out.push_back(to_bytes(View(one->value, one->value_size)));
  }
  return out;
}

// Bytes go straight into the unit's code and its answer straight out.
class MemorySlot::Cable : public Transport {
 public:
  MemoryUnit* unit = nullptr;

  std::string name() const override { return "memory"; }
  void open() override {
    if (unit == nullptr) throw lost();
    open_ = true;
  }
  void close() override {
    open_ = false;
    answer_.clear();
  }
  bool is_open() const override { return open_; }
  void discard_input() override { answer_.clear(); }
  Task<void> write(View bytes, Deadline /*deadline*/) override {
    if (!open_ || unit == nullptr) throw lost();
    Bytes more = unit->answer(bytes);
    answer_.insert(answer_.end(), more.begin(), more.end());
    co_return;
  }
  // A unit here answers at once or never.
  Task<Bytes> read(Deadline /*deadline*/) override {
    if (!open_ || unit == nullptr) throw lost();
    if (answer_.empty()) throw Fault("contact.timeout", {{"port", name()}});
    co_return std::exchange(answer_, Bytes());
  }

 private:
  Fault lost() const { return Fault("contact.lost", {{"port", name()}}); }
  bool open_ = false;
  Bytes answer_;
};

// The real protocol, and a note of each secret that is sent through it.
class MemorySlot::Watch : public Protocol {
 public:
  Watch(Cable& cable, Committed committed)
      : cable_(cable), inner_(cable, 115200), committed_(std::move(committed)) {}

  SmpUnit& inner() { return inner_; }
  std::vector<Sent> sent;

  Task<Identification> identify() override { return inner_.identify(); }
  Task<Identification> restart() override { return inner_.restart(); }
  Task<UnitError> open_enrolment(HardwareId unit, Bytes run) override {
    return inner_.open_enrolment(std::move(unit), std::move(run));
  }
  Task<KeyRequest> request_certificate(std::string algorithm) override {
    return inner_.request_certificate(std::move(algorithm));
  }
  Task<UnitError> store_certificate(Bytes certificate, Bytes reopen) override {
    return inner_.store_certificate(std::move(certificate), std::move(reopen));
  }
  Task<Bytes> static_key() override { return inner_.static_key(); }
  Task<UnitError> store_key(KeyDelivery key, Bytes certificate, Bytes reopen) override {
    return inner_.store_key(std::move(key), std::move(certificate), std::move(reopen));
  }
  Bytes attestation() const override { return inner_.attestation(); }
  Task<UnitError> open_identity(HardwareId unit, Bytes run, Bytes spki) override {
    return inner_.open_identity(std::move(unit), std::move(run), std::move(spki));
  }
  Task<Bytes> open_identity_of_any_key(HardwareId unit, Bytes run) override {
    return inner_.open_identity_of_any_key(std::move(unit), std::move(run));
  }
  Task<std::optional<Bytes>> run_nonce() override { return inner_.run_nonce(); }
  Task<UnitError> set_run_nonce(Bytes nonce) override {
    return inner_.set_run_nonce(std::move(nonce));
  }
  Task<UnitError> inject(std::string name, const Secret& canonical) override {
    note(canonical);
    return inner_.inject(std::move(name), canonical);
  }
  Task<UnitError> inject_raw(std::string name, const Secret& value) override {
    if (name != kWifiSsid) note(value);  // the network's name is public
    return inner_.inject_raw(std::move(name), value);
  }
  Task<Proof> prove_raw(std::string name, const Secret& value) override {
    return inner_.prove_raw(std::move(name), value);
  }
  Task<Proof> prove(std::string name, const Secret& canonical) override {
    return inner_.prove(std::move(name), canonical);
  }
  Task<UnitError> ask_proof(std::string name) override { return inner_.ask_proof(std::move(name)); }
  Task<std::optional<bool>> login(std::string name, const Secret& password) override {
    note(password);
    return inner_.login(std::move(name), password);
  }
  Task<UnitError> ask_login(std::string name, const Secret& password) override {
    note(password);
    return inner_.ask_login(std::move(name), password);
  }
  Task<UnitError> set_password(std::string name, const Secret& password) override {
    note(password);
    return inner_.set_password(std::move(name), password);
  }
  Task<bool> feature(std::string feature) override { return inner_.feature(std::move(feature)); }
  Task<std::optional<Bytes>> marker() override { return inner_.marker(); }
  Task<UnitError> set_marker(Bytes value) override { return inner_.set_marker(std::move(value)); }
  Task<Identification> factory_reset() override { return inner_.factory_reset(); }
  Task<UnitError> lock() override { return inner_.lock(); }
  Task<Bytes> reopen_nonce() override { return inner_.reopen_nonce(); }
  Task<UnitError> reopen(std::vector<std::string> acts, Bytes signature) override {
    return inner_.reopen(std::move(acts), std::move(signature));
  }
  std::uint64_t bytes_on_wire() const override { return inner_.bytes_on_wire(); }

 private:
  void note(const Secret& secret) {
    if (cable_.unit == nullptr) return;  // it was taken out: the cable carries nothing
    Sent one;
    one.secret = to_bytes(secret.view());
    for (const Sent& before : sent)
      if (before.secret == one.secret) return;
    one.committed = committed_(cable_.unit->hardware());
    sent.push_back(std::move(one));
  }

  Cable& cable_;
  SmpUnit inner_;
  Committed committed_;
};

static SlotConfig slot_config() {
  SlotConfig out;
  out.name = "1";
  out.protocol = "smp";
  out.port = "memory";
  return out;
}

MemorySlot::MemorySlot(const asio::any_io_executor& executor, Committed committed)
    : config_(slot_config()),
      changed_(executor),
      cable_(std::make_unique<Cable>()),
      watch_(std::make_unique<Watch>(*cable_, std::move(committed))) {}
MemorySlot::~MemorySlot() = default;

void MemorySlot::seat(MemoryUnit& unit) {
  cable_->unit = &unit;
  changed_.notify();
}

void MemorySlot::unseat() {
  cable_->close();
  cable_->unit = nullptr;
  changed_.notify();
}

bool MemorySlot::is_waiting() const { return waiting_ && cable_->unit == nullptr; }
bool MemorySlot::is_resting() const { return resting_; }
std::vector<Sent> MemorySlot::take_sent() { return std::exchange(watch_->sent, {}); }
const SlotConfig& MemorySlot::config() const { return config_; }
Protocol& MemorySlot::protocol() { return *watch_; }

Task<Identification> MemorySlot::arrival(std::function<void(const std::string&)> /*trouble*/) {
  for (;;) {
    std::uint64_t seen = changed_.count();
    waiting_ = true;
    if (cable_->unit == nullptr) {
      co_await changed_.wait_past(seen);
      continue;
    }
    Sighting sighting = co_await watch_->inner().look(kPrompt);
    waiting_ = false;
    if (!sighting.who) throw Fault("station.internal", {}, "a unit in memory did not answer");
    watch_->inner().meet(*sighting.who);
    co_return std::move(*sighting.who);
  }
}

Task<void> MemorySlot::departure() {
  while (cable_->unit != nullptr) {
    std::uint64_t seen = changed_.count();
    resting_ = true;
    co_await changed_.wait_past(seen);
    resting_ = false;
    if (changed_.count() == seen) co_return;  // somebody has stopped waiting
  }
}

}  // namespace mintmark
