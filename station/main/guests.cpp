#include "station/main/guests.hpp"

#include <algorithm>
#include <boost/asio/ip/network_v6.hpp>
#include <map>
#include <string_view>
#include <utility>

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

std::chrono::steady_clock::time_point Pace::turn() {
  auto now = std::chrono::steady_clock::now();
  auto turn = std::max(next_, now - std::chrono::milliseconds(100));
  next_ = turn + each_;
  return std::max(turn, now);
}

std::string counted_as(const asio::ip::address& address) {
  if (address.is_v4()) return address.to_string();
  asio::ip::address_v6 v6 = address.to_v6();
  if (v6.is_v4_mapped()) return asio::ip::make_address_v4(asio::ip::v4_mapped, v6).to_string();
  return asio::ip::make_network_v6(v6, 64).canonical().to_string();
}

bool Guests::admits(const Peer& peer) {
  std::map<std::string_view, std::size_t> count;  // by address; the Unix socket's is empty
  for (const Visit* visit : visits_) ++count[visit->peer.address];
  std::size_t local = std::exchange(count[""], 0), same = count[peer.address];
  if (!peer.tls) return local < bounds_.local_connections;
  if (same >= bounds_.of_one_address) return false;
  if (visits_.size() - local < bounds_.connections) return true;
  auto fewer = [](const auto& a, const auto& b) { return a.second < b.second; };
  std::size_t most = std::max_element(count.begin(), count.end(), fewer)->second;
  if (most <= same) return false;
  Visit* oldest = *std::find_if(visits_.begin(), visits_.end(), [&](const Visit* visit) {
    return count[visit->peer.address] == most;
  });
  leave(*oldest);
  oldest->tether.cut();
  return true;
}

void Guests::cut_all() {
  for (Visit* visit : std::vector<Visit*>(visits_)) visit->tether.cut();
}

}  // namespace mintmark
