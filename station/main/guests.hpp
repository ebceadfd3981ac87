// Who is connected: each connection's life line, how many there may be, and when each has its turn
// (station/rest/bounds.hpp).
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "station/rest/bounds.hpp"

namespace mintmark {

// When the time is up, or the server stops, the socket is closed and whatever waits on it ends with
// an error. A timer that has fired may still be in the queue when the budget is renewed or the
// connection is gone: its number tells.
class Tether {
 public:
  Tether(const boost::asio::any_io_executor& executor, std::function<void()> cut);
  ~Tether();
  Tether(const Tether&) = delete;
  Tether& operator=(const Tether&) = delete;
  void within(std::chrono::seconds budget);
  void cut() { state_->cut(); }

 private:
  struct State {
    std::function<void()> cut;
    unsigned long number = 0;
  };
  boost::asio::steady_timer timer_;
  std::shared_ptr<State> state_;
};

// So many in a second: each is told when its turn is. Who was idle may catch up on a tenth of a
// second.
class Pace {
 public:
  explicit Pace(std::chrono::microseconds each) : each_(each) {}
  std::chrono::steady_clock::time_point turn();

 private:
  std::chrono::microseconds each_;
  std::chrono::steady_clock::time_point next_;
};

struct Peer {
  bool tls = false;             // else at the Unix socket
  std::optional<unsigned> uid;  // of the Unix socket's peer
  std::string address;          // as it is counted, of the TLS listener's
};

// What counts as one address: of IPv6 the network, since one machine has as many in it as it wants.
std::string counted_as(const boost::asio::ip::address& address);

struct Visit;

class Guests {
 public:
  explicit Guests(const Bounds& bounds)
      : requests(bounds.each_request), handshakes(bounds.each_handshake), bounds_(bounds) {}

  // Whether one more may come in; where another must go for it, that one is cut off.
  bool admits(const Peer& peer);
  const Bounds& bounds() const { return bounds_; }
  void enter(Visit& visit) { visits_.push_back(&visit); }
  void leave(Visit& visit) { std::erase(visits_, &visit); }
  void cut_all();

  Pace requests, handshakes;

 private:
  const Bounds& bounds_;
  std::vector<Visit*> visits_;  // in the order of their coming
};

// One connection: who it is, what it may take, and its life line.
struct Visit {
  Visit(Peer peer_, Guests& guests_, const boost::asio::any_io_executor& executor,
        std::function<void()> cut)
      : peer(std::move(peer_)),
        guests(guests_),
        bounds(guests_.bounds()),
        tether(executor, std::move(cut)) {}
  Peer peer;
  Guests& guests;
  const Bounds& bounds;
  Tether tether;
};

}  // namespace mintmark
