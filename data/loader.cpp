#include "data/loader.h"

#include <chrono>

namespace tessera {

Loader::Loader(MakeStep make, int64_t first_step, int64_t last_step, int workers, int64_t prefetch)
    : make_(std::move(make)),
      next_to_make_(first_step),
      next_to_give_(first_step),
      last_step_(last_step),
      prefetch_(prefetch) {
  check(workers >= 1 && prefetch >= 1, "loader: ", workers, " workers, ", prefetch, " steps ahead; expected at least 1");
  for (int i = 0; i < workers; ++i) workers_.emplace_back([this] { work(); });
}

Loader::~Loader() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  taken_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void Loader::work() {
  for (;;) {
    int64_t step = 0;
    {
      std::unique_lock lock(mutex_);
      taken_.wait(lock, [&] { return stopping_ || next_to_make_ < next_to_give_ + prefetch_; });
      if (stopping_ || next_to_make_ >= last_step_) return;
      step = next_to_make_++;
    }
    std::vector<PretrainBatch> batches;
    std::exception_ptr failure;
    try {
      batches = make_(step);
    } catch (...) {
      failure = std::current_exception();
    }
    {
      const std::lock_guard lock(mutex_);
      if (failure)
        failed_[step] = failure;
      else
        ready_[step] = std::move(batches);
    }
    made_.notify_all();
  }
}

std::vector<PretrainBatch> Loader::next() {
  check(next_to_give_ < last_step_, "loader: all ", last_step_, " steps have been given");
  const auto start = std::chrono::steady_clock::now();
  std::unique_lock lock(mutex_);
  made_.wait(lock, [&] { return ready_.contains(next_to_give_) || failed_.contains(next_to_give_); });
  wait_seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (const auto failure = failed_.find(next_to_give_); failure != failed_.end()) std::rethrow_exception(failure->second);
  auto batches = std::move(ready_.extract(next_to_give_).mapped());
  ++next_to_give_;
  lock.unlock();
  taken_.notify_all();
  return batches;
}

}  // namespace tessera
