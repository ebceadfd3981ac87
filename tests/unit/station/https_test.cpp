// The real server on loopback, asked by curl, openssl and bare sockets.
#include "station/main/https.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <thread>

#include "station/main/files.hpp"
#include "tests/unit/rest/house.hpp"

namespace mintmark {
namespace {

struct Output {
  int exit = 0;
  std::string text;
};

Output shell(const std::string& command) {
  Output out;
  std::FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  std::array<char, 4096> piece{};
  while (std::size_t n = std::fread(piece.data(), 1, piece.size(), pipe))
    out.text.append(piece.data(), n);
  int status = ::pclose(pipe);
  out.exit = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return out;
}

class HttpsTest : public ::testing::Test {
 protected:
  HttpsTest() : guard(house.io.get_executor()) {
    listen.address = "127.0.0.1";
    listen.certificate = file("tls.pem");
    listen.key = file("tls-key.pem");
    listen.socket = file("sock");
    listen.bounds.request = std::chrono::seconds(5);
    write_tls_pair(listen.certificate, listen.key, {"localhost", "127.0.0.1"});
    house.add("root", {Role::auditor}, ::getuid());
    server.emplace(house.io, house.rest, listen);
    server->start();
    port = std::to_string(server->port());
    thread = std::thread([this] { house.io.run(); });
  }
  ~HttpsTest() override {
    asio::post(house.io, [this] {
      server->stop();
      house.desk.close_streams();
      guard.reset();
    });
    thread.join();
  }

  std::string file(const std::string& name) { return (house.directory.path() / name).string(); }
  Output curl(const std::string& arguments, const std::string& path) {
    return shell("curl -sS --max-time 20 --cacert " + listen.certificate + " " + arguments +
                 " -w '\\n%{http_code}' https://127.0.0.1:" + port + path);
  }
  static std::string status(const Output& output) {
    return output.text.substr(output.text.rfind('\n') + 1);
  }
  int connect() {
    int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(server->port());
    ::inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return fd;
  }
  int connect_local() {
    int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    listen.socket.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return fd;
  }
  // Sends, may close its half, and reads to the end.
  std::string local(const std::string& request, bool half_close) {
    int fd = connect_local();
    EXPECT_EQ(::send(fd, request.data(), request.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(request.size()));
    if (half_close) ::shutdown(fd, SHUT_WR);
    std::string out;
    std::array<char, 4096> piece{};
    while (ssize_t n = ::read(fd, piece.data(), piece.size())) {
      if (n < 0) break;
      out.append(piece.data(), static_cast<std::size_t>(n));
    }
    ::close(fd);
    return out;
  }

  House house;
  Listen listen;
  asio::executor_work_guard<asio::io_context::executor_type> guard;
  std::optional<Server> server;
  std::string port;
  std::thread thread;
};

TEST_F(HttpsTest, ServesByItsOwnCertificate) {
  Output health = curl("", "/api/v1/health");
  EXPECT_EQ(status(health), "200") << health.text;
  EXPECT_NE(curl("--resolve other.example:" + port + ":127.0.0.1", "/").exit, -1);
  Output page = curl("-D -", "/");
  EXPECT_NE(page.text.find("Content-Security-Policy"), std::string::npos);
  EXPECT_EQ(page.text.find("Server:"), std::string::npos);
}

TEST_F(HttpsTest, OldTlsIsRefused) {
  EXPECT_NE(curl("--tlsv1.0 --tls-max 1.1 --ciphers DEFAULT@SECLEVEL=0", "/api/v1/health").exit, 0);
  EXPECT_EQ(status(curl("--tls-max 1.2", "/api/v1/health")), "200");
  EXPECT_EQ(status(curl("--tlsv1.3", "/api/v1/health")), "200");
  Output old = shell("openssl s_client -connect 127.0.0.1:" + port +
                     " -tls1_1 -cipher DEFAULT@SECLEVEL=0 </dev/null");
  EXPECT_NE(old.text.find("alert protocol version"), std::string::npos) << old.text;
}

TEST_F(HttpsTest, RenegotiationIsRefused) {
  Output out =
      shell("(echo R; sleep 1) | openssl s_client -connect 127.0.0.1:" + port + " -tls1_2");
  EXPECT_NE(out.text.find("no renegotiation"), std::string::npos) << out.text;
  EXPECT_NE(out.text.find("Compression: NONE"), std::string::npos);
}

TEST_F(HttpsTest, BadTokensAndStrangeHosts) {
  EXPECT_EQ(status(curl("", "/api/v1/slots")), "401");
  EXPECT_EQ(status(curl("-H 'Authorization: Bearer x'", "/api/v1/slots")), "401");
  EXPECT_EQ(status(curl("-H 'Authorization: Bearer token-of-lead'", "/api/v1/slots")), "200");
  EXPECT_EQ(status(curl("-H 'Host: evil.example'", "/api/v1/health")), "421");
}

TEST_F(HttpsTest, ALargeBodyIsRefusedAndTheAnswerArrives) {
  write_text(file("large"), std::string(3 << 20, 'x'));
  std::string auth =
      "-H 'Authorization: Bearer token-of-lead' -H 'Content-Type: application/json' ";
  EXPECT_EQ(status(curl(auth + "--data-binary @" + file("large"), "/api/v1/scan")), "413");
  EXPECT_EQ(status(curl(auth + "--data-binary @" + file("large"), "/api/v1/lots")), "413");
  EXPECT_EQ(status(curl(auth + "-H 'Transfer-Encoding: chunked' --data-binary @" + file("large"),
                        "/api/v1/scan")),
            "413");
  EXPECT_EQ(status(curl("-H 'X: " + std::string(20000, 'a') + "'", "/")), "413");
  write_text(file("lot"), std::string(900 << 10, ' ') + "{}");
  EXPECT_EQ(status(curl(auth + "--data-binary @" + file("lot"), "/api/v1/lots")), "400");
}

TEST_F(HttpsTest, TheSocketKnowsItsPeer) {
  struct stat info {};
  ASSERT_EQ(::stat(listen.socket.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0660U);
  Output out = shell("curl -sS --unix-socket " + listen.socket + " http://x/api/v1/session");
  EXPECT_NE(out.text.find("\"root\""), std::string::npos) << out.text;
  EXPECT_THROW(Server(house.io, house.rest, listen), Fault) << "one daemon a socket";
}

TEST_F(HttpsTest, AHalfClosedClientStillGetsItsAnswer) {
  std::string out = local("GET /api/v1/health HTTP/1.1\r\nHost: x\r\n\r\n", true);
  EXPECT_EQ(out.substr(0, 12), "HTTP/1.1 200") << out;
}

TEST_F(HttpsTest, PipelinedRequestsAreAnsweredInOrder) {
  std::string one = "GET /api/v1/health HTTP/1.1\r\nHost: x\r\n\r\n";
  std::string out =
      local(one + "GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", false);
  std::size_t first = out.find("HTTP/1.1 200"), second = out.find("HTTP/1.1 404");
  EXPECT_EQ(first, 0U);
  EXPECT_NE(second, std::string::npos) << out;
}

TEST_F(HttpsTest, NonsenseIsABadRequest) {
  EXPECT_EQ(local("garbage\r\n\r\n", false).substr(0, 12), "HTTP/1.1 400");
  EXPECT_EQ(local("GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", false).substr(0, 12),
            "HTTP/1.1 400");
}

// A byte now and then must not hold a connection for longer than a request may take.
TEST_F(HttpsTest, ASlowSenderIsCutOff) {
  int plain = connect_local(), tls = connect();
  auto began = std::chrono::steady_clock::now();
  std::string head = "GET /api/v1/health HTTP/1.1\r\nX: ";
  ::send(plain, head.data(), head.size(), MSG_NOSIGNAL);
  bool open = true;
  while (open && std::chrono::steady_clock::now() - began < std::chrono::seconds(15)) {
    open = ::send(plain, "a", 1, MSG_NOSIGNAL) == 1;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  EXPECT_FALSE(open);
  char byte = 0;
  EXPECT_LE(::read(tls, &byte, 1), 0) << "no handshake, no connection";
  ::close(plain);
  ::close(tls);
}

// What has been closed by the server so far.
long closed_of(const std::vector<int>& held) {
  char byte = 0;
  return std::count_if(held.begin(), held.end(),
                       [&](int fd) { return ::recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0; });
}

TEST_F(HttpsTest, ConnectionsAreBounded) {
  std::vector<int> held;
  for (std::size_t i = 0; i < kBounds.local_connections + 20; ++i) held.push_back(connect_local());
  auto began = std::chrono::steady_clock::now();
  while (closed_of(held) < 20 && std::chrono::steady_clock::now() - began < std::chrono::seconds(2))
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(closed_of(held), 20);
  EXPECT_EQ(closed_of({held.end() - 20, held.end()}), 20) << "those who came last";
  for (int fd : held) ::close(fd);
}

TEST_F(HttpsTest, EventsStream) {
  Output out =
      shell("curl -sS -N --max-time 2 --unix-socket " + listen.socket + " http://x/api/v1/events");
  EXPECT_NE(out.text.find("event: snapshot"), std::string::npos) << out.text;
}

TEST_F(HttpsTest, TheKeyIsPrivate) {
  ::chmod(listen.key.c_str(), 0644);
  Listen other = listen;
  other.socket = file("sock2");
  try {
    Server second(house.io, house.rest, other);
    FAIL();
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), "http.certificate");
  }
}

}  // namespace
}  // namespace mintmark
