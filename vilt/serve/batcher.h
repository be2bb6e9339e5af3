// Questions that wait are asked together: one thread has the model, and takes all that waits and can share a batch.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace tessera::serve {

class Batcher {
 public:
  struct Job {
    virtual ~Job() = default;
    std::string group;  // jobs of one group may run together; none: alone
    int64_t size = 1;   // questions
    std::string error;  // what went wrong in it; empty: it has its result
    bool bad = false;   // the error is the asker's

   private:
    friend class Batcher;
    bool done = false;
  };
  using Jobs = std::vector<std::shared_ptr<Job>>;
  using Run = std::function<void(const Jobs& jobs)>;  // of one group; what it throws is every job's error
  using Time = std::chrono::steady_clock::time_point;

  // Jobs run together until they have `batch` questions; more than `waiting` jobs do not wait. 1: one by one.
  Batcher(int64_t batch, size_t waiting, Run run);
  // Those that wait are run first.
  ~Batcher();
  Batcher(const Batcher&) = delete;
  Batcher& operator=(const Batcher&) = delete;

  enum class Outcome : uint8_t { done, full, late };
  // Returns when the job has been run (done), at once where too many wait, or when it is `late`: a job that has not
  // begun by then is never run.
  Outcome run(const std::shared_ptr<Job>& job, Time latest);

  // How many batches there were, and how many jobs in them.
  int64_t batches() const { return batches_; }
  int64_t jobs() const { return jobs_; }

 private:
  void work();
  Jobs take();

  const int64_t batch_;
  const size_t waiting_;
  const Run run_;
  std::mutex mutex_;
  std::condition_variable arrived_, finished_;
  std::deque<std::shared_ptr<Job>> queue_;
  bool ending_ = false;
  std::atomic<int64_t> batches_ = 0, jobs_ = 0;
  std::thread thread_;
};

}  // namespace tessera::serve
