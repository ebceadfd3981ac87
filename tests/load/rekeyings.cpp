// load_rekeyings PORT 1.2|1.3 SECONDS: asks a TLS server on 127.0.0.1 for new keys as fast as it
// takes them: TLS 1.2 renegotiations, as bare encrypted records (OpenSSL's own client stops at the
// first no), or TLS 1.3 key updates that want one in return. Prints how often it was answered, and
// after how long it was cut off, as a JSON object; status 1 where it never was.
#include <arpa/inet.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Bytes = std::vector<unsigned char>;

void must(bool good, const char* what) {
  if (!good) throw std::runtime_error(what);
}

int connect_to(int port) {
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  ::inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  must(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "connect");
  return fd;
}

void put(Bytes& out, std::uint64_t value, int size) {
  for (int shift = 8 * (size - 1); shift >= 0; shift -= 8)
    out.push_back(static_cast<unsigned char>(value >> shift));
}

// --- TLS 1.2: what the client writes after its handshake (RFC 5246, RFC 5288)

class Writer12 {
 public:
  explicit Writer12(SSL* tls) {
    Bytes master(48), seed(SSL3_RANDOM_SIZE * 2);
    SSL_SESSION_get_master_key(SSL_get_session(tls), master.data(), master.size());
    SSL_get_server_random(tls, seed.data(), SSL3_RANDOM_SIZE);
    SSL_get_client_random(tls, seed.data() + SSL3_RANDOM_SIZE, SSL3_RANDOM_SIZE);
    static constexpr char kLabel[] = "key expansion";
    seed.insert(seed.begin(), kLabel, kLabel + sizeof kLabel - 1);
    std::array<unsigned char, 40> block{};  // two keys of 16 bytes, two salts of 4
    std::unique_ptr<EVP_KDF, decltype(&EVP_KDF_free)> kdf(
        EVP_KDF_fetch(nullptr, "TLS1-PRF", nullptr), &EVP_KDF_free);
    std::unique_ptr<EVP_KDF_CTX, decltype(&EVP_KDF_CTX_free)> run(EVP_KDF_CTX_new(kdf.get()),
                                                                  &EVP_KDF_CTX_free);
    std::string digest = "SHA256";
    std::array<OSSL_PARAM, 4> params = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest.data(), 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, master.data(), master.size()),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, seed.data(), seed.size()),
        OSSL_PARAM_construct_end()};
    must(EVP_KDF_derive(run.get(), block.data(), block.size(), params.data()) == 1, "PRF");
    std::memcpy(key_.data(), block.data(), key_.size());
    std::memcpy(salt_.data(), block.data() + 32, salt_.size());
  }

  // The record of a ClientHello's header, which is all that a server looks at before it says no.
  Bytes hello() {
    const Bytes plain = {1, 0, 0, 0};
    Bytes nonce(salt_.begin(), salt_.end()), aad, out = {22, 3, 3};
    put(nonce, sequence_, 8);
    put(aad, sequence_, 8);
    aad.insert(aad.end(), out.begin(), out.end());
    put(aad, plain.size(), 2);
    put(out, 8 + plain.size() + 16, 2);
    put(out, sequence_++, 8);
    seal(nonce, aad, plain, out);
    return out;
  }

 private:
  void seal(const Bytes& nonce, const Bytes& aad, const Bytes& plain, Bytes& out) {
    std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> c(EVP_CIPHER_CTX_new(),
                                                                      &EVP_CIPHER_CTX_free);
    int n = 0;
    EVP_EncryptInit_ex(c.get(), EVP_aes_128_gcm(), nullptr, key_.data(), nonce.data());
    EVP_EncryptUpdate(c.get(), nullptr, &n, aad.data(), static_cast<int>(aad.size()));
    std::size_t at = out.size();
    out.resize(at + plain.size() + 16);
    EVP_EncryptUpdate(c.get(), out.data() + at, &n, plain.data(), static_cast<int>(plain.size()));
    EVP_EncryptFinal_ex(c.get(), nullptr, &n);
    must(
        EVP_CIPHER_CTX_ctrl(c.get(), EVP_CTRL_GCM_GET_TAG, 16, out.data() + at + plain.size()) == 1,
        "GCM");
  }

  std::array<unsigned char, 16> key_{};
  std::array<unsigned char, 4> salt_{};
  std::uint64_t sequence_ = 1;  // 0 was Finished
};

// Complete records in `in`, which are taken out of it.
int take_records(Bytes& in) {
  int count = 0;
  std::size_t at = 0;
  while (in.size() >= at + 5 && in.size() >= at + 5 + (in[at + 3] << 8 | in[at + 4])) {
    at += 5 + static_cast<std::size_t>(in[at + 3] << 8 | in[at + 4]);
    ++count;
  }
  in.erase(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(at));
  return count;
}

// False once the server has closed or reset the connection.
bool flood12(int fd, SSL* tls, Clock::time_point until, int& answered) {
  Writer12 writer(tls);
  Bytes out, in, piece(16384);
  while (Clock::now() < until) {
    if (out.empty())
      for (int i = 0; i < 64; ++i) {
        Bytes record = writer.hello();
        out.insert(out.end(), record.begin(), record.end());
      }
    pollfd ready = {fd, POLLIN | POLLOUT, 0};
    ::poll(&ready, 1, 100);
    if ((ready.revents & POLLOUT) != 0) {
      ssize_t n = ::send(fd, out.data(), out.size(), MSG_DONTWAIT);
      if (n < 0 && errno != EAGAIN) return false;
      if (n > 0) out.erase(out.begin(), out.begin() + n);
    }
    ssize_t n = ::recv(fd, piece.data(), piece.size(), MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN)) return false;
    if (n > 0) in.insert(in.end(), piece.begin(), piece.begin() + n);
    answered += take_records(in);
  }
  return true;
}

// --- TLS 1.3: OpenSSL's client is willing

void count_key_updates(int written, int, int type, const void* bytes, std::size_t size, SSL*,
                       void* count) {
  if (written == 0 && type == SSL3_RT_HANDSHAKE && size > 0 &&
      static_cast<const unsigned char*>(bytes)[0] == SSL3_MT_KEY_UPDATE)
    ++*static_cast<int*>(count);
}

bool flood13(int fd, SSL* tls, Clock::time_point until, int& answered) {
  SSL_set_msg_callback(tls, count_key_updates);
  SSL_set_msg_callback_arg(tls, &answered);
  std::array<char, 1024> piece{};
  while (Clock::now() < until) {
    pollfd ready = {fd, POLLIN | POLLOUT, 0};
    ::poll(&ready, 1, 100);
    if ((ready.revents & POLLOUT) != 0) {
      SSL_key_update(tls, SSL_KEY_UPDATE_REQUESTED);
      if (SSL_do_handshake(tls) <= 0) return false;
    }
    pollfd readable = {fd, POLLIN, 0};
    if (::poll(&readable, 1, 0) == 0) continue;
    if (::recv(fd, piece.data(), 1, MSG_PEEK | MSG_DONTWAIT) <= 0) return false;
    int n = SSL_read(tls, piece.data(), static_cast<int>(piece.size()));
    if (n <= 0 && SSL_get_error(tls, n) != SSL_ERROR_WANT_READ) return false;
  }
  return true;
}

int run(int port, bool old, int seconds) {
  std::signal(SIGPIPE, SIG_IGN);
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_client_method()),
                                                            &SSL_CTX_free);
  int version = old ? TLS1_2_VERSION : TLS1_3_VERSION;
  SSL_CTX_set_min_proto_version(context.get(), version);
  SSL_CTX_set_max_proto_version(context.get(), version);
  SSL_CTX_set_cipher_list(context.get(), "ECDHE-ECDSA-AES128-GCM-SHA256");
  SSL_CTX_clear_mode(context.get(), SSL_MODE_AUTO_RETRY);  // a read ends after what is no data
  std::unique_ptr<SSL, decltype(&SSL_free)> tls(SSL_new(context.get()), &SSL_free);
  int fd = connect_to(port);
  SSL_set_fd(tls.get(), fd);
  must(SSL_connect(tls.get()) == 1, "handshake");
  auto began = Clock::now();
  int answered = 0;
  auto flood = old ? flood12 : flood13;
  bool open = flood(fd, tls.get(), began + std::chrono::seconds(seconds), answered);
  std::chrono::duration<double> took = Clock::now() - began;
  std::printf("{\"answered\": %d, \"seconds\": %.2f}\n", answered, took.count());
  ::close(fd);
  return open ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    must(argc == 4, "PORT 1.2|1.3 SECONDS");
    return run(std::stoi(argv[1]), std::string(argv[2]) == "1.2", std::stoi(argv[3]));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "load_rekeyings: %s\n", error.what());
    return 2;
  }
}
