#include "tensor/parallel.h"

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "tensor/error.h"

namespace tessera {
namespace {

// A waiting worker spins this many times before it sleeps: a training step starts a loop every few microseconds, and
// waking a sleeper costs about as much as such a loop takes.
constexpr int kSpins = 4000;

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

thread_local bool inside_loop = false;

class Pool {
 public:
  explicit Pool(int threads) {
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { work(); });
  }

  ~Pool() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      state_.fetch_add(kGeneration);
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  void run(int64_t chunks, void (*body)(void*, int64_t), void* context) {
    const std::lock_guard one_caller(callers_);
    body_ = body;
    context_ = context;
    chunks_ = chunks;
    next_.store(0, std::memory_order_relaxed);
    finished_.store(0, std::memory_order_relaxed);
    failure_ = nullptr;
    {
      const std::lock_guard lock(mutex_);
      state_.store((state_.load() & ~(kGeneration - 1)) + kGeneration + kOpen);
    }
    if (sleepers_.load() > 0) wake_.notify_all();
    take_chunks();
    const uint64_t joined = (state_.fetch_and(~kOpen) & (kOpen - 1));
    for (int spin = 0; finished_.load(std::memory_order_acquire) < joined; ++spin) {
      if (spin < kSpins)
        pause();
      else
        std::this_thread::yield();
    }
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  // The state of the current loop in one word: how many workers have joined it, whether more may, and its number. The
  // caller closes the loop when no chunk is left and waits for those that have joined: one that has not woken up yet,
  // because another program has its core, holds nobody up.
  static constexpr uint64_t kOpen = 1u << 15, kGeneration = 1u << 16;
  static uint64_t generation(uint64_t state) { return state / kGeneration; }

  bool join(uint64_t state) {
    while (state & kOpen) {
      const uint64_t before = state;
      if (state_.compare_exchange_weak(state, state + 1)) return true;
      if (generation(state) != generation(before)) return false;
    }
    return false;
  }

  void work() {
    uint64_t seen = 0;
    for (;;) {
      uint64_t now = state_.load(std::memory_order_acquire);
      for (int spin = 0; generation(now) == seen && spin < kSpins; ++spin) {
        pause();
        now = state_.load(std::memory_order_acquire);
      }
      if (generation(now) == seen) {
        std::unique_lock lock(mutex_);
        sleepers_.fetch_add(1);
        wake_.wait(lock, [&] { return generation(state_.load()) != seen; });
        sleepers_.fetch_sub(1);
        now = state_.load();
      }
      if (stopping_) return;
      seen = generation(now);
      if (!join(now)) continue;
      take_chunks();
      finished_.fetch_add(1, std::memory_order_release);
    }
  }

  void take_chunks() {
    inside_loop = true;
    for (int64_t chunk; (chunk = next_.fetch_add(1, std::memory_order_relaxed)) < chunks_;) {
      try {
        body_(context_, chunk);
      } catch (...) {
        const std::lock_guard lock(failure_mutex_);
        if (!failure_) failure_ = std::current_exception();
        next_.store(chunks_, std::memory_order_relaxed);
      }
    }
    inside_loop = false;
  }

  std::vector<std::thread> workers_;
  std::mutex callers_, mutex_, failure_mutex_;
  std::condition_variable wake_;
  std::atomic<uint64_t> state_{0}, finished_{0};
  std::atomic<int> sleepers_{0};
  std::atomic<int64_t> next_{0};
  std::atomic<bool> stopping_{false};
  int64_t chunks_ = 0;
  void (*body_)(void*, int64_t) = nullptr;
  void* context_ = nullptr;
  std::exception_ptr failure_;
};

int initial_thread_count() {
  if (const char* setting = std::getenv("TESSERA_THREADS")) {
    const int count = std::atoi(setting);
    check(count >= 1 && count <= 1024, "TESSERA_THREADS is '", setting, "', expected a number from 1 to 1024");
    return count;
  }
  const unsigned cores = std::thread::hardware_concurrency();
  return cores > 0 ? static_cast<int>(cores) : 1;
}

std::unique_ptr<Pool>& pool() {
  static std::unique_ptr<Pool> instance = std::make_unique<Pool>(initial_thread_count());
  return instance;
}

}  // namespace

int thread_count() { return pool()->size(); }

void set_thread_count(int count) {
  check(count >= 1 && count <= 1024, "thread count is ", count, ", expected 1 to 1024");
  if (count != thread_count()) pool() = std::make_unique<Pool>(count);
}

void detail::run_chunks(int64_t chunks, void (*body)(void*, int64_t), void* context) {
  if (chunks <= 0) return;
  if (chunks == 1 || inside_loop || thread_count() == 1) {
    for (int64_t chunk = 0; chunk < chunks; ++chunk) body(context, chunk);
    return;
  }
  pool()->run(chunks, body, context);
}

}  // namespace tessera
