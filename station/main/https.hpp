// The server: TLS on the one address that the configuration names, and the Unix socket. The only
// place that knows Beast.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>

#include "station/rest/bounds.hpp"
#include "station/rest/rest.hpp"

namespace mintmark {

struct Listen {
  Listen() = default;
  std::string address;  // of the TLS listener; empty: no TCP port is opened at all
  unsigned short port = 0;
  std::string certificate, key;  // PEM files
  std::string socket;            // path of the Unix socket, mode 0660
  Bounds bounds;
};

class Server {
 public:
  // Binds at once. Faults: http.listen (address, reason), http.certificate (file, reason),
  // station.running (socket) when another daemon answers there.
  Server(asio::io_context& io, Rest& rest, const Listen& listen);
  ~Server();
  void start();
  void stop();                  // closes the listeners and every connection
  unsigned short port() const;  // as bound; 0 without TLS

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace mintmark
