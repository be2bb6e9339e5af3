// Whether an array holds nothing but finite numbers, on the GPU.
#include "tensor/activation.h"
#include "tensor/cuda/device_array.h"
#include "tensor/cuda/warp.h"
#include "tensor/ops/all_finite_kernels.h"

namespace tessera::cuda {
namespace {

constexpr int kFiniteThreads = 256;
constexpr int64_t kMostBlocks = 1024;

// found [1], 0 before: 1 if an element of x [count] is infinite or NaN, whose difference from itself is NaN.
template <class T>
__global__ void __launch_bounds__(kFiniteThreads) find_non_finite_kernel(const T* x, int64_t count, int* found) {
  bool any = false;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kFiniteThreads + threadIdx.x; i < count;
       i += static_cast<int64_t>(gridDim.x) * kFiniteThreads) {
    Arithmetic<T> value;
    if constexpr (std::is_same_v<T, bf16>)
      value = simt::to_float(x[i]);
    else
      value = x[i];
    any = any || !(value - value == 0);
  }
  if (any) atomicMax(found, 1);
}

}  // namespace

template <class T>
bool all_finite(const T* x, int64_t count) {
  DeviceArray<int> found(std::vector<int>{0}, "non-finite values found");
  simt::launch<find_non_finite_kernel<T>>(
      static_cast<unsigned>(std::min<int64_t>(kMostBlocks, blocks_for(count, kFiniteThreads))), kFiniteThreads, 0, x,
      count, found.data());
  return found.to_host()[0] == 0;
}

template bool all_finite(const float*, int64_t);
template bool all_finite(const bf16*, int64_t);
template bool all_finite(const double*, int64_t);

}  // namespace tessera::cuda
