#include "tensor/device.h"

#include "tensor/allocator.h"
#include "tensor/cuda/deferred_errors.h"
#include "tensor/cuda/has_cuda.h"
#include "tensor/cuda/memory.h"
#include "tensor/gemm/gemm_kernels.h"

namespace tessera {

std::string why_unavailable(Device device) {
  if (device.kind == Device::cpu) return "";
  if constexpr (kHasCuda)
    return device.index == 0 ? cuda::why_unavailable()
                             : "only the first GPU is used; choose it by CUDA_VISIBLE_DEVICES";
  return "this build has no CUDA backend (configure it with -Dcuda=on on a machine with the CUDA toolkit)";
}

void check_available(Device device) {
  const std::string reason = why_unavailable(device);
  check(reason.empty(), "device ", device, ": ", reason);
}

void check_device_errors(Device device) {
  if constexpr (kHasCuda)
    if (device.kind == Device::cuda) cuda::check_deferred_errors();
}

Device device_named(const char* what, const std::string& name) {
  if (name == "cpu") return {};
  if (name == "cuda" || name == "cuda:0") return {Device::cuda, 0};
  fail(what, ": '", name, "' is not a device; expected cpu or cuda");
}

DeviceDescription device_description(Device device) {
  check_available(device);
  if constexpr (kHasCuda)
    if (device.kind == Device::cuda) return cuda::device_description();
  return {"cpu", "", "", ""};
}

DeviceUse device_use(Device device) {
  if constexpr (kHasCuda)
    if (device.kind == Device::cuda) {
      const cuda::Counters counters = cuda::counters();
      const MemoryStatistics memory = cuda::memory_statistics();
      return {counters.synchronisations, counters.launches, cuda::plain_products(), memory.live_bytes,
              memory.peak_bytes};
    }
  const MemoryStatistics memory = memory_statistics();
  return {0, 0, 0, memory.live_bytes, memory.peak_bytes};
}

void reset_peak_memory(Device device) {
  if constexpr (kHasCuda)
    if (device.kind == Device::cuda) return cuda::reset_peak_memory();
  reset_peak_memory();
}

void wait_for(Device device) {
  if constexpr (kHasCuda)
    if (device.kind == Device::cuda) cuda::synchronise();
}

}  // namespace tessera
