#include "station/words/task.hpp"

#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <future>

namespace mintmark {
namespace {

Task<int> ask(asio::thread_pool& pool, int& done) {
  auto work = [&done] { return ++done; };
  co_return co_await on(pool, work);
}

// A stop that comes while work still waits for a thread of its pool, or has just got one.
void stop_while_work_begins() {
  asio::io_context io;
  asio::thread_pool pool(2);
  std::promise<void> let_go;
  auto gate = let_go.get_future().share();
  for (int i = 0; i < 2; ++i) asio::post(pool, [gate] { gate.wait(); });
  asio::cancellation_signal stop;
  int done = 0;
  bool ended = false;
  auto end = [&ended](const std::exception_ptr&, int) { ended = true; };
  asio::co_spawn(io, ask(pool, done), asio::bind_cancellation_slot(stop.slot(), end));
  io.poll();
  stop.emit(asio::cancellation_type::terminal);
  io.poll();
  EXPECT_FALSE(ended) << "its work may still refer to what it has";
  let_go.set_value();
  pool.join();
  io.restart();
  io.run();
  EXPECT_TRUE(ended);
  EXPECT_EQ(done, 1);
}

TEST(On, WhoIsCancelledWaitsForWorkThatIsToBeDone) {
  for (int i = 0; i < 2000; ++i) stop_while_work_begins();
}

TEST(On, BringsBackResultsAndExceptions) {
  asio::io_context io;
  asio::thread_pool pool(1);
  int done = 41;
  int answer = 0;
  auto end = [&answer](const std::exception_ptr&, int value) { answer = value; };
  asio::co_spawn(io, ask(pool, done), end);
  io.run();
  EXPECT_EQ(answer, 42);
}

}  // namespace
}  // namespace mintmark
