// The ops of layer_norm.h on the GPU: one warp for each row, one pass over memory in each direction.
#include "tensor/ops/layer_norm_kernels.h"

#include <algorithm>

#include "tensor/cuda/device_mask.h"
#include "tensor/cuda/warp.h"

namespace tessera::cuda {

constexpr int kNormWarps = 4;  // of a block

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

namespace {

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

template <class T, int n>
__global__ void __launch_bounds__(kNormWarps * 32)
    layer_norm_kernel(const T* x, const float* weight, const float* bias, T* y, float* mean, float* rstd, int64_t rows,
                      int d, float eps) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kNormWarps + warp_index();
  if (row >= rows) return;
  const RowStatistics statistics = row_statistics<n>(x + row * d, d, eps);
  write_statistics(statistics, mean, rstd, row);
  normalise_row<n>(x + row * d, statistics, weight, bias, y + row * d, d);
}

template <class T, int n>
__global__ void __launch_bounds__(kNormWarps * 32)
    layer_norm_backward_kernel(const T* dy, const T* x, const float* weight, const float* mean, const float* rstd,
                               T* dx, float* partial, int64_t rows, int64_t rows_per_block, int d) {
  for_rows_with_sums<n>(rows, rows_per_block, d, partial, [=](int64_t row, float* dw, float* db) {
    T* to = dx + row * d;
    normalise_row_backward<n>(dy + row * d, x + row * d, read_statistics(mean, rstd, row), weight, d, dw, db,
                              [=](int i, const float(&value)[n]) { store<n>(to + i, value); });
  });
}

constexpr int kGroups = 16;

struct GroupSums {
  float of_group[kGroups][32];
};

// A block for 32 of the 2 d sums; warp g sums the partial ones of blocks g, g + kGroups, ..., then the warps' are added
// in order.
__global__ void __launch_bounds__(kGroups * 32)
    add_parameter_sums_kernel(const float* partial, int blocks, int d, ParameterTargets targets) {
  GroupSums& shared = simt::block_shared<GroupSums>();
  const int lane = lane_index(), group = warp_index(), i = static_cast<int>(blockIdx.x) * 32 + lane;
  float* target = i < d ? targets.dweight : targets.dbias;
  const bool wanted = i < 2 * d && target != nullptr;
  float own = 0;
  if (wanted)
    for (int b = group; b < blocks; b += kGroups) own += partial[static_cast<int64_t>(b) * 2 * d + i];
  shared.of_group[group][lane] = own;
  __syncthreads();
  if (group != 0 || !wanted) return;
  float sum = 0;
  for (int g = 0; g < kGroups; ++g) sum += shared.of_group[g][lane];
  float& place = target[i < d ? i : i - d];
  place = (i < d ? targets.accumulate_weight : targets.accumulate_bias) ? place + sum : sum;
}

void add_parameter_sums(const float* partial, unsigned blocks, int64_t d, const ParameterTargets& targets) {
  if (!targets.dweight && !targets.dbias) return;
  simt::launch<add_parameter_sums_kernel>(blocks_for(2 * d, 32), kGroups * 32, 0, partial, static_cast<int>(blocks),
                                          static_cast<int>(d), targets);
}

// ---- behind dropout and a residual sum; a lane reads again only what it wrote itself ----

template <class T, int n>
__global__ void __launch_bounds__(kNormWarps * 32)
    dropout_add_layer_norm_kernel(const T* x, const T* residual, const float* weight, const float* bias, T* sum,
                                  T* normalised, float* mean, float* rstd, int64_t rows, int d, float eps, Mask mask) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kNormWarps + warp_index();
  if (row >= rows) return;
  T* to = sum + row * d;
  for_columns<n>(d, lane_index(), 32, [&](int i) {
    float v[n], base[n];
    load<n>(x + row * d + i, v);
    load<n>(residual + row * d + i, base);
    mask.apply(row * d + i, v);
    for (int j = 0; j < n; ++j) v[j] += base[j];
    store<n>(to + i, v);
  });
  const RowStatistics statistics = row_statistics<n>(to, d, eps);  // of the sum as it was rounded
  write_statistics(statistics, mean, rstd, row);
  normalise_row<n>(to, statistics, weight, bias, normalised + row * d, d);
}

// d_sum may be null, and dx equals d_residual if nothing is dropped.
template <class T, int n>
__global__ void __launch_bounds__(kNormWarps * 32)
    dropout_add_layer_norm_backward_kernel(const T* d_sum, const T* d_normalised, const T* sum, const float* weight,
                                           const float* mean, const float* rstd, T* dx, T* d_residual, float* partial,
                                           int64_t rows, int64_t rows_per_block, int d, Mask mask) {
  for_rows_with_sums<n>(rows, rows_per_block, d, partial, [=](int64_t row, float* dw, float* db) {
    const int64_t at = row * d;
    normalise_row_backward<n>(d_normalised + at, sum + at, read_statistics(mean, rstd, row), weight, d, dw, db,
                              [=](int i, float(&value)[n]) {
                                float direct[n] = {};
                                if (d_sum != nullptr) load<n>(d_sum + at + i, direct);
                                for (int j = 0; j < n; ++j) value[j] += direct[j];
                                store<n>(d_residual + at + i, value);
                                if (!mask.drops) return;
                                load<n>(d_residual + at + i, value);  // rounded
                                mask.apply(at + i, value);
                                store<n>(dx + at + i, value);
                              });
  });
}

}  // namespace

int64_t parameter_workspace(int64_t rows, int64_t d) { return int64_t{ParameterSums(rows, d).blocks} * 2 * d; }

template <class T>
void layer_norm(const T* x, const float* weight, const float* bias, T* y, float* mean, float* rstd, int64_t rows,
                int64_t d, float eps) {
  with_pack_size<T>(packs_fit<T>(d, x, y, weight, bias), [&](auto size) {
    constexpr int n = decltype(size)::value;
    simt::launch<layer_norm_kernel<T, n>>(blocks_for(rows, kNormWarps), kNormWarps * 32, 0, x, weight, bias, y, mean,
                                          rstd, rows, static_cast<int>(d), eps);
  });
}

template <class T>
void layer_norm_backward(const T* dy, const T* x, const float* weight, const float* mean, const float* rstd, T* dx,
                         const ParameterTargets& targets, float* workspace, int64_t rows, int64_t d) {
  const ParameterSums sums(rows, d);
  with_pack_size<T>(packs_fit<T>(d, dy, x, dx, weight), [&](auto size) {
    constexpr int n = decltype(size)::value;
    simt::launch<layer_norm_backward_kernel<T, n>>(sums.blocks, sums.warps * 32, sums.shared_bytes(d), dy, x, weight,
                                                   mean, rstd, dx, workspace, rows, sums.rows_per_block,
                                                   static_cast<int>(d));
  });
  add_parameter_sums(workspace, sums.blocks, d, targets);
}

template void layer_norm(const float*, const float*, const float*, float*, float*, float*, int64_t, int64_t, float);
template void layer_norm(const bf16*, const float*, const float*, bf16*, float*, float*, int64_t, int64_t, float);
template void layer_norm_backward(const float*, const float*, const float*, const float*, const float*, float*,
                                  const ParameterTargets&, float*, int64_t, int64_t);
template void layer_norm_backward(const bf16*, const bf16*, const float*, const float*, const float*, bf16*,
                                  const ParameterTargets&, float*, int64_t, int64_t);

template <class T>
void dropout_add_layer_norm(const T* x, const T* residual, const float* weight, const float* bias, T* sum,
                            T* normalised, float* mean, float* rstd, int64_t rows, int64_t d, float eps, double p,
                            const Ticket& ticket) {
  const Mask mask("dropout_add_layer_norm", p, ticket);
  with_pack_size<T>(packs_fit<T>(d, x, residual, sum, normalised, weight, bias), [&](auto size) {
    constexpr int n = decltype(size)::value;
    simt::launch<dropout_add_layer_norm_kernel<T, n>>(blocks_for(rows, kNormWarps), kNormWarps * 32, 0, x, residual,
                                                      weight, bias, sum, normalised, mean, rstd, rows,
                                                      static_cast<int>(d), eps, mask);
  });
}

template <class T>
void dropout_add_layer_norm_backward(const T* d_sum, const T* d_normalised, const T* sum, const float* weight,
                                     const float* mean, const float* rstd, T* dx, T* d_residual,
                                     const ParameterTargets& targets, float* workspace, int64_t rows, int64_t d,
                                     double p, const Ticket& ticket) {
  const ParameterSums sums(rows, d);
  const Mask mask("dropout_add_layer_norm", p, ticket);
  with_pack_size<T>(packs_fit<T>(d, d_sum, d_normalised, sum, dx, d_residual, weight), [&](auto size) {
    constexpr int n = decltype(size)::value;
    simt::launch<dropout_add_layer_norm_backward_kernel<T, n>>(
        sums.blocks, static_cast<unsigned>(sums.warps * 32), sums.shared_bytes(d), d_sum, d_normalised, sum, weight,
        mean, rstd, dx, d_residual, workspace, rows, sums.rows_per_block, static_cast<int>(d), mask);
  });
  add_parameter_sums(workspace, sums.blocks, d, targets);
}

template void dropout_add_layer_norm(const float*, const float*, const float*, const float*, float*, float*, float*,
                                     float*, int64_t, int64_t, float, double, const Ticket&);
template void dropout_add_layer_norm(const bf16*, const bf16*, const float*, const float*, bf16*, bf16*, float*, float*,
                                     int64_t, int64_t, float, double, const Ticket&);
template void dropout_add_layer_norm_backward(const float*, const float*, const float*, const float*, const float*,
                                              const float*, float*, float*, const ParameterTargets&, float*, int64_t,
                                              int64_t, double, const Ticket&);
template void dropout_add_layer_norm_backward(const bf16*, const bf16*, const bf16*, const float*, const float*,
                                              const float*, bf16*, bf16*, const ParameterTargets&, float*, int64_t,
                                              int64_t, double, const Ticket&);

}  // namespace tessera::cuda
