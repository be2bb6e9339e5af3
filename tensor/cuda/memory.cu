// The GPU's side of tensor/cuda/memory.h; the emulation's is emulated_memory.cpp.
#include "tensor/cuda/memory.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "tensor/cuda/caching_allocator.h"
#include "tensor/cuda/handle.h"
#include "tensor/cuda/out_of_memory.h"
#include "tensor/cuda/stream.h"
#include "tensor/error.h"

namespace tessera::cuda {
namespace {

void* take_from_device(int64_t bytes) {
  void* memory = nullptr;
  compute_stream();  // chooses the device
  const cudaError_t status = cudaMalloc(&memory, static_cast<size_t>(bytes));
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // or the next launch would be told of it
    return nullptr;
  }
  check_status("memory", status);
  return memory;
}

void give_back_to_device(void* memory, int64_t) {
  synchronise();
  check_status("memory", cudaFree(memory));
}

int64_t capacity_of_device() {
  size_t free = 0, total = 0;
  check_status("memory", cudaMemGetInfo(&free, &total));
  return static_cast<int64_t>(total);
}

// Never destroyed: tensors with static storage duration may be freed after it, and CUDA may be gone by then.
CachingAllocator& allocator() {
  static CachingAllocator* instance = [] {
    auto* made = new CachingAllocator({take_from_device, give_back_to_device, capacity_of_device});
    made->limit(memory_limit_of_environment());
    return made;
  }();
  return *instance;
}

class PinnedBuffers : public StagingDevice {
 public:
  void* allocate(int64_t bytes) override {
    void* memory = nullptr;
    compute_stream();
    if (cudaHostAlloc(&memory, static_cast<size_t>(bytes), cudaHostAllocDefault) == cudaSuccess) return memory;
    cudaGetLastError();
    return nullptr;
  }
  void start_copy(void* to, const void* from, int64_t bytes, int number) override {
    event(number);  // made
    check_status("copy to device",
                 cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyHostToDevice, compute_stream()));
    if (is_capturing())
      captured_.push_back(number);
    else
      note(number);
  }
  // The graph that captured the last copies was launched (or dropped, when there is nothing to wait for).
  void note_captured() {
    for (const int number : captured_) note(number);
    captured_.clear();
  }
  bool is_done(int number) override {
    if (is_captured(number)) return false;
    const cudaError_t status = cudaEventQuery(event(number));
    if (status == cudaErrorNotReady) {
      cudaGetLastError();  // no error, but the next launch would be told of it
      return false;
    }
    check_status("copy to device", status);
    return true;
  }
  void wait(int number) override {
    check(!is_captured(number), "cuda: a graph copies more to the device than there are pinned buffers for");
    check_status("copy to device", cudaEventSynchronize(event(number)));
  }

 private:
  using Event = Handle<cudaEvent_t, cudaEventDestroy>;

  // One that was never recorded counts as done.
  cudaEvent_t event(int number) {
    while (events_.size() <= static_cast<size_t>(number)) {
      Event made;
      check_status("event", cudaEventCreateWithFlags(made.place(), cudaEventDisableTiming));
      events_.push_back(std::move(made));
    }
    return events_[static_cast<size_t>(number)].get();
  }
  void note(int number) { check_status("copy to device", cudaEventRecord(event(number), compute_stream())); }
  bool is_captured(int number) const {
    return std::find(captured_.begin(), captured_.end(), number) != captured_.end();
  }
  std::vector<Event> events_;
  std::vector<int> captured_;
};

PinnedBuffers& pinned_buffers() {
  static PinnedBuffers* instance = new PinnedBuffers;
  return *instance;
}

// 16 MiB of small buffers are the indices of some steps; 256 MiB of large ones hold the pixels of a batch of 256.
StagingPool& staging() {
  static StagingPool* instance = new StagingPool(pinned_buffers(), 256, 64);
  return *instance;
}

}  // namespace

void* allocate(int64_t bytes, int64_t, const std::string& name) { return allocator().allocate(bytes, name); }
void release(void* memory) { allocator().release(memory); }

void copy_to_device(void* to, const void* from, int64_t bytes) {
  if (bytes <= 0) return;
  staging().copy(to, from, bytes);
}

void copy_to_host(void* to, const void* from, int64_t bytes) {
  check_not_capturing("copy to host");
  if (bytes > 0)
    check_status("copy to host",
                 cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyDeviceToHost, compute_stream()));
  synchronise();
}

void note_captured_copies() { pinned_buffers().note_captured(); }
void forget_captured_copies() { pinned_buffers().note_captured(); }

void copy_on_device(void* to, const void* from, int64_t bytes) {
  if (bytes > 0)
    check_status("copy on device",
                 cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyDeviceToDevice, compute_stream()));
}

void clear(void* to, int64_t bytes) {
  if (bytes > 0) check_status("clear", cudaMemsetAsync(to, 0, static_cast<size_t>(bytes), compute_stream()));
}

MemoryStatistics memory_statistics() { return allocator().statistics(); }
StagingStatistics staging_statistics() { return staging().statistics(); }
void reset_peak_memory() { allocator().reset_peak(); }
void release_cached_memory() { allocator().release_cached(); }
void limit_memory(int64_t bytes) { allocator().limit(bytes); }

}  // namespace tessera::cuda
