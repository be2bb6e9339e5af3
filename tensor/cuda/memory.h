// The GPU's memory. There is one compute stream, and all work is done in its order: memory that is released may be
// handed out again at once, since what still reads it was launched before. Blocks are kept when they are released
// (caching_allocator.h), and what is copied to the device goes through pinned buffers (staging.h). Thread-safe.
//
// In emulation (emulated_memory.cpp) each block lies in host memory by itself, filled with NaN (0xff) and known to the
// checker of accesses, so that what a kernel does outside of one, or before anything was written, is found.
#pragma once

#include <cstdint>
#include <string>

#include "tensor/allocator.h"
#include "tensor/cuda/staging.h"
#include "tensor/device.h"

namespace tessera::cuda {

// "" if there is a GPU that can be used; else why not, in one line. The answer never changes.
std::string why_unavailable();
DeviceDescription device_description();

// `bytes` in elements of `element` bytes, aligned to 256; the contents are undefined. 0 bytes give nullptr. `name` is
// for messages. An error with live, peak and requested bytes where there is no more (out_of_memory.h).
void* allocate(int64_t bytes, int64_t element, const std::string& name);
void release(void* memory);

// What is copied may be changed or freed as soon as the call returns. The host waits for the device only when all
// pinned buffers are in use, which staging_statistics counts. An error while a CUDA graph is captured: it would copy
// from a buffer that holds something else when it is replayed.
void copy_to_device(void* to, const void* from, int64_t bytes);
// Waits until everything launched so far is done.
void copy_to_host(void* to, const void* from, int64_t bytes);
void copy_on_device(void* to, const void* from, int64_t bytes);
void clear(void* to, int64_t bytes);  // zeros

MemoryStatistics memory_statistics();
StagingStatistics staging_statistics();  // zeros in emulation
void reset_peak_memory();
void release_cached_memory();  // waits for the device if there is any
// Takes no more than this from the device, as if it had no more: for devices that are shared, and for tests. 0: no
// limit. Until it is called, TESSERA_CUDA_MEMORY_MIB in the environment is the limit.
void limit_memory(int64_t bytes);

// How often the host has waited for the device (copy_to_host, synchronise), and how many kernels were launched.
struct Counters {
  int64_t synchronisations = 0, launches = 0;
};
Counters counters();
void synchronise();

}  // namespace tessera::cuda
