#include "station/main/guests.hpp"

#include <algorithm>
#include <boost/asio/ip/network_v6.hpp>

namespace mintmark {

namespace asio = boost::asio;

Tether::Tether(const asio::any_io_executor& executor, std::function<void()> cut)
    : timer_(executor), state_(std::make_shared<State>()) {
  state_->cut = std::move(cut);
}

Tether::~Tether() { ++state_->number; }

void Tether::within(std::chrono::seconds budget) {
  timer_.expires_after(budget);
  timer_.async_wait([state = state_, number = ++state_->number](auto error) {
    if (!error && state->number == number) state->cut();
  });
}

std::string counted_as(const asio::ip::address& address) {
  if (address.is_v4()) return address.to_string();
  asio::ip::address_v6 v6 = address.to_v6();
  if (v6.is_v4_mapped()) return asio::ip::make_address_v4(asio::ip::v4_mapped, v6).to_string();
  return asio::ip::make_network_v6(v6, 64).canonical().to_string();
}

std::size_t Guests::like(const Peer& peer) const {
  return static_cast<std::size_t>(std::count_if(visits_.begin(), visits_.end(), [&](Visit* other) {
    return other->peer.tls == peer.tls && other->peer.address == peer.address;
  }));
}

bool Guests::admits(const Peer& peer) {
  std::size_t same = like(peer);
  if (!peer.tls) return same < bounds_.local_connections;
  if (same >= bounds_.of_one_address) return false;
  std::size_t all = visits_.size() - like(Peer());
  if (all < bounds_.connections) return true;
  // The first of them is the oldest of the address that has most.
  auto fewer = [this](Visit* a, Visit* b) {
    return (a->peer.tls ? like(a->peer) : 0) < (b->peer.tls ? like(b->peer) : 0);
  };
  Visit* leaving = *std::max_element(visits_.begin(), visits_.end(), fewer);
  if (like(leaving->peer) <= same) return false;
  leave(*leaving);
  leaving->tether.cut();
  return true;
}

void Guests::cut_all() {
  for (Visit* visit : std::vector<Visit*>(visits_)) visit->tether.cut();
}

}  // namespace mintmark
