// What most kernels share: 128-bit loads and stores, and sums and maxima over a warp or a block. Include from .cu
// files.
#pragma once

#include "tensor/cuda/simt.h"

namespace tessera::cuda {

constexpr unsigned kAllLanes = ~0u;

__device__ __forceinline__ int lane_index() { return static_cast<int>(threadIdx.x % 32); }
__device__ __forceinline__ int warp_index() { return static_cast<int>(threadIdx.x / 32); }

// How many elements make 128 bits.
template <class T>
constexpr int kPack = 16 / sizeof(T);

template <class T>
struct alignas(16) Pack {
  T value[kPack<T>];
};

// Elements p[0 .. n), n = 1 or, aligned, kPack<T>.
template <int n, class T>
__device__ __forceinline__ void load(const T* p, float (&values)[n]) {
  static_assert(n == 1 || n == kPack<T>);
  if constexpr (n == 1) {
    values[0] = simt::to_float(*p);
  } else {
    const Pack<T> pack = *reinterpret_cast<const Pack<T>*>(p);
    for (int i = 0; i < n; ++i) values[i] = simt::to_float(pack.value[i]);
  }
}

template <int n, class T>
__device__ __forceinline__ void store(T* p, const float (&values)[n]) {
  static_assert(n == 1 || n == kPack<T>);
  if constexpr (n == 1) {
    *p = simt::from_float<T>(values[0]);
  } else {
    Pack<T> pack;
    for (int i = 0; i < n; ++i) pack.value[i] = simt::from_float<T>(values[i]);
    *reinterpret_cast<Pack<T>*>(p) = pack;
  }
}

// The same beside an array of another type: parameters are f32 where activations are bf16. Aligned to 16 for n > 1.
template <int n>
__device__ __forceinline__ void load_parameters(const float* p, float (&values)[n]) {
  if constexpr (n == 1) {
    values[0] = *p;
  } else {
    static_assert(n % kPack<float> == 0);
    for (int i = 0; i < n; i += kPack<float>) {
      const auto pack = *reinterpret_cast<const Pack<float>*>(p + i);
      for (int j = 0; j < kPack<float>; ++j) values[i + j] = pack.value[j];
    }
  }
}

// True if rows of d elements that begin at all of these can be read in packs.
template <class T, class... Pointers>
bool packs_fit(int64_t d, const Pointers*... pointers) {
  return d % kPack<T> == 0 && ((reinterpret_cast<uintptr_t>(pointers) % 16 == 0) && ...);
}

// Calls f with the number of elements to read at once, as a constant: of packs, or 1.
template <class T, class F>
void with_pack_size(bool packed, F f) {
  if (packed)
    f(std::integral_constant<int, kPack<T>>{});
  else
    f(std::integral_constant<int, 1>{});
}

// body(i) for the columns i .. i + n - 1 that this lane of `lanes` owns: the same ones in every row.
template <int n, class Body>
__device__ __forceinline__ void for_columns(int d, int lane, int lanes, Body body) {
  for (int i = lane * n; i < d; i += lanes * n) body(i);
}

// Every lane receives the result.
__device__ __forceinline__ float warp_sum(float value) {
  for (int bit = 16; bit > 0; bit /= 2) value += __shfl_xor_sync(kAllLanes, value, bit);
  return value;
}
__device__ __forceinline__ double warp_sum(double value) {
  for (int bit = 16; bit > 0; bit /= 2) value += __shfl_xor_sync(kAllLanes, value, bit);
  return value;
}
__device__ __forceinline__ float warp_max(float value) {
  for (int bit = 16; bit > 0; bit /= 2) value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, bit));
  return value;
}

// Sums and maxima over a block of kWarps warps, through one place for each warp. Every thread receives the result.
template <class T, int kWarps>
struct BlockReduction {
  T partial[kWarps];

  __device__ T sum(T value) {
    publish(warp_sum(value));
    T total = 0;
    for (int w = 0; w < kWarps; ++w) total += partial[w];
    return total;
  }
  __device__ T max(T value) {
    publish(warp_max(value));
    T most = partial[0];
    for (int w = 1; w < kWarps; ++w) most = fmaxf(most, partial[w]);
    return most;
  }

 private:
  __device__ void publish(T value) {
    __syncthreads();  // the result before has been read
    if (lane_index() == 0) partial[warp_index()] = value;
    __syncthreads();
  }
};

// Blocks of `per_block` that hold `count`.
inline unsigned blocks_for(int64_t count, int64_t per_block) {
  return static_cast<unsigned>((count + per_block - 1) / per_block);
}

}  // namespace tessera::cuda
