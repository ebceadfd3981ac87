// load_requests PORT CA CONNECTIONS RATE SECONDS: RATE GETs a second over CONNECTIONS kept TLS
// connections to 127.0.0.1, each at its time by the clock: one that is answered late delays none of
// another connection, and its lateness counts from when it was due. Standard input names what is
// asked for in turn, a line each: TOKEN PATH. Prints one JSON object; status 1 where a connection
// was refused or an answer was not 200.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Context = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;

struct Plan {
  int port = 0;
  std::size_t connections = 0;
  double rate = 0, seconds = 0;
  std::vector<std::string> requests;
  Clock::time_point begin;
};

std::string tls_error() {
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_get_error(), text.data(), text.size());
  return text.data();
}

class Connection {
 public:
  Connection(SSL_CTX* context, int port)
      : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), tls_(SSL_new(context), &SSL_free) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    ::inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      throw std::runtime_error("no connection");
    int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    SSL_set_fd(tls_.get(), fd_);
    if (SSL_connect(tls_.get()) != 1) throw std::runtime_error("no handshake: " + tls_error());
  }
  ~Connection() { ::close(fd_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Asks, and reads the whole answer; its status.
  int ask(const std::string& request) {
    if (SSL_write(tls_.get(), request.data(), static_cast<int>(request.size())) <= 0)
      throw std::runtime_error("cut off: " + tls_error());
    std::string answer;
    std::size_t head = std::string::npos;
    while ((head = answer.find("\r\n\r\n")) == std::string::npos) read_more(answer);
    std::size_t at = answer.find("Content-Length: ");
    if (at == std::string::npos || at > head) throw std::runtime_error("no Content-Length");
    std::size_t whole = head + 4 + std::stoul(answer.substr(at + 16, 20));
    while (answer.size() < whole) read_more(answer);
    return std::stoi(answer.substr(9, 3));
  }

 private:
  void read_more(std::string& out) {
    int n = SSL_read(tls_.get(), piece_.data(), static_cast<int>(piece_.size()));
    if (n <= 0) throw std::runtime_error("an answer broke off: " + tls_error());
    out.append(piece_.data(), static_cast<std::size_t>(n));
  }

  int fd_;
  std::unique_ptr<SSL, decltype(&SSL_free)> tls_;
  std::array<char, 16384> piece_{};
};

struct Tally {
  std::vector<double> late_ms;  // of each that was answered 200
  std::string wrong;            // the first that was not, and why
};

void keep_asking(SSL_CTX* context, const Plan& plan, std::size_t index, Tally& tally) {
  try {
    Connection connection(context, plan.port);
    auto end = plan.begin + std::chrono::duration<double>(plan.seconds);
    for (std::size_t n = index;; n += plan.connections) {
      auto due =
          plan.begin + std::chrono::duration_cast<Clock::duration>(
                           std::chrono::duration<double>(static_cast<double>(n) / plan.rate));
      if (due >= end || Clock::now() >= end) return;
      std::this_thread::sleep_until(due);
      const std::string& request = plan.requests[n % plan.requests.size()];
      int status = connection.ask(request);
      if (status != 200)
        throw std::runtime_error(std::to_string(status) + " " +
                                 request.substr(0, request.find('\r')));
      tally.late_ms.push_back(
          std::chrono::duration<double, std::milli>(Clock::now() - due).count());
    }
  } catch (const std::exception& error) {
    tally.wrong = error.what();
  }
}

std::vector<std::string> read_requests() {
  std::vector<std::string> out;
  std::string token, path;
  while (std::cin >> token >> path)
    out.push_back("GET " + path + " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + token +
                  "\r\nAccept: application/json\r\n\r\n");
  if (out.empty()) throw std::runtime_error("nothing to ask for");
  return out;
}

int report(const Plan& plan, const std::vector<Tally>& tallies) {
  std::vector<double> late;
  std::string wrong;
  for (const Tally& tally : tallies) {
    late.insert(late.end(), tally.late_ms.begin(), tally.late_ms.end());
    if (wrong.empty()) wrong = tally.wrong;
  }
  std::sort(late.begin(), late.end());
  auto part = [&](double share) {
    return late.empty()
               ? 0
               : late[static_cast<std::size_t>(share * static_cast<double>(late.size() - 1))];
  };
  std::printf(
      "{\"answered\": %zu, \"per_second\": %.1f, \"p50_ms\": %.2f, \"p99_ms\": %.2f, \"max_ms\": "
      "%.2f}\n",
      late.size(), static_cast<double>(late.size()) / plan.seconds, part(0.5), part(0.99), part(1));
  if (!wrong.empty()) std::fprintf(stderr, "load_requests: %s\n", wrong.c_str());
  return wrong.empty() ? 0 : 1;
}

int run(const std::vector<std::string>& words) {
  if (words.size() != 5) throw std::runtime_error("PORT CA CONNECTIONS RATE SECONDS");
  Plan plan;
  plan.port = std::stoi(words[0]);
  plan.connections = std::stoul(words[2]);
  plan.rate = std::stod(words[3]);
  plan.seconds = std::stod(words[4]);
  plan.requests = read_requests();
  Context context(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  if (SSL_CTX_load_verify_locations(context.get(), words[1].c_str(), nullptr) != 1)
    throw std::runtime_error("no certificate in " + words[1]);
  plan.begin = Clock::now() + std::chrono::milliseconds(200);
  std::vector<Tally> tallies(plan.connections);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < plan.connections; ++i)
    threads.emplace_back(keep_asking, context.get(), std::cref(plan), i, std::ref(tallies[i]));
  for (std::thread& thread : threads) thread.join();
  return report(plan, tallies);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "load_requests: %s\n", error.what());
    return 2;
  }
}
