// Caching allocator for host memory. A freed block is kept and handed out again, so that after the first step of a
// fixed shape training makes no system call for memory and takes no page fault. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tessera {

struct MemoryStatistics {
  int64_t live_bytes = 0;    // handed out now
  int64_t peak_bytes = 0;    // the most that was ever handed out at once (since reset_peak_memory)
  int64_t cached_bytes = 0;  // freed by their users and kept for the next
  int64_t system_calls = 0;  // blocks that had to be taken from the system
};

// 64-byte aligned (2 MiB for large blocks, which are advised to be huge pages). Contents are undefined. 0 bytes give
// nullptr. Throws tessera::Error with live, peak and requested bytes when the system has no more.
void* allocate_host(int64_t bytes);
void free_host(void* pointer, int64_t bytes);

// What a block of `bytes` counts for in the statistics: sizes are rounded up, so that blocks can serve each other.
int64_t allocated_bytes(int64_t bytes);

MemoryStatistics memory_statistics();
void reset_peak_memory();
void release_cached_memory();  // gives every cached block back to the system

}  // namespace tessera
