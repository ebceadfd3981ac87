// Coroutines and the one way to leave their thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <type_traits>
#include <utility>

namespace mintmark {

namespace asio = boost::asio;

template <class T>
using Task = asio::awaitable<T>;

// Runs `work` on `pool` and resumes the caller on its own executor, with the result or the
// exception. A plain function on purpose: g++ 12 bitwise-copies lambda temporaries inside a
// co_await expression, so callers name the lambda first and move it in, and this is never a
// coroutine itself.
// Work is never cancelled: who is cancelled waits for it, and learns of it then. A coroutine that
// is cancelled before its pool has begun it would end the process.
template <class Work>
Task<std::invoke_result_t<Work&>> on(asio::thread_pool& pool, Work work) {
  using Result = std::invoke_result_t<Work&>;
  return asio::co_spawn(
      pool, [w = std::move(work)]() mutable -> Task<Result> { co_return w(); },
      asio::bind_cancellation_slot(asio::cancellation_slot(), asio::use_awaitable));
}

}  // namespace mintmark
