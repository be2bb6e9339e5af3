// The bookkeeping of device memory, on a store of addresses behind which there is no memory.
#include "tensor/cuda/caching_allocator.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "tensor/cuda/memory.h"
#include "tensor/error.h"
#include "tests/error_text.h"

namespace tessera::caching_allocator_test {

using cuda::CachingAllocator;

namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

// `capacity` bytes, handed out at the lowest address where they fit.
struct FakeStore {
  int64_t capacity;
  std::map<char*, int64_t> taken;
  int64_t calls = 0, refusals = 0;

  int64_t bytes() const {
    int64_t sum = 0;
    for (const auto& [memory, size] : taken) sum += size;
    return sum;
  }
  void* take(int64_t size) {
    ++calls;
    char* at = reinterpret_cast<char*>(kMiB);
    for (const auto& [memory, other] : taken) {
      if (at + size <= memory) break;
      at = memory + other;
    }
    if (bytes() + size > capacity) {
      ++refusals;
      return nullptr;
    }
    taken[at] = size;
    return at;
  }
  void give_back(void* memory, int64_t size) {
    const auto found = taken.find(static_cast<char*>(memory));
    REQUIRE(found != taken.end());
    CHECK(found->second == size);
    taken.erase(found);
  }
  CachingAllocator::Store functions() {
    return {[this](int64_t size) { return take(size); },
            [this](void* memory, int64_t size) { give_back(memory, size); }, [this] { return capacity; }};
  }
};

struct Fixture {
  FakeStore store;
  CachingAllocator allocator;
  explicit Fixture(int64_t capacity = 1000 * kMiB) : store{capacity, {}, 0, 0}, allocator(store.functions()) {}
  char* take(int64_t bytes) { return static_cast<char*>(allocator.allocate(bytes, "a block")); }
  std::string error_of(int64_t bytes) {
    try {
      allocator.allocate(bytes, "a block");
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
};

int64_t rounded(int64_t bytes) { return (bytes + 511) / 512 * 512; }

}  // namespace

TEST_CASE("device memory: sizes are rounded to 512 bytes, small blocks share a segment of 2 MiB") {
  Fixture f;
  CHECK(f.take(0) == nullptr);
  CHECK(f.allocator.statistics().system_calls == 0);
  char* a = f.take(1);
  char* b = f.take(513);
  char* c = f.take(kMiB);
  CHECK(b == a + 512);
  CHECK(c == b + 1024);
  CHECK(f.store.taken == std::map<char*, int64_t>{{a, 2 * kMiB}});
  const MemoryStatistics s = f.allocator.statistics();
  CHECK(s.live_bytes == 512 + 1024 + kMiB);
  CHECK(s.peak_bytes == s.live_bytes);
  CHECK(s.live_bytes + s.cached_bytes == 2 * kMiB);
  CHECK(s.system_calls == 1);
  f.allocator.release(nullptr);
  CHECK(f.allocator.statistics().live_bytes == s.live_bytes);
}

TEST_CASE("device memory: blocks up to 10 MiB share a segment of 20 MiB, larger ones have their own") {
  Fixture f;
  char* a = f.take(kMiB + 1);
  char* b = f.take(10 * kMiB);
  CHECK(b == a + kMiB + 512);
  CHECK(f.store.bytes() == 20 * kMiB);
  char* c = f.take(10 * kMiB + 1);
  CHECK(f.store.taken.at(c) == 12 * kMiB);
  char* d = f.take(31 * kMiB);
  CHECK(f.store.taken.at(d) == 32 * kMiB);  // 1 MiB is left, which is too little to be a block
  CHECK(f.allocator.statistics().live_bytes == kMiB + 512 + 10 * kMiB + 10 * kMiB + 512 + 32 * kMiB);
}

TEST_CASE("device memory: the smallest free block that is large enough serves, the lowest of equal ones") {
  Fixture f;
  std::vector<char*> blocks;
  for (const int64_t bytes : {4096, 512, 2048, 512, 1024, 512, 2048, 512}) blocks.push_back(f.take(bytes));
  for (const size_t i : {0, 2, 4, 6}) f.allocator.release(blocks[i]);
  CHECK(f.take(1024) == blocks[4]);
  CHECK(f.take(1500) == blocks[2]);  // 2048 bytes, of which 512 stay free
  CHECK(f.take(512) == blocks[2] + 1536);
  CHECK(f.take(2048) == blocks[6]);
  CHECK(f.take(2048) == blocks[0]);
  CHECK(f.store.calls == 1);
}

TEST_CASE("device memory: neighbours that are free become one block, in every order of their release") {
  std::vector<size_t> order{0, 1, 2, 3};
  do {
    Fixture f;
    std::vector<char*> blocks;
    for (int i = 0; i < 4; ++i) blocks.push_back(f.take(kMiB / 2));
    for (const size_t i : order) f.allocator.release(blocks[i]);
    CHECK(f.allocator.statistics().live_bytes == 0);
    CHECK(f.take(kMiB) == blocks[0]);
    CHECK(f.take(kMiB) == blocks[2]);
    CHECK(f.store.calls == 1);
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_CASE("device memory: blocks of different segments are never joined") {
  Fixture f;
  char* a = f.take(16 * kMiB);
  char* b = f.take(16 * kMiB);
  REQUIRE(b == a + 16 * kMiB);  // the store's segments touch
  f.allocator.release(a);
  f.allocator.release(b);
  CHECK(f.take(32 * kMiB) != a);
  CHECK(f.store.bytes() == 64 * kMiB);
  f.allocator.release_cached();  // as whole segments, which the store checks
  CHECK(f.store.bytes() == 32 * kMiB);
}

TEST_CASE("device memory: release_cached gives back the segments that are wholly free, and no others") {
  Fixture f;
  char* a = f.take(30 * kMiB);
  char* b = f.take(kMiB);
  char* c = f.take(5 * kMiB);
  f.take(5 * kMiB);
  for (char* block : {a, b, c}) f.allocator.release(block);
  f.allocator.release_cached();
  CHECK(f.store.bytes() == 20 * kMiB);
  const MemoryStatistics s = f.allocator.statistics();
  CHECK(s.live_bytes == 5 * kMiB);
  CHECK(s.cached_bytes == 15 * kMiB);
  CHECK(s.peak_bytes == 41 * kMiB);
  f.allocator.reset_peak();
  CHECK(f.allocator.statistics().peak_bytes == 5 * kMiB);
  CHECK(f.take(5 * kMiB) == c);
}

TEST_CASE("device memory: where there is no more, free segments go back and the store is asked again") {
  Fixture f(100 * kMiB);
  char* a = f.take(40 * kMiB);
  f.take(40 * kMiB);
  f.allocator.release(a);
  CHECK(f.take(60 * kMiB) != nullptr);
  CHECK(f.store.refusals == 1);
  CHECK(f.store.bytes() == 100 * kMiB);
  CHECK(f.allocator.statistics().cached_bytes == 0);
}

TEST_CASE("device memory: a segment of 20 MiB is not insisted upon") {
  Fixture f(25 * kMiB);
  f.take(20 * kMiB);
  char* a = f.take(3 * kMiB);
  CHECK(f.store.taken.at(a) == 3 * kMiB);
  CHECK(f.take(kMiB) != nullptr);  // of 2 MiB
  CHECK(f.store.bytes() == 25 * kMiB);
}

TEST_CASE("device memory: an error says what is used and what to change, and nothing is lost by it") {
  Fixture f(2000 * kMiB);
  char* a = f.take(500 * kMiB);
  char* b = f.take(700 * kMiB);
  f.take(3 * kMiB);
  f.allocator.release(a);
  CHECK(f.error_of(1300 * kMiB - 100) ==
        "out of memory on cuda:0: 1,300 MiB requested for a block, 703 MiB live, 1,203 MiB at the peak, 17 MiB cached, "
        "of 2,000 MiB on the device; to train with less, lower train.batch_size, raise train.accumulate, switch "
        "train.checkpoint_blocks on or choose --precision bf16");
  CHECK(f.store.bytes() == 720 * kMiB);
  CHECK(f.take(1280 * kMiB) != nullptr);
  f.allocator.release(b);
  CHECK(tests::lacking(f.error_of(INT64_MAX), {"8,796,093,022,208 MiB requested"}) == "");
}

TEST_CASE("device memory: a limit is as good as a smaller device") {
  Fixture f;
  f.allocator.limit(50 * kMiB);
  char* a = f.take(30 * kMiB);
  CHECK(tests::lacking(f.error_of(21 * kMiB), {"21 MiB requested", "30 MiB live", "of 50 MiB on the device"}) == "");
  CHECK(f.store.refusals == 0);
  f.allocator.release(a);
  char* b = f.take(50 * kMiB);  // after the free segment has gone back
  f.allocator.release(b);
  f.take(kMiB + 1);  // of the 50, which are not given back
  CHECK(tests::lacking(f.error_of(49 * kMiB), {"1,025 KiB live", "49 MiB cached"}) == "");
  f.allocator.limit(0);
  CHECK(f.take(500 * kMiB) != nullptr);
}

TEST_CASE("device memory: training steps of a fixed shape take nothing after the first") {
  Fixture f;
  f.take(300 * kMiB);  // parameters and moments
  const auto step = [&] {
    std::vector<char*> activations;
    for (int layer = 0; layer < 12; ++layer) {
      for (const int64_t rows : {768, 2304, 768, 3072, 768}) activations.push_back(f.take(rows * 1200 * 2));
      for (const int64_t bytes : {4800, 4800, 57600}) activations.push_back(f.take(bytes));  // statistics of rows
      char* workspace = f.take(9 * kMiB + 100 * layer);
      f.allocator.release(workspace);
    }
    char* logits = f.take(int64_t{30522} * 200 * 4);
    while (!activations.empty()) {  // backward
      char* gradient = f.take(3072 * 1200 * 2);
      f.allocator.release(activations.back());
      activations.pop_back();
      f.allocator.release(gradient);
    }
    f.allocator.release(logits);
  };
  step();
  const int64_t calls = f.store.calls;
  for (int i = 0; i < 20; ++i) step();
  CHECK(f.store.calls == calls);
  CHECK(f.allocator.statistics().system_calls == calls);
}

TEST_CASE("device memory: random blocks never overlap, and the books agree with those of a naive model") {
  std::mt19937_64 random(7);
  for (int run = 0; run < 20; ++run) {
    constexpr int64_t kCapacity = 60 * kMiB;
    Fixture f(kCapacity);
    std::map<char*, int64_t> live;  // what was asked for
    int64_t refused = 0;
    for (int i = 0; i < 2000; ++i) {
      if (!live.empty() && random() % 100 < 48) {
        const auto chosen = std::next(live.begin(), static_cast<int64_t>(random() % live.size()));
        f.allocator.release(chosen->first);
        live.erase(chosen);
      } else {
        const int64_t most = int64_t{1} << (random() % 26);
        const auto bytes = static_cast<int64_t>(random() % static_cast<uint64_t>(most)) + 1;
        try {
          char* block = f.take(bytes);
          REQUIRE(reinterpret_cast<uintptr_t>(block) % 512 == 0);
          const auto next = live.lower_bound(block);
          if (next != live.end()) REQUIRE(block + rounded(bytes) <= next->first);
          if (next != live.begin()) REQUIRE(std::prev(next)->first + rounded(std::prev(next)->second) <= block);
          const auto segment = std::prev(f.store.taken.upper_bound(block));
          REQUIRE(block + bytes <= segment->first + segment->second);
          live[block] = bytes;
        } catch (const Error&) {
          ++refused;
          CHECK(f.store.bytes() + bytes > kCapacity);  // even with free segments gone
        }
      }
      int64_t least = 0, most = 0;
      for (const auto& [block, bytes] : live) {
        least += rounded(bytes);
        most += rounded(bytes) + (bytes > kMiB ? kMiB : 0);  // the rest that is not split off
      }
      const MemoryStatistics s = f.allocator.statistics();
      REQUIRE(s.live_bytes >= least);
      REQUIRE(s.live_bytes <= most);
      REQUIRE(s.live_bytes <= s.peak_bytes);
      REQUIRE(s.live_bytes + s.cached_bytes == f.store.bytes());
    }
    CHECK(refused > 0);
    for (const auto& [block, bytes] : live) f.allocator.release(block);
    CHECK(f.allocator.statistics().live_bytes == 0);
    f.allocator.release_cached();  // all blocks have been joined
    CHECK(f.store.taken.empty());
    CHECK(f.allocator.statistics().cached_bytes == 0);
  }
}

// 20 MiB beside what other tests' tensors keep.
TEST_CASE("device memory: a device has the limit that it is given, and the same error") {
  cuda::release_cached_memory();
  const MemoryStatistics before = cuda::memory_statistics();
  cuda::limit_memory(before.live_bytes + before.cached_bytes + 20 * kMiB);
  void* block = cuda::allocate(15 * kMiB, 4, "x [3932160]");
  std::string error;
  try {
    cuda::allocate(11 * kMiB, 4, "y [2883584]");
  } catch (const Error& problem) {
    error = problem.what();
  }
  cuda::release(block);
  block = cuda::allocate(20 * kMiB, 4, "z [5242880]");
  cuda::release(block);
  cuda::limit_memory(0);
  CHECK(tests::lacking(error, {"out of memory on cuda:0: 11 MiB requested for y [2883584], ", "MiB live, ",
                               "on the device; to train with less, lower train.batch_size"}) == "");
  CHECK(cuda::memory_statistics().live_bytes == before.live_bytes);
}

}  // namespace tessera::caching_allocator_test
