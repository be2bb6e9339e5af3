#include "vilt/serve/batcher.h"

#include <algorithm>

namespace tessera::serve {

Batcher::Batcher(int64_t batch, size_t waiting, Run run)
    : batch_(batch), waiting_(waiting), run_(std::move(run)), thread_([this] { work(); }) {}

Batcher::~Batcher() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  arrived_.notify_all();
  thread_.join();
}

Batcher::Outcome Batcher::run(const std::shared_ptr<Job>& job, Time latest) {
  std::unique_lock lock(mutex_);
  if (queue_.size() >= waiting_) return Outcome::full;
  queue_.push_back(job);
  arrived_.notify_one();
  if (finished_.wait_until(lock, latest, [&] { return job->done; })) return Outcome::done;
  std::erase(queue_, job);
  return Outcome::late;
}

// The oldest job, and those of its group behind it while they fit. Called with the lock held.
Batcher::Jobs Batcher::take() {
  Jobs out{queue_.front()};
  queue_.pop_front();
  int64_t size = out[0]->size;
  if (out[0]->group.empty()) return out;
  for (auto job = queue_.begin(); job != queue_.end() && size < batch_;) {
    const bool fits = (*job)->group == out[0]->group && size + (*job)->size <= batch_;
    if (fits) {
      size += (*job)->size;
      out.push_back(std::move(*job));
    }
    job = fits ? queue_.erase(job) : job + 1;
  }
  return out;
}

void Batcher::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    arrived_.wait(lock, [this] { return ending_ || !queue_.empty(); });
    if (queue_.empty()) return;
    const Jobs jobs = take();
    lock.unlock();
    ++batches_;
    jobs_ += static_cast<int64_t>(jobs.size());
    std::string error;
    try {
      run_(jobs);
    } catch (const std::bad_alloc&) {
      error = "out of memory";
    } catch (const std::exception& thrown) {
      error = thrown.what();
    }
    lock.lock();
    for (const auto& job : jobs) {
      if (job->error.empty()) job->error = error;
      job->done = true;
    }
    finished_.notify_all();
  }
}

}  // namespace tessera::serve
