// Which devices this program can compute on.
#pragma once

#include <cstdint>
#include <string>

#include "tensor/dtype.h"

namespace tessera {

// "" if tensors can lie on it; else why not, in one line: "this build has no CUDA backend (configure with -Dcuda=on)",
// or the driver's words.
std::string why_unavailable(Device device);
// Throws "device cuda:0: why not".
void check_available(Device device);
// Throws what kernels have found wrong since the last call (the values they were given: see the op), if anything. For
// where results are read: it waits for the device. Nothing on the CPU, whose ops throw at once.
void check_device_errors(Device device);
// "cpu", "cuda" or "cuda:0". Throws, naming `what` (an option, a setting), for anything else; not if it is unavailable.
Device device_named(const char* what, const std::string& name);

// For records of what something was measured on.
struct DeviceDescription {
  std::string name;        // the maker's, or "emulated on the CPU"
  std::string capability;  // "9.0"; what follows is "" or 0 where there is no GPU
  std::string driver,
      runtime;  // the newest CUDA that the driver knows, and the one that this program was built with: "13.0"
  int multiprocessors = 0;
  int64_t memory_bytes = 0;
};
DeviceDescription device_description(Device device);

// What has been done with a device since the program began; of the CPU the bytes alone.
struct DeviceUse {
  int64_t synchronisations = 0;  // the host waited for it
  int64_t launches = 0;          // of kernels of our own; those of libraries and copies are not counted
  int64_t plain_products = 0;    // matrix products that the vendor's library has not taken (tensor/gemm/gemm_kernels.h)
  int64_t live_bytes = 0, peak_bytes = 0;  // of tensors; the peak is since reset_peak_memory
};
DeviceUse device_use(Device device);
void reset_peak_memory(Device device);
// Waits until everything it was given is done, which counts as a synchronisation.
void wait_for(Device device);

}  // namespace tessera
