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

#include "station/main/guests.hpp"

namespace mintmark {

namespace http = boost::beast::http;
namespace ssl = asio::ssl;
using asio::ip::tcp;
using Local = asio::local::stream_protocol;
using Error = boost::system::error_code;

namespace {

constexpr auto kQuietly = asio::as_tuple(asio::use_awaitable);

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
Task<bool> send_whole(Socket& socket, Response response, bool keep_alive, Visit& visit) {
  http::response<http::string_body> message;
  fill(message, response, keep_alive);
  message.body() = std::move(response.body);
  if (response.status != 204) message.prepare_payload();
  visit.tether.within(visit.bounds.answer);
  auto [error, size] = co_await http::async_write(socket, message, kQuietly);
  co_return !error && keep_alive;
}

// A piece at a time, so that no answer is larger in memory than one piece. An error on the way
// closes the connection without the last chunk: the reader sees that it is not whole.
template <class Socket>
Task<bool> send_stream(Socket& socket, Response response, bool keep_alive, Visit& visit) {
  http::response<http::empty_body> message;
  fill(message, response, keep_alive);
  message.chunked(true);
  http::response_serializer<http::empty_body> serializer(message);
  visit.tether.within(visit.bounds.answer);
  auto [failed, header_size] = co_await http::async_write_header(socket, serializer, kQuietly);
  if (failed) co_return false;
  while (true) {
    visit.tether.within(visit.bounds.answer);
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
Task<void> drain(Socket& socket, Visit& visit) {
  std::array<char, 4096> sink{};
  std::size_t total = 0;
  visit.tether.within(visit.bounds.goodbye);
  while (total < visit.bounds.refused) {
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
Task<void> go_on(Socket& socket) {
  static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  co_await asio::async_write(socket, asio::buffer(kContinue), kQuietly);
}

Task<void> wait_until(std::chrono::steady_clock::time_point turn) {
  if (turn <= std::chrono::steady_clock::now()) co_return;
  auto executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor, turn);
  co_await timer.async_wait(kQuietly);
}

// One request; true while the connection is good for another.
template <class Socket>
Task<bool> exchange(Socket& socket, boost::beast::flat_buffer& buffer, Rest& rest, Visit& visit) {
  Parser parser;
  parser.header_limit(static_cast<std::uint32_t>(visit.bounds.header));
  parser.body_limit(boost::none);
  visit.tether.within(visit.bounds.request);
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
      if (parser.get()[http::field::expect] == "100-continue") co_await go_on(socket);
      auto [bad, body_size] = co_await http::async_read(socket, buffer, parser, kQuietly);
      error = bad;
    }
  }
  if (error) {
    if (!is_http_error(error)) co_return false;
    Response refusal = Rest::refusal(refusal_of(error));
    co_await send_whole(socket, std::move(refusal), false, visit);
    co_await drain(socket, visit);
    co_return false;
  }
  bool keep_alive = parser.get().keep_alive();
  Request request = read_request(parser, visit.peer);
  visit.tether.within(visit.bounds.work);
  if (visit.peer.tls) co_await wait_until(visit.guests.requests.turn());
  Response response = co_await rest.handle(std::move(request));
  if (response.stream)
    co_return co_await send_stream(socket, std::move(response), keep_alive, visit);
  co_return co_await send_whole(socket, std::move(response), keep_alive, visit);
}

template <class Socket>
Task<void> converse(Socket& socket, Rest& rest, Visit& visit) {
  boost::beast::flat_buffer buffer(visit.bounds.header * 2);
  while (co_await exchange(socket, buffer, rest, visit)) {
  }
}

// Counts what a client asks of TLS beside data, and cuts it off: what is cheap to ask for is dear
// to give.
class Rekeyings {
 public:
  Rekeyings(SSL* tls, Visit& visit) : left_(visit.bounds.rekeyings), tether_(visit.tether) {
    SSL_set_msg_callback(tls, &Rekeyings::see);
    SSL_set_msg_callback_arg(tls, this);
  }

 private:
  static void see(int written, int, int type, const void* bytes, std::size_t size, SSL*,
                  void* self) {
    const auto* message = static_cast<const unsigned char*>(bytes);
    bool update =
        written == 0 && type == SSL3_RT_HANDSHAKE && size > 0 && message[0] == SSL3_MT_KEY_UPDATE;
    bool refusal =
        written == 1 && type == SSL3_RT_ALERT && size > 1 && message[1] == SSL_AD_NO_RENEGOTIATION;
    if (update || refusal) static_cast<Rekeyings*>(self)->one_more();
  }
  void one_more() {
    if (--left_ < 0) tether_.cut();
  }

  int left_;
  Tether& tether_;
};

// SECLEVEL 2 is 112 bits of strength; TLS 1.2 at least; nothing is renegotiated or compressed.
// Sessions are resumed by tickets, which the client keeps; who waits has no buffers.
void configure_tls(ssl::context& tls, const Listen& listen) {
  SSL_CTX* context = tls.native_handle();
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_security_level(context, 2);
  SSL_CTX_set_options(
      context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
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

std::string address_of(const tcp::socket& socket) {
  Error gone;
  tcp::endpoint peer = socket.remote_endpoint(gone);
  return gone ? std::string("gone") : counted_as(peer.address());
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
        bounds_(listen.bounds) {
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
    guests_.cut_all();
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

  // Out of descriptors: a moment's rest instead of a busy loop.
  Task<void> breathe() {
    asio::steady_timer timer(io_, std::chrono::milliseconds(50));
    co_await timer.async_wait(kQuietly);
  }

  Task<void> accept_tls(Self self) {
    while (self->tcp_.is_open()) {
      auto [error, socket] = co_await self->tcp_.async_accept(kQuietly);
      if (error && self->tcp_.is_open()) co_await self->breathe();
      Peer peer;
      peer.tls = true;
      if (!error) peer.address = address_of(socket);
      bool welcome = !error && self->guests_.admits(peer);
      if (!welcome) continue;
      asio::co_spawn(self->io_, serve_tls(self, std::move(socket), std::move(peer)),
                     asio::detached);
    }
  }

  Task<void> accept_local(Self self) {
    while (self->local_.is_open()) {
      auto [error, socket] = co_await self->local_.async_accept(kQuietly);
      if (error && self->local_.is_open()) co_await self->breathe();
      Peer peer;
      if (!error) peer.uid = peer_uid(socket);
      bool welcome = !error && self->guests_.admits(peer);
      if (!welcome) continue;
      asio::co_spawn(self->io_, serve_local(self, std::move(socket), std::move(peer)),
                     asio::detached);
    }
  }

  template <class Work>
  Task<void> receive(Visit& visit, Work work) {
    guests_.enter(visit);
    try {
      co_await work();
    } catch (const std::exception& error) {
      spdlog::error("a connection ended: {}", error.what());
    }
    guests_.leave(visit);
  }

  static Task<void> serve_tls(Self self, tcp::socket socket, Peer peer) {
    ssl::stream<tcp::socket> stream(std::move(socket), self->tls_);
    auto cut = [&stream] {
      Error ignored;
      stream.lowest_layer().close(ignored);
    };
    Visit visit(std::move(peer), self->guests_, self->io_.get_executor(), cut);
    Rekeyings watched(stream.native_handle(), visit);
    auto work = [&]() { return handshake_and_converse(stream, self->rest_, visit); };
    co_await self->receive(visit, work);
  }

  static Task<void> handshake_and_converse(ssl::stream<tcp::socket>& stream, Rest& rest,
                                           Visit& visit) {
    Error ignored;
    stream.lowest_layer().set_option(tcp::no_delay(true), ignored);
    visit.tether.within(visit.bounds.handshake);
    auto [gone] = co_await stream.next_layer().async_wait(tcp::socket::wait_read, kQuietly);
    if (gone) co_return;
    co_await wait_until(visit.guests.handshakes.turn());
    auto [error] = co_await stream.async_handshake(ssl::stream_base::server, kQuietly);
    if (error) co_return;
    co_await converse(stream, rest, visit);
    visit.tether.within(visit.bounds.goodbye);
    co_await stream.async_shutdown(kQuietly);
  }

  static Task<void> serve_local(Self self, Local::socket socket, Peer peer) {
    auto cut = [&socket] {
      Error ignored;
      socket.close(ignored);
    };
    Visit visit(std::move(peer), self->guests_, self->io_.get_executor(), cut);
    auto work = [&]() { return converse(socket, self->rest_, visit); };
    co_await self->receive(visit, work);
  }

  asio::io_context& io_;
  Rest& rest_;
  ssl::context tls_;
  tcp::acceptor tcp_;
  Local::acceptor local_;
  std::string path_;
  const Bounds bounds_;
  Guests guests_{bounds_};
};

Server::Server(asio::io_context& io, Rest& rest, const Listen& listen)
    : impl_(std::make_shared<Impl>(io, rest, listen)) {}
Server::~Server() { impl_->stop(); }
void Server::start() { impl_->start(); }
void Server::stop() { impl_->stop(); }
unsigned short Server::port() const { return impl_->port(); }

}  // namespace mintmark
