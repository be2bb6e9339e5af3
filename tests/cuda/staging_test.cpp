// Copies to the device through pinned buffers, on a device that finishes them when it is told to.
#include "tensor/cuda/staging.h"

#include <doctest/doctest.h>

#include <cstring>
#include <map>
#include <memory>
#include <numeric>
#include <vector>

#include "tensor/error.h"

namespace tessera::staging_test {

using cuda::StagingPool;

namespace {

// Copies lie in a queue; a copy happens, from what its buffer holds by then, when it is finished.
class SlowDevice : public cuda::StagingDevice {
 public:
  int64_t most_bytes = int64_t{1} << 40;
  std::vector<int64_t> pieces, buffers;
  bool fails = false;
  int64_t refusals = 0;

  void* allocate(int64_t bytes) override {
    if (std::accumulate(buffers.begin(), buffers.end(), bytes) > most_bytes) {
      ++refusals;
      return nullptr;
    }
    buffers.push_back(bytes);
    memory_.push_back(std::make_unique<char[]>(static_cast<size_t>(bytes)));
    return memory_.back().get();
  }
  void start_copy(void* to, const void* from, int64_t bytes, int number) override {
    check(!fails, "the copy fails");
    pieces.push_back(bytes);
    queue_.push_back({to, from, bytes});
    event_[number] = started_++;
  }
  bool is_done(int number) override { return !event_.contains(number) || event_[number] < finished_; }
  void wait(int number) override {
    while (!is_done(number)) finish(1);
  }
  void finish(int64_t count) {
    for (; count > 0 && finished_ < started_; --count) {
      const Copy& copy = queue_[static_cast<size_t>(finished_++)];
      std::memcpy(copy.to, copy.from, static_cast<size_t>(copy.bytes));
    }
  }
  int64_t unfinished() const { return started_ - finished_; }
  void finish_all() { finish(started_); }

 private:
  struct Copy {
    void* to;
    const void* from;
    int64_t bytes;
  };
  std::vector<Copy> queue_;
  std::vector<std::unique_ptr<char[]>> memory_;
  std::map<int, int64_t> event_;
  int64_t started_ = 0, finished_ = 0;
};

constexpr int64_t kSmall = StagingPool::kSmall, kLarge = StagingPool::kLarge;

std::vector<char> pattern(int64_t bytes, size_t seed) {
  std::vector<char> values(static_cast<size_t>(bytes));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<char>(i * 31 + i / 251 + seed);
  return values;
}

}  // namespace

TEST_CASE("staging: every size arrives, and the source is free at once") {
  SlowDevice device;
  StagingPool pool(device, 1000, 1000);
  const std::vector<int64_t> sizes{0,          1,          5,      kSmall - 1, kSmall,
                                   kSmall + 1, kLarge - 1, kLarge, kLarge + 1, 3 * kLarge + 7};
  std::vector<std::vector<char>> to;
  for (size_t i = 0; i < sizes.size(); ++i) to.emplace_back(static_cast<size_t>(sizes[i]));
  for (size_t i = 0; i < sizes.size(); ++i) {
    std::vector<char> from = pattern(sizes[i], i);
    pool.copy(to[i].data(), from.data(), sizes[i]);
    std::fill(from.begin(), from.end(), 'x');
  }
  device.finish_all();
  for (size_t i = 0; i < sizes.size(); ++i) CHECK(to[i] == pattern(sizes[i], i));
  CHECK(device.pieces == std::vector<int64_t>{1, 5, kSmall - 1, kSmall, kSmall + 1, kLarge - 1, kLarge, kLarge, 1,
                                              kLarge, kLarge, kLarge, 7});
  CHECK(pool.statistics().waits == 0);
}

TEST_CASE("staging: a buffer is used again when its copy is done, and not before") {
  SlowDevice device;
  StagingPool pool(device, 4, 4);
  std::vector<char> to(3);
  for (int i = 0; i < 3; ++i) {
    const char value = static_cast<char>('a' + i);
    pool.copy(&to[static_cast<size_t>(i)], &value, 1);
  }
  CHECK(device.buffers == std::vector<int64_t>{kSmall, kSmall, kSmall});
  device.finish(1);
  char more = 0;
  pool.copy(&more, "d", 1);
  CHECK(device.buffers.size() == 3);
  device.finish_all();
  CHECK(std::string(to.begin(), to.end()) + more == "abcd");
  for (int i = 0; i < 100; ++i) {
    pool.copy(&more, "e", 1);
    device.finish_all();
  }
  CHECK(device.buffers.size() == 3);
  CHECK(pool.statistics().pinned_bytes == 3 * kSmall);
  CHECK(pool.statistics().waits == 0);
}

TEST_CASE("staging: at its bound the pool waits for the oldest copy and counts it") {
  SlowDevice device;
  StagingPool pool(device, 2, 3);
  const std::vector<char> from = pattern(7 * kLarge, 1);
  std::vector<char> to(from.size());
  pool.copy(to.data(), from.data(), 7 * kLarge);
  CHECK(pool.statistics().pinned_bytes == 3 * kLarge);
  CHECK(pool.statistics().waits == 4);
  CHECK(device.unfinished() == 3);  // it has waited for no more than it needed
  char small[3];
  for (char& value : small) pool.copy(&value, "s", 1);  // has a bound of its own
  CHECK(pool.statistics().pinned_bytes == 3 * kLarge + 2 * kSmall);
  CHECK(pool.statistics().waits == 5);
  device.finish_all();
  CHECK(to == from);
  CHECK(std::string(small, 3) == "sss");
}

TEST_CASE("staging: where the host has no more pinned memory, the buffers that there are have to do") {
  SlowDevice device;
  device.most_bytes = 2 * kLarge;
  StagingPool pool(device, 10, 10);
  const std::vector<char> from = pattern(5 * kLarge, 2);
  std::vector<char> to(from.size());
  pool.copy(to.data(), from.data(), 5 * kLarge);
  device.finish_all();
  CHECK(to == from);
  CHECK(pool.statistics().waits == 3);
  CHECK(device.refusals == 1);  // and the host is not asked again
  CHECK_THROWS_WITH_AS(pool.copy(to.data(), from.data(), 1), "cuda: the host has no 64 KiB of pinned memory for copies",
                       Error);
}

TEST_CASE("staging: a copy that fails costs no buffer") {
  SlowDevice device;
  StagingPool pool(device, 1, 1);
  char to = 0;
  device.fails = true;
  CHECK_THROWS_AS(pool.copy(&to, "a", 1), Error);
  device.fails = false;
  pool.copy(&to, "b", 1);
  device.finish_all();
  CHECK(to == 'b');
  CHECK(pool.statistics().pinned_bytes == kSmall);
}

}  // namespace tessera::staging_test
