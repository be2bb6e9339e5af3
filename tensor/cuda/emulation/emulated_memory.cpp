// The emulation's side of tensor/cuda/memory.h. Nothing is cached and sizes are not rounded up: a sanitizer's red zone
// begins where a block ends.
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "tensor/cuda/emulation/accesses.h"
#include "tensor/cuda/emulation/executor.h"
#include "tensor/cuda/memory.h"
#include "tensor/cuda/out_of_memory.h"
#include "tensor/cuda/recording.h"

namespace tessera::cuda {
namespace {

struct Blocks {
  std::mutex mutex;
  std::unordered_map<void*, int64_t> bytes;
  MemoryStatistics statistics;
  int64_t synchronisations = 0;
  int64_t limit = memory_limit_of_environment();
};

// Never destroyed: tensors with static storage duration may be freed after it.
Blocks& blocks() {
  static Blocks* instance = new Blocks;
  return *instance;
}

int64_t capacity(const Blocks& b) {
  const int64_t machine = int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE);
  return b.limit > 0 ? std::min(b.limit, machine) : machine;
}

// nullptr if there is no more.
void* take(Blocks& b, int64_t bytes) {
  constexpr size_t kAlignment = 256;
  void* memory = nullptr;
  if (bytes > capacity(b) - b.statistics.live_bytes) return nullptr;
  return posix_memalign(&memory, kAlignment, static_cast<size_t>(bytes)) == 0 ? memory : nullptr;
}

}  // namespace

std::string why_unavailable() { return ""; }
DeviceDescription device_description() { return {"emulated on the CPU", "", "", "", 0, capacity(blocks())}; }

void* allocate(int64_t bytes, int64_t element, const std::string& name) {
  if (bytes <= 0) return nullptr;
  Blocks& b = blocks();
  const std::lock_guard lock(b.mutex);
  void* memory = take(b, bytes);
  if (!memory) fail_out_of_memory(bytes, name, b.statistics, capacity(b));
  std::memset(memory, 0xff, static_cast<size_t>(bytes));
  simt::add_array(memory, static_cast<size_t>(bytes), static_cast<size_t>(element), name);
  b.bytes[memory] = bytes;
  b.statistics.live_bytes += bytes;
  b.statistics.peak_bytes = std::max(b.statistics.peak_bytes, b.statistics.live_bytes);
  ++b.statistics.system_calls;
  return memory;
}

void release(void* memory) {
  if (!memory) return;
  if (recording()) return record_release(memory);
  Blocks& b = blocks();
  const std::lock_guard lock(b.mutex);
  const auto found = b.bytes.find(memory);
  assert(found != b.bytes.end());
  b.statistics.live_bytes -= found->second;
  b.bytes.erase(found);
  simt::remove_array(memory);
  std::free(memory);
}

void copy_to_device(void* to, const void* from, int64_t bytes) {
  if (!recording() || bytes <= 0) return copy_on_device(to, from, bytes);
  const auto* begin = static_cast<const char*>(from);
  record_work([to, staged = std::vector<char>(begin, begin + bytes)] {
    copy_on_device(to, staged.data(), static_cast<int64_t>(staged.size()));
  });
}

void copy_to_host(void* to, const void* from, int64_t bytes) {
  check_not_recording("copy to host");
  synchronise();
  if (bytes > 0) std::memcpy(to, from, static_cast<size_t>(bytes));
}

void copy_on_device(void* to, const void* from, int64_t bytes) {
  if (bytes <= 0) return;
  if (recording()) return record_work([=] { copy_on_device(to, from, bytes); });
  std::memcpy(to, from, static_cast<size_t>(bytes));
  simt::array_written_by_host(to, static_cast<size_t>(bytes));
}

void clear(void* to, int64_t bytes) {
  if (bytes <= 0) return;
  if (recording()) return record_work([=] { clear(to, bytes); });
  std::memset(to, 0, static_cast<size_t>(bytes));
  simt::array_written_by_host(to, static_cast<size_t>(bytes));
}

MemoryStatistics memory_statistics() {
  Blocks& b = blocks();
  const std::lock_guard lock(b.mutex);
  return b.statistics;
}

void reset_peak_memory() {
  Blocks& b = blocks();
  const std::lock_guard lock(b.mutex);
  b.statistics.peak_bytes = b.statistics.live_bytes;
}

void release_cached_memory() {}

StagingStatistics staging_statistics() { return {}; }

void limit_memory(int64_t bytes) {
  Blocks& b = blocks();
  const std::lock_guard lock(b.mutex);
  b.limit = bytes;
}

Counters counters() { return {blocks().synchronisations, simt::launches()}; }

void synchronise() {
  check_not_recording("waiting for the device");
  ++blocks().synchronisations;
}

}  // namespace tessera::cuda
