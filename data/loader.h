// Makes the batches of coming steps in worker threads. Any number of workers gives the same batches, since a step's
// batch is a function of its number; at most `prefetch` steps wait in memory.
#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "data/batch.h"

namespace tessera {

class Loader {
 public:
  using MakeStep = std::function<std::vector<PretrainBatch>(int64_t step)>;  // thread-safe

  // Makes steps first_step .. last_step - 1 in order.
  Loader(MakeStep make, int64_t first_step, int64_t last_step, int workers, int64_t prefetch);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  // The next step's micro-batches; waits for them. Rethrows what making them threw.
  std::vector<PretrainBatch> next();
  // Seconds that next() has waited so far.
  double wait_seconds() const { return wait_seconds_; }

 private:
  void work();

  MakeStep make_;
  int64_t next_to_make_, next_to_give_, last_step_, prefetch_;
  std::map<int64_t, std::vector<PretrainBatch>> ready_;
  std::map<int64_t, std::exception_ptr> failed_;
  double wait_seconds_ = 0;
  bool stopping_ = false;
  std::mutex mutex_;
  std::condition_variable made_, taken_;
  std::vector<std::thread> workers_;
};

}  // namespace tessera
