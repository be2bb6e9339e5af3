// What a kernel is written against. nvcc compiles a .cu file for the GPU; g++ compiles the same file against
// tensor/cuda/emulation/emulated.h, where every CUDA thread is a fibre on the CPU, so that kernels are tested where
// there is no GPU.
//
// Kernels use CUDA's own spelling, except for three things that CUDA spells in ways which plain C++ cannot observe:
//
//   simt::block_shared<Struct>()    static shared memory: one struct for each kernel
//   simt::dynamic_shared<T>()       the dynamic shared memory of the launch
//   simt::launch<kernel>(grid, block, shared_bytes, arguments...)
//
// A launch of no blocks does nothing. Every launch checks for errors; without NDEBUG, or with TESSERA_CUDA_DEBUG=1 in
// the environment, it also waits for the kernel, so that an error is reported where it belongs.
//
// The kernels of an op X lie in X.cu, and X_kernels.h declares how they are called, the same for the GPU and for the
// emulation. Formulas and shapes are those of X.h. There tensors are pointers to row-major arrays in the GPU's memory;
// nothing is checked but what a kernel cannot do. Unless X_kernels.h says otherwise T is float or bf16; parameters,
// statistics and gradients of parameters are f32, arithmetic is f32, and a result is rounded once, when it is stored. A
// workspace may be overwritten. Sums over threads are written in a fixed order, not with atomics of floating-point
// numbers: results depend neither on the order of threads nor on the number of blocks that run at once.
#pragma once

#ifdef __CUDACC__

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include "tensor/cuda/stream.h"
#include "tensor/dtype.h"
#include "tensor/error.h"

namespace tessera::simt {

template <class T>
__device__ T& block_shared() {
  __shared__ T storage;
  return storage;
}

template <class T>
__device__ T* dynamic_shared() {
  extern __shared__ __align__(128) unsigned char tessera_dynamic_shared[];
  return reinterpret_cast<T*>(tessera_dynamic_shared);
}

template <auto kernel, class... Arguments>
void launch(dim3 grid, dim3 block, size_t shared_bytes, Arguments... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  constexpr size_t kWithoutAsking = 40 * 1024;  // 48 KiB, less what may be static
  if (shared_bytes > kWithoutAsking)
    cuda::check_status("shared memory", cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                                             static_cast<int>(shared_bytes)));
  kernel<<<grid, block, shared_bytes, cuda::compute_stream()>>>(arguments...);
  cuda::check_launch(__PRETTY_FUNCTION__);
}

__device__ __forceinline__ float to_float(float value) { return value; }
__device__ __forceinline__ float to_float(bf16 value) {
  return __uint_as_float(static_cast<unsigned>(value.bits) << 16);
}

template <class T>
__device__ __forceinline__ T from_float(float value) {
  if constexpr (sizeof(T) == sizeof(bf16)) {
    T result;
    result.bits = __bfloat16_as_ushort(__float2bfloat16_rn(value));
    return result;
  } else {
    return value;
  }
}

}  // namespace tessera::simt

#else
#include "tensor/cuda/emulation/emulated.h"
#endif
