#include "station/main/https.hpp"

#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <set>

namespace mintmark {

namespace http = boost::beast::http;
namespace ssl = asio::ssl;
using asio::ip::tcp;
using Local = asio::local::stream_protocol;
using Error = boost::system::error_code;
using std::chrono::seconds;

namespace {

constexpr auto kQuietly = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kHeaderLimit = 16 << 10;
constexpr std::size_t kDrainLimit = 2 << 20;

// One connection's life line: when the time is up, or the server stops, its socket is closed and
// whatever waits on it ends with an error. A timer that has fired may still be in the queue when
// the budget is renewed or the connection is gone: its number tells.
class Tether {
 public:
  Tether(const asio::any_io_executor& executor, seconds patience, std::function<void()> cut)
      : timer_(executor), patience_(patience), state_(std::make_shared<State>()) {
    state_->cut = std::move(cut);
  }
  ~Tether() { ++state_->number; }
  void within(seconds budget) {
    timer_.expires_after(budget);
    timer_.async_wait([state = state_, number = ++state_->number](Error error) {
      if (!error && state->number == number) state->cut();
    });
  }
  void within_patience() { within(patience_); }
  void cut() { state_->cut(); }

 private:
  struct State {
    std::function<void()> cut;
    unsigned long number = 0;
  };
  asio::steady_timer timer_;
  seconds patience_;
  std::shared_ptr<State> state_;
};

struct Peer {
  bool tls = false;
  std::optional<unsigned> uid;
};

using Parser = http::request_parser<http::string_body>;

std::string field(const Parser& parser, http::field name) {
  auto value = parser.get()[name];
  return {value.data(), value.size()};
}
std::string field(const Parser& parser, const char* name) {
  auto value = parser.get()[name];
  return {value.data(), value.size()};
}

Request read_request(Parser& parser, const Peer& peer) {
  Request request;
  auto method = parser.get().method_string();
  auto target = parser.get().target();
  request.method.assign(method.data(), method.size());
  request.target.assign(target.data(), target.size());
  request.host = field(parser, http::field::host);
  request.authorization = field(parser, http::field::authorization);
  request.cookie = field(parser, http::field::cookie);
  request.origin = field(parser, http::field::origin);
  request.sec_fetch_site = field(parser, "Sec-Fetch-Site");
  request.content_type = field(parser, http::field::content_type);
  request.body = std::move(parser.get().body());
  request.tls = peer.tls;
  request.uid = peer.uid;
  return request;
}

template <class Message>
void fill(Message& message, const Response& response, bool keep_alive) {
  message.result(static_cast<unsigned>(response.status));
  message.version(11);
  message.keep_alive(keep_alive);
  if (!response.type.empty()) message.set(http::field::content_type, response.type);
  for (const auto& [name, value] : response.headers) message.insert(name, value);
}

template <class Socket>
Task<bool> send_whole(Socket& socket, Response response, bool keep_alive, Tether& tether) {
  http::response<http::string_body> message;
  fill(message, response, keep_alive);
  message.body() = std::move(response.body);
  if (response.status != 204) message.prepare_payload();
  tether.within_patience();
  auto [error, size] = co_await http::async_write(socket, message, kQuietly);
  co_return !error && keep_alive;
}

// A piece at a time, so that no answer is larger in memory than one piece. An error on the way
// closes the connection without the last chunk: the reader sees that it is not whole.
template <class Socket>
Task<bool> send_stream(Socket& socket, Response response, bool keep_alive, Tether& tether) {
  http::response<http::empty_body> message;
  fill(message, response, keep_alive);
  message.chunked(true);
  http::response_serializer<http::empty_body> serializer(message);
  tether.within_patience();
  auto [failed, header_size] = co_await http::async_write_header(socket, serializer, kQuietly);
  if (failed) co_return false;
  while (true) {
    tether.within_patience();
    auto piece = co_await response.stream->next();
    if (!piece) break;
    if (piece->empty()) continue;
    auto chunk = http::make_chunk(asio::buffer(*piece));
    auto [error, size] = co_await asio::async_write(socket, chunk, kQuietly);
    if (error) co_return false;
  }
  auto last = http::make_chunk_last();
  auto [error, size] = co_await asio::async_write(socket, last, kQuietly);
  co_return !error && keep_alive;
}

// What the client still sends is read away for a moment, or its kernel would throw our answer away.
template <class Socket>
Task<void> drain(Socket& socket, Tether& tether) {
  std::array<char, 4096> sink{};
  std::size_t total = 0;
  tether.within(seconds(2));
  while (total < kDrainLimit) {
    auto [error, size] = co_await socket.async_read_some(asio::buffer(sink), kQuietly);
    if (error) break;
    total += size;
  }
}

Fault refusal_of(Error error) {
  if (error == http::error::body_limit) return Fault("http.too_large");
  if (error == http::error::header_limit || error == http::error::buffer_overflow)
    return Fault("http.too_large");
  return Fault("http.malformed", {{"reason", "not HTTP"}});
}

bool is_http_error(Error error) {
  return error.category() == http::make_error_code(http::error::bad_method).category() &&
         error != http::error::end_of_stream && error != http::error::partial_message;
}

template <class Socket>
Task<void> go_on(Socket& socket, Tether& tether) {
  static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  tether.within_patience();
  co_await asio::async_write(socket, asio::buffer(kContinue), kQuietly);
}

// One request; true while the connection is good for another.
template <class Socket>
Task<bool> exchange(Socket& socket, boost::beast::flat_buffer& buffer, Rest& rest, const Peer& peer,
                    Tether& tether) {
  Parser parser;
  parser.header_limit(kHeaderLimit);
  parser.body_limit(boost::none);
  tether.within_patience();
  auto [failed, header_size] = co_await http::async_read_header(socket, buffer, parser, kQuietly);
  Error error = failed;
  if (!error) {
    auto target = parser.get().target();
    auto method = parser.get().method_string();
    std::size_t limit = Rest::body_limit(std::string_view(method.data(), method.size()),
                                         std::string_view(target.data(), target.size()));
    parser.body_limit(limit);
    auto announced = parser.content_length();
    if (announced && *announced > limit) {
      error = http::error::body_limit;
    } else {
      if (parser.get()[http::field::expect] == "100-continue") co_await go_on(socket, tether);
      auto [bad, body_size] = co_await http::async_read(socket, buffer, parser, kQuietly);
      error = bad;
    }
  }
  if (error) {
    if (!is_http_error(error)) co_return false;
    Response refusal = Rest::refusal(refusal_of(error));
    co_await send_whole(socket, std::move(refusal), false, tether);
    co_await drain(socket, tether);
    co_return false;
  }
  bool keep_alive = parser.get().keep_alive();
  Request request = read_request(parser, peer);
  tether.within(seconds(120));
  Response response = co_await rest.handle(std::move(request));
  if (response.stream)
    co_return co_await send_stream(socket, std::move(response), keep_alive, tether);
  co_return co_await send_whole(socket, std::move(response), keep_alive, tether);
}

template <class Socket>
Task<void> converse(Socket& socket, Rest& rest, const Peer& peer, Tether& tether) {
  boost::beast::flat_buffer buffer(kHeaderLimit * 2);
  while (co_await exchange(socket, buffer, rest, peer, tether)) {
  }
}

// SECLEVEL 2 is 112 bits of strength; TLS 1.2 at least; nothing is renegotiated or compressed.
void configure_tls(ssl::context& tls, const Listen& listen) {
  SSL_CTX* context = tls.native_handle();
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_security_level(context, 2);
  SSL_CTX_set_options(
      context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  if (SSL_CTX_set_cipher_list(context, "DEFAULT@SECLEVEL=2") != 1)
    throw Fault("http.certificate", {{"file", ""}, {"reason", "the ciphers are not known"}});
  Error error;
  tls.use_certificate_chain_file(listen.certificate, error);
  if (error)
    throw Fault("http.certificate", {{"file", listen.certificate}, {"reason", error.message()}});
  struct stat status {};
  if (::stat(listen.key.c_str(), &status) == 0 && (status.st_mode & 077) != 0)
    throw Fault("http.certificate",
                {{"file", listen.key}, {"reason", "others can read it: chmod 600"}});
  tls.use_private_key_file(listen.key, ssl::context::pem, error);
  if (error || SSL_CTX_check_private_key(context) != 1)
    throw Fault("http.certificate",
                {{"file", listen.key},
                 {"reason", error ? error.message() : "it does not belong to the certificate"}});
}

std::optional<unsigned> peer_uid(Local::socket& socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
    return std::nullopt;
  return peer.uid;
}

}  // namespace

class Server::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(asio::io_context& io, Rest& rest, const Listen& listen)
      : io_(io),
        rest_(rest),
        tls_(ssl::context::tls_server),
        tcp_(io),
        local_(io),
        path_(listen.socket),
        patience_(listen.patience_s) {
    if (!listen.address.empty()) bind_tls(listen);
    bind_local();
  }

  void start() {
    if (tcp_.is_open()) asio::co_spawn(io_, accept_tls(shared_from_this()), asio::detached);
    asio::co_spawn(io_, accept_local(shared_from_this()), asio::detached);
  }

  void stop() {
    Error ignored;
    tcp_.close(ignored);
    if (local_.is_open()) ::unlink(path_.c_str());
    local_.close(ignored);
    auto tethers = tethers_;
    for (Tether* tether : tethers) tether->cut();
  }

  unsigned short port() const {
    Error ignored;
    return tcp_.is_open() ? tcp_.local_endpoint(ignored).port() : static_cast<unsigned short>(0);
  }

 private:
  using Self = std::shared_ptr<Impl>;

  void bind_tls(const Listen& listen) {
    configure_tls(tls_, listen);
    try {
      tcp::endpoint endpoint(asio::ip::make_address(listen.address), listen.port);
      tcp_.open(endpoint.protocol());
      tcp_.set_option(tcp::acceptor::reuse_address(true));
      tcp_.bind(endpoint);
      tcp_.listen();
    } catch (const boost::system::system_error& error) {
      throw Fault("http.listen", {{"address", listen.address + ":" + std::to_string(listen.port)},
                                  {"reason", error.code().message()}});
    }
  }

  // A socket file that nobody answers on is left over from a crash and is taken away.
  void bind_local() {
    try {
      Local::endpoint endpoint(path_);
      Local::socket probe(io_);
      Error refused;
      probe.connect(endpoint, refused);
      if (!refused) throw Fault("station.running", {{"socket", path_}});
      struct stat status {};
      if (::lstat(path_.c_str(), &status) == 0 && S_ISSOCK(status.st_mode)) ::unlink(path_.c_str());
      local_.open();
      mode_t before = ::umask(0117);
      Error error;
      local_.bind(endpoint, error);
      ::umask(before);
      if (error) throw boost::system::system_error(error);
      local_.listen();
    } catch (const boost::system::system_error& error) {
      throw Fault("http.listen", {{"address", path_}, {"reason", error.code().message()}});
    }
  }

  bool full() const { return tethers_.size() >= static_cast<std::size_t>(kMaxConnections); }

  // Out of descriptors: a moment's rest instead of a busy loop.
  Task<void> breathe() {
    asio::steady_timer timer(io_, std::chrono::milliseconds(50));
    co_await timer.async_wait(kQuietly);
  }

  Task<void> accept_tls(Self self) {
    while (self->tcp_.is_open()) {
      auto [error, socket] = co_await self->tcp_.async_accept(kQuietly);
      if (error && self->tcp_.is_open()) co_await self->breathe();
      if (error || self->full()) continue;
      asio::co_spawn(self->io_, serve_tls(self, std::move(socket)), asio::detached);
    }
  }

  Task<void> accept_local(Self self) {
    while (self->local_.is_open()) {
      auto [error, socket] = co_await self->local_.async_accept(kQuietly);
      if (error && self->local_.is_open()) co_await self->breathe();
      if (error || self->full()) continue;
      asio::co_spawn(self->io_, serve_local(self, std::move(socket)), asio::detached);
    }
  }

  template <class Work>
  Task<void> tethered(Tether& tether, Work work) {
    tethers_.insert(&tether);
    try {
      co_await work();
    } catch (const std::exception& error) {
      spdlog::error("a connection ended: {}", error.what());
    }
    tethers_.erase(&tether);
  }

  static Task<void> serve_tls(Self self, tcp::socket socket) {
    ssl::stream<tcp::socket> stream(std::move(socket), self->tls_);
    Tether tether(self->io_.get_executor(), self->patience_, [&stream] {
      Error ignored;
      stream.lowest_layer().close(ignored);
    });
    Peer peer;
    peer.tls = true;
    auto work = [&]() { return handshake_and_converse(stream, self->rest_, peer, tether); };
    co_await self->tethered(tether, work);
  }

  static Task<void> handshake_and_converse(ssl::stream<tcp::socket>& stream, Rest& rest,
                                           const Peer& peer, Tether& tether) {
    Error ignored;
    stream.lowest_layer().set_option(tcp::no_delay(true), ignored);
    tether.within(seconds(10));
    auto [error] = co_await stream.async_handshake(ssl::stream_base::server, kQuietly);
    if (error) co_return;
    co_await converse(stream, rest, peer, tether);
    tether.within(seconds(2));
    co_await stream.async_shutdown(kQuietly);
  }

  static Task<void> serve_local(Self self, Local::socket socket) {
    Tether tether(self->io_.get_executor(), self->patience_, [&socket] {
      Error ignored;
      socket.close(ignored);
    });
    Peer peer;
    peer.uid = peer_uid(socket);
    auto work = [&]() { return converse(socket, self->rest_, peer, tether); };
    co_await self->tethered(tether, work);
  }

  asio::io_context& io_;
  Rest& rest_;
  ssl::context tls_;
  tcp::acceptor tcp_;
  Local::acceptor local_;
  std::string path_;
  seconds patience_;
  std::set<Tether*> tethers_;
};

Server::Server(asio::io_context& io, Rest& rest, const Listen& listen)
    : impl_(std::make_shared<Impl>(io, rest, listen)) {}
Server::~Server() { impl_->stop(); }
void Server::start() { impl_->start(); }
void Server::stop() { impl_->stop(); }
unsigned short Server::port() const { return impl_->port(); }

}  // namespace mintmark
