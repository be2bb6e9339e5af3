// What is said when the GPU has no more memory, on a device and in emulation alike.
#pragma once

#include <cstdint>
#include <string>

#include "tensor/allocator.h"

namespace tessera::cuda {

// "1,234 MiB", rounded up; less than 10 MiB in KiB, less than 10 KiB in bytes.
std::string amount_of_memory(int64_t bytes);

// Throws tessera::Error with what was requested for what, what is in use, and the settings to change. `device_bytes`:
// what the device has, or may use.
[[noreturn]] void fail_out_of_memory(int64_t requested, const std::string& name, const MemoryStatistics& statistics,
                                     int64_t device_bytes);

// The limit that TESSERA_CUDA_MEMORY_MIB in the environment sets, in bytes; 0 without one. An error if it is no whole
// number above zero.
int64_t memory_limit_of_environment();

}  // namespace tessera::cuda
