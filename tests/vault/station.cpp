#include "tests/vault/station.hpp"

#include <openssl/evp.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <boost/asio/steady_timer.hpp>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "station/credential/idevid.hpp"
#include "station/words/clock.hpp"
#include "station/words/crypto.hpp"

namespace mintmark {

// --- Owner ---

static Bytes read_example(const std::string& name) {
  std::ifstream file(std::string(MINTMARK_SOURCE) + "/deploy/examples/" + name, std::ios::binary);
  if (!file) throw std::runtime_error("no example " + name);
  return {std::istreambuf_iterator<char>(file), {}};
}

static void replace(Bytes& file, const std::string& what, const std::string& with) {
  std::string out(text(file));
  std::size_t at = out.find(what);
  if (at == std::string::npos) throw std::runtime_error("no " + what + " in the product");
  file = to_bytes(view(out.replace(at, what.size(), with)));
}

Bytes product_of(const Article& article) {
  Bytes out = read_example(article.product);
  if (article.has_generator) return out;
  replace(out, "\"enrol\"", "\"static-session\"");
  replace(out, "length = 16", "derivation = \"keyed\"\nlength = 16");
  replace(out, "[identity]\n", "[identity]\nkey = \"wrapped\"\naccept_unattested = true\n");
  return out;
}

Bytes label_of(const Article& article) { return read_example(article.label); }

Owner::Owner(Article article)
    : article_(std::move(article)), key_(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")) {}
Owner::~Owner() { EVP_PKEY_free(key_); }

Bytes Owner::public_key() const {
  Bytes out(32);
  std::size_t size = out.size();
  if (EVP_PKEY_get_raw_public_key(key_, out.data(), &size) != 1) throw std::runtime_error("key");
  return out;
}

OrderFiles Owner::order(const std::string& station, int number, int quantity) const {
  OrderFiles out;
  out.product = product_of(article_);
  out.templates["device"] = label_of(article_);
  std::string prefix = "L" + std::to_string(number) + "-";
  Json json;
  json["order"] = uuid_v7(random_bytes(16));
  json["station"] = station;
  json["product"] = {
      {"name", article_.name}, {"number", article_.number}, {"sha256", hex(sha256(out.product))}};
  json["quantity"] = quantity;
  json["spares"] = 0;
  json["serials"] = Json::array({{{"first", prefix + "000001"}, {"last", prefix + "009999"}}});
  json["not_after"] = "2999-12-31";
  json["kind"] = "trial";
  out.order = to_bytes(view(json.dump()));
  Bytes signature(64);
  std::size_t size = signature.size();
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  EVP_DigestSignInit(context, nullptr, nullptr, nullptr, key_);
  EVP_DigestSign(context, signature.data(), &size, out.order.data(), out.order.size());
  EVP_MD_CTX_free(context);
  out.signature = base64(signature);
  return out;
}

// --- Outside ---

Outside::Outside(const std::string& path) {
  if (sqlite3_open_v2(path.c_str(), &db_, SQLITE_OPEN_READONLY, nullptr) != SQLITE_OK)
    throw std::runtime_error("ledger");
  sqlite3_busy_timeout(db_, 5000);
}
Outside::~Outside() { sqlite3_close(db_); }

std::vector<Bytes> Outside::rows(const char* sql, const std::string& value) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(db_, sql, -1, &statement, nullptr) != SQLITE_OK)
    throw std::runtime_error(sqlite3_errmsg(db_));
  if (sqlite3_bind_parameter_count(statement) > 0)
    sqlite3_bind_text(statement, 1, value.data(), static_cast<int>(value.size()), SQLITE_TRANSIENT);
  std::vector<Bytes> out;
  while (sqlite3_step(statement) == SQLITE_ROW) {
    const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement, 0));
    out.emplace_back(data, data + sqlite3_column_bytes(statement, 0));
  }
  sqlite3_finalize(statement);
  return out;
}

std::string Outside::one(const char* sql, const std::string& value) {
  std::vector<Bytes> found = rows(sql, value);
  return found.empty() ? "" : std::string(text(found.front()));
}

std::vector<Bytes> Outside::fingerprints(const std::string& hardware) {
  return rows(
      "SELECT f.value FROM fingerprint f JOIN unit u ON u.id = f.unit WHERE u.hw = ? "
      "AND u.source = 'demo-otp'",
      hardware);
}

// --- Station ---

static std::string make_ledger(const TemporaryDirectory& directory, Vault& vault,
                               const Owner& owner) {
  Birth birth;
  birth.station = uuid_v4(vault.random(16));
  birth.ledger = uuid_v4(vault.random(16));
  birth.demo = true;
  birth.owner_key = owner.public_key();
  birth.fingerprint_check = vault.check_value();
  birth.journal_key = vault.journal_public_key();
  birth.ca = make_ca_certificate(vault, "Sweep CA " + birth.station.substr(0, 8));
  birth.created_by = "sweep";
  birth.created_at = utc_now();
  std::string path = (directory.path() / "ledger.db").string();
  Ledger::create(path, birth);
  return path;
}

static std::shared_ptr<spdlog::logger> logger_into(std::ostream& out) {
  auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(out);
  auto logger = std::make_shared<spdlog::logger>("station", sink);
  logger->set_level(spdlog::level::trace);
  return logger;
}

Station::Station(const TokenConfig& config, const Owner& owner)
    : owner_(owner),
      vault(config),
      path(make_ledger(directory, vault, owner)),
      ledger(path),
      outside(path),
      line_(io_.get_executor(), services(), slots()) {
  bool keyed = !owner.article().has_generator;
  if (keyed && !vault.has_derivation_key()) vault.create_derivation_key();
  spdlog::set_default_logger(logger_into(log_));
  hearing_ = line_.subscribe(
      [this](std::uint64_t, const std::string& name, const Json& data) { hear(name, data); });
  line_.start();
}

Station::~Station() {
  line_.stop();
  io_.restart();
  io_.poll();
  pool_.join();
  io_.restart();
  io_.poll();
  hearing_.reset();
}

std::vector<std::unique_ptr<Slot>> Station::slots() {
  auto committed = [this](const std::string& hardware) { return outside.fingerprints(hardware); };
  auto slot = std::make_unique<MemorySlot>(io_.get_executor(), committed);
  slot_ = slot.get();
  std::vector<std::unique_ptr<Slot>> out;
  out.push_back(std::move(slot));
  return out;
}

std::string Station::new_hardware() { return hex(random_bytes(8)); }

template <class T>
T Station::run(Task<T> task) {
  std::optional<T> out;
  std::exception_ptr error;
  asio::co_spawn(io_, std::move(task), [&](std::exception_ptr failed, T value) {
    error = failed;
    out.emplace(std::move(value));
  });
  io_.restart();
  while (!out && !error) io_.run_one();
  if (error) std::rethrow_exception(error);
  return std::move(*out);
}

void Station::hear(const std::string& name, const Json& data) {
  if (name == "station") refreshed_ = true;
  if (name == "slot") {
    state_ = data["state"];
    code_ = data["code"].is_null() ? "" : data["code"].get<std::string>();
    run_ = data["run"].is_null() ? "" : data["run"].get<std::string>();
    if (state_ == "ended") refreshed_ = false;
  }
  if (name != "pending") return;
  for (const Json& entry : data["pending"]) {
    std::string symbol = entry["symbol"];
    if (std::exchange(seen_[symbol], true)) continue;
    asio::co_spawn(io_, operate(entry["serial"], symbol), [](const std::exception_ptr&) {});
  }
}

// As people do: a label that is there is scanned, one that never came out is voided. Who is told
// that the unit is not in its slot, or not met there yet, tries again.
Task<void> Station::operate(std::string serial, std::string symbol) {
  asio::steady_timer pause(io_);
  while (!co_await done(serial, symbol)) {
    pause.expires_after(std::chrono::milliseconds(20));
    co_await pause.async_wait(asio::use_awaitable);
  }
}

Task<bool> Station::done(const std::string& serial, const std::string& symbol) {
  auto label = sink.printed.find(serial);
  try {
    if (label != sink.printed.end() && label->second.find(symbol) != std::string::npos)
      co_await line_.scan(Actor("operator"), "SLOT:1", symbol);
    else
      co_await line_.void_label(Actor("lead"), symbol, "it did not come out");
  } catch (const Fault& fault) {
    co_return fault.code() != "scan.not_met" && fault.code() != "scan.not_seated";
  }
  co_return true;
}

// Its unit is done with, and what is left to do waits for a token that is away: the page says so of
// the station, not of the slot.
bool Station::waits_elsewhere() const {
  return state_ == "free" && line_.station()["token"] == "away";
}

// A passage that has ended is followed by its refresh; everything else by nothing.
bool Station::settled(Token token) const {
  if (!slot_->is_resting()) return false;
  if (waits_elsewhere()) return token == Token::harmed;
  bool waits = state_ == "paused" && code_.starts_with("token.");
  if (waits && token == Token::works) return false;
  return state_ == "paused" || (state_ == "ended" && (refreshed_ || run_.empty()));
}

void Station::turn(const std::function<bool()>& until, bool& hung) {
  // Against a line that stands still for ever, not a measure: a machine may be busy.
  auto limit = std::chrono::steady_clock::now() + std::chrono::minutes(5);
  while (!until() && !hung) {
    if (io_.stopped()) io_.restart();
    io_.run_one_for(std::chrono::milliseconds(100));
    hung = std::chrono::steady_clock::now() > limit;
  }
}

Stay Station::pass(MemoryUnit& unit, Token token) {
  Stay out;
  state_.clear();
  turn([this] { return slot_->is_waiting(); }, out.hung);
  slot_->seat(unit);
  turn([this, token] { return settled(token); }, out.hung);
  out.state = waits_elsewhere() ? "paused" : state_;
  out.code = waits_elsewhere() ? line_.station()["token_code"].get<std::string>() : code_;
  sent = slot_->take_sent();
  try {
    run(line_.checkpoint(Actor("auditor"), ""));
  } catch (const Fault& fault) {
    out.checkpoint = fault.code();
  }
  slot_->unseat();
  turn([this] { return slot_->is_waiting(); }, out.hung);
  return out;
}

Lot Station::open_lot(int quantity) {
  return run(
      line_.open_lot(Actor("owner"), owner_.order(ledger.birth().station, ++orders_, quantity)));
}

Lot Station::close_lot(const std::string& lot) { return run(line_.close_lot(Actor("lead"), lot)); }

std::optional<std::string> Station::stopped() {
  return ledger.read_now([](Reader& db) { return lots::stopped(db); });
}

}  // namespace mintmark
