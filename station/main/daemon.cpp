#include "station/main/daemon.hpp"

#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "hsm/storage.hpp"
#include "station/label/sink.hpp"
#include "station/ledger/returns.hpp"
#include "station/line/line.hpp"
#include "station/main/station.hpp"

namespace mintmark {

namespace {

using std::chrono::microseconds;
using std::chrono::seconds;

constexpr auto kNoThrow = asio::as_tuple(asio::use_awaitable);

// Half the time after which systemd would take us for dead; zero where nobody watches.
microseconds watchdog_pause() {
  const char* text = std::getenv("WATCHDOG_USEC");
  return microseconds(text != nullptr ? std::strtoll(text, nullptr, 10) / 2 : 0);
}

void send_to_manager(const std::string& state, int flags) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::size_t size = std::strlen(path);
  if (size == 0 || size >= sizeof address.sun_path) return;
  std::memcpy(address.sun_path, path, size);
  if (path[0] == '@') address.sun_path[0] = '\0';  // an abstract name
  int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  ::sendto(fd, state.data(), state.size(), flags | MSG_NOSIGNAL,
           reinterpret_cast<sockaddr*>(&address),
           static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size));
  ::close(fd);
}

// A manager that is behind with its mail has some of ours still: the line does not wait for it.
Task<void> feed_watchdog(asio::steady_timer& timer, microseconds pause) {
  while (pause.count() > 0) {
    send_to_manager("WATCHDOG=1", MSG_DONTWAIT);
    timer.expires_after(pause);
    auto [error] = co_await timer.async_wait(kNoThrow);
    if (error) co_return;
  }
}

// Everything between the first and the last line of a daemon's life, in the order of its making;
// it is taken down in the reverse order.
class Station {
 public:
  explicit Station(const Config& config)
      : config_(config),
        directories_(written_directories(config)),
        vault_(config.token),
        ledger_(config.ledger()),
        tokens_(static_cast<std::size_t>(config.token.sessions)),
        sink_(config.label_directory, config.allow_plaintext_spool),
        line_(io_.get_executor(), services(), config.slots),
        desk_(line_, services()),
        rest_(desk_),
        watchdog_(io_),
        signals_(io_, SIGTERM, SIGINT) {
    must_belong_together(vault_, ledger_.birth(), config);
    must_be_anchored(vault_, ledger_);
    use_signers(vault_, ledger_);
    anchor_from_here(vault_, ledger_);
    desk_.station = ledger_.birth().station;
    desk_.demo = ledger_.birth().demo;
    desk_.owner_key = ledger_.birth().owner_key;
    desk_.hosts = config.hosts();
    desk_.ca_name = ca_name(config, desk_.station);
    desk_.doctor = [this] { return examine_running(); };
    server_.emplace(io_, rest_, config.listen);
  }

  void run() {
    fail_interrupted_acts(desk_);
    ledger_.transact_now([](Transaction& db) { returns::deny_left_beside(db); });
    line_.start();
    server_->start();
    asio::co_spawn(io_, feed_watchdog(watchdog_, watchdog_pause()), asio::detached);
    signals_.async_wait([this](auto error, int) {
      if (!error) stop();
    });
    notify_manager("READY=1\nSTATUS=serving");
    spdlog::info("serving station {} with {} slots{}{}", desk_.station, config_.slots.size(),
                 server_->port() != 0 ? " at https port " + std::to_string(server_->port()) : "",
                 desk_.demo ? " (DEMO)" : "");
    io_.run();
    // What was told to stop comes to its end by itself; what does not within 5 s is left.
    io_.restart();
    io_.run_for(seconds(5));
  }

 private:
  Services services() {
    Services out(vault_, tokens_, ledger_, sink_);
    if (config_.simulate_scanner && ledger_.birth().demo) out.scanned_spool = &sink_;
    out.checkpoint_every = config_.checkpoint_every;
    out.when_away = config_.when_away;
    out.directories = directories_;
    return out;
  }

  void stop() {
    spdlog::info("stopping");
    notify_manager("STOPPING=1");
    server_->stop();
    desk_.close_streams();
    line_.stop();
    watchdog_.cancel();
    signals_.cancel();
    io_.stop();
  }

  Task<std::vector<Check>> examine_running() {
    std::vector<Check> out;
    out.emplace_back("configuration", true, config_.file + " is understood.");
    auto count = [](Reader& db) { return journal_size(db); };
    std::uint64_t entries = co_await ledger_.read(count);
    out.emplace_back("ledger", true,
                     "The ledger of station " + desk_.station +
                         " is open: " + std::to_string(entries) + " journal entries.");
    auto look = [this] {
      std::vector<Check> found = check_surroundings(config_);
      found.insert(found.begin(), check_anchor(vault_, ledger_));
      found.insert(found.begin(), check_token(vault_, ledger_, config_));
      return found;
    };
    std::vector<Check> found = co_await on(tokens_, look);
    for (Check& check : found) out.push_back(std::move(check));
    co_return out;
  }

  static std::vector<std::string> written_directories(const Config& config) {
    std::vector<std::string> out = {config.state_dir};
    if (auto tokens = token_directory(config.token)) out.push_back(std::move(*tokens));
    return out;
  }

  const Config& config_;
  const std::vector<std::string> directories_;
  asio::io_context io_{1};
  Vault vault_;
  Ledger ledger_;
  asio::thread_pool tokens_;  // its threads use both of the above
  SpoolSink sink_;
  Line line_;
  Desk desk_;
  Rest rest_;
  std::optional<Server> server_;
  asio::steady_timer watchdog_;
  asio::signal_set signals_;
};

}  // namespace

void notify_manager(const std::string& state) { send_to_manager(state, 0); }

void serve(const Config& config) {
  ::umask(077);
  std::signal(SIGPIPE, SIG_IGN);
  Station station(config);
  station.run();
}

}  // namespace mintmark
