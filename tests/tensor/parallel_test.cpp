#include "tensor/parallel.h"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "tensor/error.h"

namespace tessera::parallel_test {

namespace {

// Restores the number of threads.
struct Threads {
  int before = thread_count();
  ~Threads() { set_thread_count(before); }
};

}  // namespace

TEST_CASE("parallel: every element once, for any number of threads") {
  const Threads guard;
  for (const int threads : {1, 2, 3}) {
    set_thread_count(threads);
    CHECK(thread_count() == threads);
    for (const int64_t count : {0, 1, 7, 1000, 100003}) {
      for (const int64_t grain : {0, 1, 64, 5000, 1000000}) {
        if (count == 100003 && grain < 64) continue;
        std::vector<std::atomic<int>> visits(static_cast<size_t>(count));
        parallel_for(count, grain, [&](int64_t begin, int64_t end) {
          CHECK_UNARY(end - begin <= std::max<int64_t>(1, grain));
          for (int64_t i = begin; i < end; ++i) visits[static_cast<size_t>(i)].fetch_add(1);
        });
        int64_t once = 0;
        for (const auto& v : visits) once += v.load() == 1;
        CHECK(once == count);
      }
    }
  }
}

TEST_CASE("parallel: chunk boundaries do not depend on the number of threads") {
  const Threads guard;
  std::vector<std::vector<int64_t>> ends;
  for (const int threads : {1, 2, 3}) {
    set_thread_count(threads);
    std::vector<int64_t> mine(10, -1);
    parallel_for(1000, 101, [&](int64_t begin, int64_t end) { mine[static_cast<size_t>(begin / 101)] = end; });
    ends.push_back(mine);
  }
  CHECK(ends[0] == ends[1]);
  CHECK(ends[0] == ends[2]);
  CHECK(ends[0].back() == 1000);
}

TEST_CASE("parallel: an exception reaches the caller, and the pool goes on") {
  const Threads guard;
  for (const int threads : {1, 2, 3}) {
    set_thread_count(threads);
    const auto failing = [] {
      parallel_chunks(100, [](int64_t chunk) { check(chunk != 37, "chunk ", chunk, " is bad"); });
    };
    CHECK_THROWS_WITH_AS(failing(), "chunk 37 is bad", Error);
    std::atomic<int> done{0};
    parallel_chunks(100, [&](int64_t) { done.fetch_add(1); });
    CHECK(done == 100);
  }
}

TEST_CASE("parallel: a nested loop runs on its own thread") {
  const Threads guard;
  set_thread_count(3);
  std::atomic<int> done{0}, elsewhere{0};
  parallel_chunks(8, [&](int64_t) {
    const auto self = std::this_thread::get_id();
    parallel_chunks(8, [&](int64_t) {
      done.fetch_add(1);
      if (std::this_thread::get_id() != self) elsewhere.fetch_add(1);
    });
  });
  CHECK(done == 64);
  CHECK(elsewhere == 0);
}

TEST_CASE("parallel: loops may be started from several threads") {
  const Threads guard;
  set_thread_count(2);
  std::atomic<int> done{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 3; ++i)
    callers.emplace_back([&] {
      for (int k = 0; k < 50; ++k) parallel_chunks(10, [&](int64_t) { done.fetch_add(1); });
    });
  for (std::thread& caller : callers) caller.join();
  CHECK(done == 1500);
}

TEST_CASE("parallel: errors and grains") {
  CHECK_THROWS_WITH_AS(set_thread_count(0), "thread count is 0, expected 1 to 1024", Error);
  CHECK_THROWS_WITH_AS(set_thread_count(5000), "thread count is 5000, expected 1 to 1024", Error);
  CHECK(grain_for(0) == 16384);
  CHECK(grain_for(1000) == 16);
  CHECK(grain_for(1 << 20) == 1);
}

}  // namespace tessera::parallel_test
