// A thread with a queue of closures, served in batches: the bridge between coroutines and a
// database connection that belongs to one thread.
#pragma once

#include <algorithm>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <condition_variable>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "station/words/task.hpp"

namespace mintmark {

template <class Scope>
struct Job {
  Job() = default;
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;
  virtual ~Job() = default;
  virtual void run(Scope& scope) = 0;
  std::exception_ptr error;
  std::function<void(std::exception_ptr)> done;
  asio::any_io_executor home;  // where a coroutine waits for `done`; none for a thread that does
};

template <class Scope, class F>
struct JobOf final : Job<Scope> {
  using Result = std::invoke_result_t<F&, Scope&>;
  using Kept = std::conditional_t<std::is_void_v<Result>, bool, Result>;
  explicit JobOf(F work_) : work(std::move(work_)) {}
  void run(Scope& scope) override {
    if constexpr (std::is_void_v<Result>)
      work(scope);
    else
      result.emplace(work(scope));
  }
  F work;
  std::optional<Kept> result;
};

template <class Scope>
class Queue {
 public:
  using Batch = std::vector<std::shared_ptr<Job<Scope>>>;
  using Serve = std::function<void(Batch&)>;

  // `serve` runs every job of a batch, noting what each threw. A batch is at most `most` jobs;
  // while it is served, it may join() those that came meanwhile.
  Queue(std::size_t most, Serve serve)
      : most_(most), serve_(std::move(serve)), thread_([this] { loop(); }) {}
  // What waits is served first.
  ~Queue() {
    {
      std::lock_guard hold(mutex_);
      ending_ = true;
    }
    ready_.notify_one();
    thread_.join();
  }
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  template <class F>
  Task<std::invoke_result_t<F&, Scope&>> await(F work) {
    return finish(std::make_shared<JobOf<Scope, F>>(std::move(work)));
  }

  template <class F>
  std::invoke_result_t<F&, Scope&> wait(F work) {
    auto job = std::make_shared<JobOf<Scope, F>>(std::move(work));
    std::promise<void> promise;
    job->done = [&promise](const std::exception_ptr& error) {
      if (error)
        promise.set_exception(error);
      else
        promise.set_value();
    };
    std::future<void> future = promise.get_future();
    put(job);
    future.get();
    if constexpr (!std::is_void_v<std::invoke_result_t<F&, Scope&>>) return std::move(*job->result);
  }

  // Of the thread that serves.
  void join(Batch& batch) {
    std::lock_guard hold(mutex_);
    move_some(batch);
  }

 private:
  template <class F>
  Task<std::invoke_result_t<F&, Scope&>> finish(std::shared_ptr<JobOf<Scope, F>> job) {
    std::shared_ptr<Job<Scope>> waiting = job;
    co_await submit(std::move(waiting));
    if constexpr (!std::is_void_v<std::invoke_result_t<F&, Scope&>>)
      co_return std::move(*job->result);
  }

  // Not a coroutine: see words/task.hpp.
  Task<void> submit(std::shared_ptr<Job<Scope>> job) {
    auto start = [this](auto handler, std::shared_ptr<Job<Scope>> waiting) {
      auto executor = asio::get_associated_executor(handler);
      auto guard = asio::make_work_guard(executor);
      auto held = std::make_shared<decltype(handler)>(std::move(handler));
      waiting->home = executor;
      waiting->done = [held, guard](std::exception_ptr error) { std::move (*held)(error); };
      put(std::move(waiting));
    };
    return asio::async_initiate<const asio::use_awaitable_t<>&, void(std::exception_ptr)>(
        std::move(start), asio::use_awaitable, std::move(job));
  }

  void put(std::shared_ptr<Job<Scope>> job) {
    {
      std::lock_guard hold(mutex_);
      waiting_.push_back(std::move(job));
    }
    ready_.notify_one();
  }

  Batch take() {
    std::unique_lock hold(mutex_);
    ready_.wait(hold, [this] { return ending_ || !waiting_.empty(); });
    Batch batch;
    move_some(batch);
    return batch;
  }

  void move_some(Batch& batch) {
    std::size_t count = std::min(waiting_.size(), most_ - batch.size());
    auto cut = waiting_.begin() + static_cast<std::ptrdiff_t>(count);
    batch.insert(batch.end(), std::make_move_iterator(waiting_.begin()),
                 std::make_move_iterator(cut));
    waiting_.erase(waiting_.begin(), cut);
  }

  void loop() {
    for (Batch batch = take(); !batch.empty(); batch = take()) {
      serve_(batch);
      answer(batch);
    }
  }

  // Coroutines of one executor are told in one turn of it: to wake it for each takes longer.
  static void answer(Batch& batch) {
    std::vector<std::pair<asio::any_io_executor, std::vector<std::function<void()>>>> turns;
    for (std::shared_ptr<Job<Scope>>& job : batch) {
      // The caller alone owns its closure and result from here on.
      asio::any_io_executor home = std::move(job->home);
      std::function<void()> tell = std::bind(std::move(job->done), job->error);
      job.reset();
      if (!home) {
        tell();
        continue;
      }
      if (turns.empty() || turns.back().first != home) turns.emplace_back(std::move(home), 0);
      turns.back().second.push_back(std::move(tell));
    }
    for (auto& [home, tells] : turns)
      asio::post(home, [tells = std::move(tells)] {
        for (const auto& tell : tells) tell();
      });
  }

  std::size_t most_;
  Serve serve_;
  std::mutex mutex_;
  std::condition_variable ready_;
  Batch waiting_;
  bool ending_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace mintmark
