// Elementwise kernels: a thread for each 128 bits. F is a functor with
//   template <int n> void operator()(int64_t first, float (&a)[n], const float (&b)[n]) const
// that turns elements first .. first + n - 1 of a (and of b, 0 without one) into results, in a. Include from .cu files.
#pragma once

#include "tensor/cuda/warp.h"

namespace tessera::cuda {

constexpr int kElementwiseThreads = 128;

template <int n, class T, class F>
__device__ __forceinline__ void elementwise_step(int64_t at, const T* a, const T* b, T* y, F f) {
  float u[n], v[n] = {};
  load<n>(a + at, u);
  if (b != nullptr) load<n>(b + at, v);
  f(at, u, v);
  store<n>(y + at, u);
}

template <class T, class F>
__global__ void __launch_bounds__(kElementwiseThreads)
    elementwise_kernel(const T* a, const T* b, T* y, int64_t count, bool packed, F f) {
  constexpr int n = kPack<T>;
  const int64_t first = (static_cast<int64_t>(blockIdx.x) * kElementwiseThreads + threadIdx.x) * n;
  if (packed && first + n <= count)
    elementwise_step<n>(first, a, b, y, f);
  else
    for (int64_t at = first; at < min(first + n, count); ++at) elementwise_step<1>(at, a, b, y, f);
}

// y = f(a, b), [count] each; b may be null, y may be a or b.
template <class T, class F>
void elementwise(const T* a, const T* b, T* y, int64_t count, F f) {
  const bool packed = packs_fit<T>(kPack<T>, a, b, y);
  simt::launch<elementwise_kernel<T, F>>(blocks_for(count, kElementwiseThreads * kPack<T>), kElementwiseThreads, 0, a,
                                         b, y, count, packed, f);
}

}  // namespace tessera::cuda
