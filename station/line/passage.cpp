#include "station/line/passage.hpp"

#include <boost/asio/as_tuple.hpp>

namespace mintmark {

Event::Event(const asio::any_io_executor& executor) : timer_(executor) {
  timer_.expires_at(asio::steady_timer::time_point::max());
}

void Event::notify() {
  ++count_;
  timer_.cancel();
}

Task<void> Event::wait_past(std::uint64_t seen) {
  while (count_ <= seen) {
    timer_.expires_at(asio::steady_timer::time_point::max());
    co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
    if ((co_await asio::this_coro::cancellation_state).cancelled() != asio::cancellation_type::none)
      co_return;
  }
}

Task<void> Event::wait_past(std::uint64_t seen, std::chrono::milliseconds at_most) {
  if (count_ > seen) co_return;
  asio::steady_timer limit(timer_.get_executor(), at_most);
  limit.async_wait([this](const boost::system::error_code& error) {
    if (!error) timer_.cancel();
  });
  co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
}

}  // namespace mintmark
