// The rows of layer normalisation, which layer_norm.cu and dropout_add_layer_norm.cu share: one warp for each row. The
// formulas are in tensor/ops/layer_norm.h, the CPU's twin is tensor/ops/layer_norm_rows.h. Include from .cu files.
#pragma once

#include <algorithm>

#include "tensor/cuda/kernels.h"
#include "tensor/cuda/warp.h"

namespace tessera::cuda {

constexpr int kNormWarps = 4;  // of a block

// The mean in two parts, as ops::layer_norm keeps it.
struct RowStatistics {
  float high, low, rstd;
};

template <int n, class T>
__device__ RowStatistics row_statistics(const T* x, int d, float eps) {
  const int lane = lane_index();
  const float count = static_cast<float>(d);
  float sum = 0;
  for_columns<n>(d, lane, 32, [&](int i) {
    float v[n];
    load<n>(x + i, v);
    for (int j = 0; j < n; ++j) sum += v[j];
  });
  const float high = warp_sum(sum) / count;
  float rest = 0, squares = 0;
  for_columns<n>(d, lane, 32, [&](int i) {
    float v[n];
    load<n>(x + i, v);
    for (int j = 0; j < n; ++j) {
      const float centred = v[j] - high;
      rest += centred;
      squares += centred * centred;
    }
  });
  const float low = warp_sum(rest) / count;
  const float variance = fmaxf(warp_sum(squares) / count - low * low, 0.0f);
  return {high, low, 1.0f / sqrtf(variance + eps)};
}

__device__ __forceinline__ void write_statistics(const RowStatistics& statistics, float* mean, float* rstd,
                                                 int64_t row) {
  if (lane_index() != 0) return;
  mean[2 * row] = statistics.high;
  mean[2 * row + 1] = statistics.low;
  rstd[row] = statistics.rstd;
}

__device__ __forceinline__ RowStatistics read_statistics(const float* mean, const float* rstd, int64_t row) {
  return {mean[2 * row], mean[2 * row + 1], rstd[row]};
}

// y = x̂ w + b.
template <int n, class T>
__device__ void normalise_row(const T* x, const RowStatistics& s, const float* weight, const float* bias, T* y, int d) {
  for_columns<n>(d, lane_index(), 32, [&](int i) {
    float v[n], w[n], b[n];
    load<n>(x + i, v);
    load_parameters(weight + i, w);
    load_parameters(bias + i, b);
    for (int j = 0; j < n; ++j) v[j] = ((v[j] - s.high) - s.low) * s.rstd * w[j] + b[j];
    store<n>(y + i, v);
  });
}

// Where the sums of column i lie in shared memory, that lanes which read n columns each are in banks side by side.
template <int n>
__device__ __forceinline__ int place_of_column(int i, int d) {
  return i / n + i % n * (d / n);
}

// Adds dy x̂ and dy to this warp's sums dw and db, of which a lane touches its own columns alone, and calls write(i,
// dx) with the gradients of columns i .. i + n - 1.
template <int n, class T, class Write>
__device__ void normalise_row_backward(const T* dy, const T* x, const RowStatistics& s, const float* weight, int d,
                                       float* dw, float* db, Write write) {
  const int lane = lane_index();
  float sum = 0, projection = 0;
  for_columns<n>(d, lane, 32, [&](int i) {
    float g[n], v[n], w[n];
    load<n>(dy + i, g);
    load<n>(x + i, v);
    load_parameters(weight + i, w);
    for (int j = 0; j < n; ++j) {
      const float normalised = ((v[j] - s.high) - s.low) * s.rstd;
      sum += g[j] * w[j];
      projection += g[j] * w[j] * normalised;
      const int place = place_of_column<n>(i + j, d);
      dw[place] += g[j] * normalised;
      db[place] += g[j];
    }
  });
  const float mean_g = warp_sum(sum) / static_cast<float>(d);
  const float mean_projection = warp_sum(projection) / static_cast<float>(d);
  for_columns<n>(d, lane, 32, [&](int i) {
    float g[n], v[n], w[n];
    load<n>(dy + i, g);
    load<n>(x + i, v);
    load_parameters(weight + i, w);
    for (int j = 0; j < n; ++j) {
      const float normalised = ((v[j] - s.high) - s.low) * s.rstd;
      v[j] = s.rstd * (g[j] * w[j] - mean_g - normalised * mean_projection);
    }
    write(i, v);
  });
}

// Gradients of parameters in two stages, so that they do not depend on the order of blocks: each block sums a range of
// rows that the number of rows alone decides, [blocks, 2, d] in the workspace; then the blocks are added in order.
struct ParameterSums {
  int64_t rows_per_block;
  unsigned blocks;
  int warps;  // of a block; each has sums of its own in shared memory, [warps, 2, d]

  ParameterSums(int64_t rows, int64_t d) {
    constexpr int64_t kMostBlocks = 512, kFewestRows = 16;
    constexpr int64_t kSharedFloats = 96 * 1024 / 4;  // every GPU since sm_80 has as many for a block
    rows_per_block = std::max<int64_t>(kFewestRows, (rows + kMostBlocks - 1) / kMostBlocks);
    blocks = blocks_for(rows, rows_per_block);
    warps = static_cast<int>(std::min<int64_t>(kNormWarps, kSharedFloats / std::max<int64_t>(2 * d, 1)));
    check(warps > 0, "layer_norm: a row of ", d, " elements, expected at most ", kSharedFloats / 2);
  }
  size_t shared_bytes(int64_t d) const { return static_cast<size_t>(warps * 2 * d) * sizeof(float); }
};

// body(row, dw, db) for every row of this block; then the block's sums go to `partial` [blocks, 2, d].
template <int n, class Body>
__device__ void for_rows_with_sums(int64_t rows, int64_t rows_per_block, int d, float* partial, Body body) {
  float* sums = simt::dynamic_shared<float>();
  float* dw = sums + warp_index() * 2 * d;
  float* db = dw + d;
  for_columns<n>(d, lane_index(), 32, [&](int i) {
    for (int j = 0; j < n; ++j) dw[place_of_column<n>(i + j, d)] = db[place_of_column<n>(i + j, d)] = 0;
  });
  const int warps = static_cast<int>(blockDim.x / 32);
  const int64_t begin = blockIdx.x * rows_per_block, end = min(begin + rows_per_block, rows);
  for (int64_t row = begin + warp_index(); row < end; row += warps) body(row, dw, db);
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < 2 * d; i += static_cast<int>(blockDim.x)) {
    const int place = i < d ? place_of_column<n>(i, d) : d + place_of_column<n>(i - d, d);
    float sum = 0;
    for (int w = 0; w < warps; ++w) sum += sums[w * 2 * d + place];
    partial[static_cast<int64_t>(blockIdx.x) * 2 * d + i] = sum;
  }
}

// The second stage, in layer_norm.cu.
void add_parameter_sums(const float* partial, unsigned blocks, int64_t d, const ParameterTargets& targets);

}  // namespace tessera::cuda
