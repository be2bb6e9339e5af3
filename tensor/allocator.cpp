#include "tensor/allocator.h"

#include <sys/mman.h>

#include <bit>
#include <cstdlib>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "tensor/error.h"

namespace tessera {
namespace {

constexpr int64_t kHugePage = int64_t{2} << 20;

// Under AddressSanitizer every block goes back to the system, or a use after free would find a live block.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kCache = false;
#elif defined(__has_feature)  // clang
constexpr bool kCache = !__has_feature(address_sanitizer);
#else
constexpr bool kCache = true;
#endif

// Sizes are rounded up to a power of two or to one of the three steps between two of them: at most a quarter is lost,
// and blocks of nearly the same size can serve each other. Blocks so large that there are few, such as the arenas of
// parameters, are rounded to whole huge pages.
int64_t rounded(int64_t bytes) {
  constexpr int64_t kLarge = int64_t{256} << 20;
  if (bytes <= 256) return 256;
  if (bytes >= kLarge) return (bytes + kHugePage - 1) / kHugePage * kHugePage;
  const auto value = static_cast<uint64_t>(bytes);
  const auto step = uint64_t{1} << (std::bit_width(value - 1) - 3);
  return static_cast<int64_t>((value + step - 1) / step * step);
}

struct Cache {
  std::mutex mutex;
  std::unordered_map<int64_t, std::vector<void*>> free_blocks;
  MemoryStatistics statistics;
};

// Never destroyed: tensors with static storage duration may be freed after it.
Cache& cache() {
  static Cache* instance = new Cache;
  return *instance;
}

void* from_system(int64_t bytes) {
  const bool huge = bytes >= kHugePage;
  const auto alignment = static_cast<size_t>(huge ? kHugePage : 64);
  const auto size = (static_cast<size_t>(bytes) + alignment - 1) / alignment * alignment;
  void* pointer = std::aligned_alloc(alignment, size);
  if (pointer && huge) madvise(pointer, size, MADV_HUGEPAGE);  // advice: failure only costs speed
  return pointer;
}

void release_locked(Cache& c) {
  for (auto& [bytes, blocks] : c.free_blocks) {
    for (void* block : blocks) std::free(block);
    blocks.clear();
  }
  c.statistics.cached_bytes = 0;
}

}  // namespace

void* allocate_host(int64_t bytes) {
  if (bytes <= 0) return nullptr;
  check(bytes < (int64_t{1} << 46), "out of memory: ", bytes, " bytes requested");
  const int64_t size = rounded(bytes);
  Cache& c = cache();
  const std::lock_guard lock(c.mutex);
  void* pointer = nullptr;
  auto& blocks = c.free_blocks[size];
  if (!blocks.empty()) {
    pointer = blocks.back();
    blocks.pop_back();
    c.statistics.cached_bytes -= size;
  } else {
    pointer = from_system(size);
    if (!pointer) {
      release_locked(c);
      pointer = from_system(size);
    }
    ++c.statistics.system_calls;
  }
  check(pointer != nullptr, "out of memory: ", bytes, " bytes requested, ", c.statistics.live_bytes, " live, ",
        c.statistics.peak_bytes, " at the peak");
  c.statistics.live_bytes += size;
  if (c.statistics.live_bytes > c.statistics.peak_bytes) c.statistics.peak_bytes = c.statistics.live_bytes;
  return pointer;
}

void free_host(void* pointer, int64_t bytes) {
  if (!pointer) return;
  const int64_t size = rounded(bytes);
  Cache& c = cache();
  const std::lock_guard lock(c.mutex);
  c.statistics.live_bytes -= size;
  if (!kCache) {
    std::free(pointer);
    return;
  }
  c.free_blocks[size].push_back(pointer);
  c.statistics.cached_bytes += size;
}

int64_t allocated_bytes(int64_t bytes) { return bytes <= 0 ? 0 : rounded(bytes); }

MemoryStatistics memory_statistics() {
  Cache& c = cache();
  const std::lock_guard lock(c.mutex);
  return c.statistics;
}

void reset_peak_memory() {
  Cache& c = cache();
  const std::lock_guard lock(c.mutex);
  c.statistics.peak_bytes = c.statistics.live_bytes;
}

void release_cached_memory() {
  Cache& c = cache();
  const std::lock_guard lock(c.mutex);
  release_locked(c);
}

}  // namespace tessera
