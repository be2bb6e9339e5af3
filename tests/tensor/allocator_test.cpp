#include "tensor/allocator.h"

#include <doctest/doctest.h>
#include <sys/resource.h>

#include <cstring>

#include "tensor/tensor.h"
#include "tests/skipped.h"

namespace tessera::allocator_test {

namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kCaches = false;  // every block goes back to the system, so that the sanitizer sees uses after free
#else
constexpr bool kCaches = true;
#endif

int64_t page_faults() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt + usage.ru_majflt;
}

// Takes and writes blocks as a training step does: activations that live on, temporaries that do not.
void step() {
  std::vector<Tensor> kept;
  for (int layer = 0; layer < 12; ++layer) {
    kept.push_back(Tensor::full({64, 1000 + layer}, layer));
    const Tensor temporary = Tensor::zeros({300000});
    kept.push_back(temporary.narrow(0, 0, 1000).clone());
  }
}

}  // namespace

TEST_CASE("allocator: statistics") {
  release_cached_memory();
  reset_peak_memory();
  const MemoryStatistics before = memory_statistics();
  void* block = allocate_host(1000);
  CHECK(reinterpret_cast<uintptr_t>(block) % 64 == 0);
  std::memset(block, 1, 1000);
  const MemoryStatistics held = memory_statistics();
  CHECK(held.live_bytes - before.live_bytes >= 1000);
  CHECK(held.live_bytes - before.live_bytes <= 1250);  // at most a quarter is lost to rounding
  CHECK(held.peak_bytes == held.live_bytes);
  CHECK(held.system_calls == before.system_calls + 1);
  free_host(block, 1000);
  const MemoryStatistics after = memory_statistics();
  CHECK(after.live_bytes == before.live_bytes);
  CHECK(after.peak_bytes == held.peak_bytes);
  if (kCaches) CHECK(after.cached_bytes == held.live_bytes - before.live_bytes);
  reset_peak_memory();
  CHECK(memory_statistics().peak_bytes == before.live_bytes);
  release_cached_memory();
  CHECK(memory_statistics().cached_bytes == 0);
  CHECK(allocate_host(0) == nullptr);
}

TEST_CASE("allocator: a freed block serves the next request of about its size") {
  if (!kCaches) return tests::skipped("under AddressSanitizer the allocator keeps no memory");
  void* first = allocate_host(5000);
  free_host(first, 5000);
  const int64_t calls = memory_statistics().system_calls;
  void* second = allocate_host(4990);
  CHECK(second == first);
  CHECK(memory_statistics().system_calls == calls);
  free_host(second, 4990);
}

TEST_CASE("allocator: large blocks are aligned to huge pages") {
  void* block = allocate_host(int64_t{5} << 20);
  CHECK(reinterpret_cast<uintptr_t>(block) % (int64_t{2} << 20) == 0);
  free_host(block, int64_t{5} << 20);
}

TEST_CASE("allocator: no system call and no page fault after the first step") {
  if (!kCaches) return tests::skipped("under AddressSanitizer the allocator keeps no memory");
  step();
  step();
  const int64_t calls = memory_statistics().system_calls, faults = page_faults();
  for (int i = 0; i < 50; ++i) step();
  CHECK(memory_statistics().system_calls == calls);
  // One step touches about 1,800 pages; a few faults may come from elsewhere in the process.
  CHECK(page_faults() - faults < 50);
}

TEST_CASE("allocator: too much is an error that says how much") {
  CHECK_THROWS_WITH_AS(allocate_host(int64_t{1} << 60), doctest::Contains("out of memory: 1152921504606846976 bytes"),
                       Error);
}

}  // namespace tessera::allocator_test
