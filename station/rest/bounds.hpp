// What a client may take of the station, friend or stranger: how many connections, how long each
// part of a request, how much of what it sends. Every bound is here; station/main/https keeps to
// those of connections, and tests/load/clients.py tries these.
#pragma once

#include <chrono>
#include <cstddef>

namespace mintmark {

struct Bounds {
  // Connections, TLS. One more than these is closed before its handshake; where all are taken, a
  // newcomer takes the place of the oldest of the address that has most, unless it has as many.
  std::size_t connections = 256;
  std::size_t of_one_address = 64;  // one network (/64) of IPv6
  // On the Unix socket, whatever happens at the other.
  std::size_t local_connections = 64;
  // TLS 1.2 renegotiations, which are refused, and TLS 1.3 key updates, on one connection.
  int rekeyings = 16;

  // The line's share of the one thread: over TLS, of all clients together, 1,500 requests a second
  // and 250 handshakes; what comes faster waits in the order of its coming.
  std::chrono::microseconds each_request{667};
  std::chrono::microseconds each_handshake{4000};

  // Time; a connection is closed that takes longer.
  std::chrono::seconds handshake{10};
  std::chrono::seconds request{30};  // all of it, with the wait for its first byte
  std::chrono::seconds work{120};    // ours, until there is an answer
  std::chrono::seconds answer{30};   // to take it, or a piece of one that is made while it is sent
  std::chrono::seconds goodbye{2};   // what is still sent after a refusal; the end of TLS

  // Bytes; a request that is larger is answered 413, and its connection closed.
  std::size_t header = 16 << 10;
  std::size_t body = 16 << 10;
  std::size_t lot_body = 1 << 20;  // of the request that opens a lot
  std::size_t refused = 2 << 20;   // of a refused request that are read away

  // Events that wait for one client; then its stream ends.
  std::size_t events = 256;
  // Logged-in browsers, all together; the one that ends soonest gives way.
  std::size_t sessions = 1024;
};
inline constexpr Bounds kBounds;

}  // namespace mintmark
