// Tiles of queries, keys and values in shared memory, which attention's kernels share. Include from .cu files.
#pragma once

#include "tensor/cuda/device_mask.h"
#include "tensor/cuda/warp.h"
#include "tensor/ops/attention/attention_kernels.h"

namespace tessera::cuda {

// A block keeps kOwned rows (queries, or keys) and goes along the others in tiles of 32: a lane for each of them. A
// warp works on kPerWarp of the owned rows, and its lanes share out the columns of what is summed up.
constexpr int kAttentionWarps = 4, kAttentionThreads = kAttentionWarps * 32;
constexpr int kOwned = 16, kPassed = 32, kPerWarp = kOwned / kAttentionWarps;

// One sequence of the batch.
struct Sequence {
  int64_t first_query, first_key;
  int queries, keys;
  bool causal;

  __device__ Sequence(const AttentionSizes& sizes, int64_t s)
      : first_query(sizes.cu_queries[s]),
        first_key(sizes.cu_keys[s]),
        queries(static_cast<int>(sizes.cu_queries[s + 1] - sizes.cu_queries[s])),
        keys(static_cast<int>(sizes.cu_keys[s + 1] - sizes.cu_keys[s])),
        causal(sizes.causal) {}

  // How many keys query i sees.
  __device__ int visible(int i) const { return causal ? max(0, min(keys, i + 1 + keys - queries)) : keys; }
  // The first query that sees key j.
  __device__ int first_query_of(int j) const { return causal ? max(0, j + queries - keys) : 0; }
};

// The mask's first word for a head of a query, counted over the batch: that of the sequence's first key.
__device__ __forceinline__ int64_t first_word(int64_t query, int64_t heads, int head) {
  return (query * heads + head) << 32;
}

// value = dropout(value), which is that of word `word`.
__device__ __forceinline__ float dropped(const Mask& mask, int64_t word, float value) {
  float one[1] = {value};
  mask.apply(word, one);
  return one[0];
}

// tile [rows, ld] = rows first .. first + count - 1 of a head's columns, times `factor`; rows from `count` on are 0.
template <class T>
__device__ void load_tile(const T* data, int64_t stride, int64_t first, int count, int rows, int column, int d,
                          float factor, float* tile, int ld) {
  for (int i = static_cast<int>(threadIdx.x); i < rows * d; i += kAttentionThreads) {
    const int row = i / d, c = i % d;
    tile[row * ld + c] = row < count ? simt::to_float(data[(first + row) * stride + column + c]) * factor : 0.0f;
  }
}

// a · b, [d].
__device__ __forceinline__ float dot(const float* a, const float* b, int d) {
  float sum = 0;
  for (int c = 0; c < d; ++c) sum += a[c] * b[c];
  return sum;
}

// sums[c] += Σ_j factors[j] · rows[j, lane + 32 c], rows [32, ld].
template <int kColumns>
__device__ __forceinline__ void add_rows(const float* factors, const float* rows, int ld, int d,
                                         float (&sums)[kColumns]) {
  const int lane = lane_index();
  for (int j = 0; j < kPassed; ++j)
    for (int c = 0; c < kColumns; ++c)
      if (lane + 32 * c < d) sums[c] += factors[j] * rows[j * ld + lane + 32 * c];
}

template <int kColumns, class T>
__device__ __forceinline__ void store_row(const float (&sums)[kColumns], float factor, T* to, int d) {
  for (int c = 0; c < kColumns; ++c)
    if (lane_index() + 32 * c < d) to[lane_index() + 32 * c] = simt::from_float<T>(sums[c] * factor);
}

// Calls f with the number of columns for a lane as a constant.
template <class F>
void with_columns(int64_t d, F f) {
  check(d >= 1 && d <= 128, "attention: head size is ", d, ", expected 1 to 128");
  if (d <= 32)
    f(std::integral_constant<int, 1>{});
  else if (d <= 64)
    f(std::integral_constant<int, 2>{});
  else
    f(std::integral_constant<int, 4>{});
}

// Calls f with whether something is dropped as a constant, so that kernels which drop nothing carry nothing of it.
template <class F>
void with_dropout(const AttentionSizes& sizes, F f) {
  if (sizes.p > 0)
    f(std::true_type{});
  else
    f(std::false_type{});
}

inline dim3 attention_grid(const AttentionSizes& sizes, int64_t most_rows) {
  return dim3(blocks_for(most_rows, kOwned), static_cast<unsigned>(sizes.heads),
              static_cast<unsigned>(sizes.sequences));
}

inline float attention_scale(const AttentionSizes& sizes) { return 1 / std::sqrt(static_cast<float>(sizes.head_size)); }

}  // namespace tessera::cuda
