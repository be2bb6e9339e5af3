#include "data/loader.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <thread>

namespace tessera::loader_test {
namespace {

// A step of two micro-batches that say its number.
std::vector<int64_t> numbered(int64_t step) { return {step, 1000 + step}; }

}  // namespace

TEST_CASE("Steps come in order, from the first asked for, and no more than there are") {
  Loader<int64_t> loader(numbered, 5, 40, 3, 4);
  for (int64_t step = 5; step < 40; ++step) CHECK(loader.next() == numbered(step));
  CHECK_THROWS_WITH(loader.next(), "loader: all 40 steps have been given");
}

TEST_CASE("A step takes any number of micro-batches, and each comes to one reader alone") {
  using Owned = std::unique_ptr<int64_t>;  // a batch that cannot be copied
  const auto make = [](int64_t step) {
    std::vector<Owned> batches;
    for (int64_t i = 0; i < step; ++i) batches.push_back(std::make_unique<int64_t>(10 * step + i));
    return batches;
  };
  Loader<Owned> loader(make, 0, 4, 2, 2);
  for (int64_t step = 0; step < 4; ++step) {
    const std::vector<Owned> batches = loader.next();
    REQUIRE(static_cast<int64_t>(batches.size()) == step);
    for (int64_t i = 0; i < step; ++i) CHECK(*batches[static_cast<size_t>(i)] == 10 * step + i);
  }
}

TEST_CASE("The time that a reader waits is counted, and the time that steps wait for it is not") {
  using namespace std::chrono_literals;
  std::atomic<bool> open{false};
  std::atomic<int64_t> made{0};
  Loader<int64_t> loader(
      [&](int64_t step) {
        while (!open) std::this_thread::sleep_for(1ms);
        ++made;
        return numbered(step);
      },
      0, 3, 1, 2);
  CHECK(loader.wait_seconds() == 0);
  std::thread opener([&] {
    std::this_thread::sleep_for(300ms);
    open = true;
  });
  const auto start = std::chrono::steady_clock::now();
  loader.next();
  const std::chrono::duration<double> first = std::chrono::steady_clock::now() - start;
  opener.join();
  const double waited = loader.wait_seconds();
  CHECK(waited > 0.1);  // the reader may come late to its wait, but hardly by so much
  CHECK(waited <= first.count());
  while (made < 3) std::this_thread::sleep_for(1ms);
  std::this_thread::sleep_for(100ms);  // the last steps lie ready
  loader.next();
  loader.next();
  CHECK(loader.wait_seconds() >= waited);
  CHECK(loader.wait_seconds() < waited + 0.1);
}

TEST_CASE("No more steps are made ahead than `prefetch`") {
  std::atomic<int64_t> furthest{-1};
  Loader<int64_t> loader(
      [&](int64_t step) {
        int64_t seen = furthest;
        while (seen < step && !furthest.compare_exchange_weak(seen, step)) {
        }
        return numbered(step);
      },
      0, 100, 4, 3);
  for (int64_t step = 0; step < 50; ++step) {
    CHECK(furthest <= step + 2);  // of the steps that are not given, at most three are made or being made
    loader.next();
  }
}

TEST_CASE("What making a step throws comes out of next(), in its turn") {
  Loader<int64_t> loader(
      [](int64_t step) {
        check(step != 2, "step 2 cannot be made");
        return numbered(step);
      },
      0, 10, 3, 3);
  CHECK(loader.next()[0] == 0);
  CHECK(loader.next()[0] == 1);
  CHECK_THROWS_WITH(loader.next(), "step 2 cannot be made");
  CHECK_THROWS_WITH(loader.next(), "step 2 cannot be made");
}

TEST_CASE("A loader that nobody reads stops") {
  { const Loader<int64_t> loader(numbered, 0, 1000, 3, 2); }
  CHECK_THROWS_WITH(Loader<int64_t>(numbered, 0, 1, 0, 1), "loader: 0 workers, 1 steps ahead; expected at least 1");
  CHECK_THROWS_WITH(Loader<int64_t>(numbered, 0, 1, 1, 0), "loader: 1 workers, 0 steps ahead; expected at least 1");
}

}  // namespace tessera::loader_test
