#include "station/line/passage.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>

namespace mintmark {

Event::Event(const asio::any_io_executor& executor) : timer_(executor) {
  timer_.expires_at(asio::steady_timer::time_point::max());
}

void Event::notify() {
  ++count_;
  timer_.cancel();
}

// The timer never expires: notify() cancels the wait of everyone who waits, and each looks for
// himself.
Task<void> Event::wait_past(std::uint64_t seen) {
  while (count_ <= seen) {
    co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
    // g++ 12 crashes where this is one expression.
    asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) co_return;
  }
}

Task<void> Event::wait_past(std::uint64_t seen, std::chrono::milliseconds at_most) {
  using namespace asio::experimental::awaitable_operators;
  asio::steady_timer limit(timer_.get_executor(), at_most);
  co_await (wait_past(seen) || limit.async_wait(asio::use_awaitable));
}

}  // namespace mintmark
