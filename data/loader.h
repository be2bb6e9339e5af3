// Makes the batches of coming steps in worker threads. Any number of workers gives the same batches, since a step's
// batch is a function of its number; at most `prefetch` steps wait in memory.
#pragma once

#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "tensor/error.h"

namespace tessera {

// Batch is a micro-batch of any task.
template <class Batch>
class Loader {
 public:
  using MakeStep = std::function<std::vector<Batch>(int64_t step)>;  // thread-safe

  // Makes steps first_step .. last_step - 1 in order.
  Loader(MakeStep make, int64_t first_step, int64_t last_step, int workers, int64_t prefetch)
      : make_(std::move(make)),
        next_to_make_(first_step),
        next_to_give_(first_step),
        last_step_(last_step),
        prefetch_(prefetch) {
    check(workers >= 1 && prefetch >= 1, "loader: ", workers, " workers, ", prefetch,
          " steps ahead; expected at least 1");
    for (int i = 0; i < workers; ++i) workers_.emplace_back([this] { work(); });
  }
  ~Loader() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    taken_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  // The next step's micro-batches; waits for them. Rethrows what making them threw.
  std::vector<Batch> next() {
    check(next_to_give_ < last_step_, "loader: all ", last_step_, " steps have been given");
    const auto start = std::chrono::steady_clock::now();
    std::unique_lock lock(mutex_);
    made_.wait(lock, [&] { return made_steps_.contains(next_to_give_); });
    wait_seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const auto made = made_steps_.find(next_to_give_);
    if (made->second.failure) std::rethrow_exception(made->second.failure);
    std::vector<Batch> batches = std::move(made->second.batches);
    made_steps_.erase(made);
    ++next_to_give_;
    lock.unlock();
    taken_.notify_all();
    return batches;
  }
  // Seconds that next() has waited so far.
  double wait_seconds() const { return wait_seconds_; }

 private:
  struct Made {
    std::vector<Batch> batches;
    std::exception_ptr failure;
  };

  void work() {
    for (;;) {
      int64_t step = 0;
      {
        std::unique_lock lock(mutex_);
        taken_.wait(lock, [&] { return stopping_ || next_to_make_ < next_to_give_ + prefetch_; });
        if (stopping_ || next_to_make_ >= last_step_) return;
        step = next_to_make_++;
      }
      Made made;
      try {
        made.batches = make_(step);
      } catch (...) {
        made.failure = std::current_exception();
      }
      {
        const std::lock_guard lock(mutex_);
        made_steps_.emplace(step, std::move(made));
      }
      made_.notify_all();
    }
  }

  MakeStep make_;
  int64_t next_to_make_, next_to_give_, last_step_, prefetch_;
  std::map<int64_t, Made> made_steps_;
  double wait_seconds_ = 0;
  bool stopping_ = false;
  std::mutex mutex_;
  std::condition_variable made_, taken_;
  std::vector<std::thread> workers_;
};

}  // namespace tessera
