// What surrounds the products of ops::linear and ops::mlp on the GPU.
#include "tensor/ops/linear_kernels.h"

#include <algorithm>

#include "tensor/cuda/device_mask.h"
#include "tensor/cuda/hidden_function.h"
#include "tensor/cuda/warp.h"

namespace tessera::cuda {
namespace {

constexpr int kColumnThreads = 128;

// Ranges of rows: enough blocks to fill a GPU, long enough that their sums are little to write.
int64_t range_length(int64_t rows) {
  constexpr int64_t kMost = 512, kShortest = 16;
  return std::max(kShortest, (rows + kMost - 1) / kMost);
}
int64_t range_count(int64_t rows) { return (rows + range_length(rows) - 1) / range_length(rows); }

// Each thread owns n neighbouring columns and goes through the rows of its range. term(row, column, v) puts what is to
// be summed in v.
template <int n, class Term>
__device__ __forceinline__ void sum_range(int64_t rows, int64_t columns, int64_t length, float* partial, Term term) {
  const int64_t column = (static_cast<int64_t>(blockIdx.y) * kColumnThreads + threadIdx.x) * n;
  if (column >= columns) return;
  const int64_t begin = blockIdx.x * length, end = min(begin + length, rows);
  float sums[n] = {};
#ifdef __CUDACC__
#pragma unroll 4
#endif
  for (int64_t row = begin; row < end; ++row) {
    float v[n];
    term(row, column, v);
    for (int j = 0; j < n; ++j) sums[j] += v[j];
  }
  if (partial == nullptr) return;
  for (int j = 0; j < n; ++j) partial[blockIdx.x * columns + column + j] = sums[j];
}

template <class T, int n>
__global__ void __launch_bounds__(kColumnThreads)
    column_sums_kernel(const T* x, int64_t ld, float* partial, int64_t rows, int64_t columns, int64_t length) {
  sum_range<n>(rows, columns, length, partial,
               [=](int64_t row, int64_t column, float(&v)[n]) { load<n>(x + row * ld + column, v); });
}

template <Activation activation, class T, int n>
__global__ void __launch_bounds__(kColumnThreads)
    activation_dropout_gradient_kernel(const T* dy, const T* before, T* da, T* hidden, float* partial, int64_t rows,
                                       int64_t columns, int64_t length, Mask mask) {
  sum_range<n>(rows, columns, length, partial, [=](int64_t row, int64_t column, float(&v)[n]) {
    const int64_t at = row * columns + column;
    float a[n];
    unsigned kept[n];
    load<n>(before + at, a);
    load<n>(dy + at, v);
    mask.draw(at, kept);
    mask.apply(kept, v);
    for (int j = 0; j < n; ++j) {
      const auto function = HiddenFunction<activation>::of(a[j]);
      v[j] *= function.derivative();
      a[j] = function.value;
    }
    store<n>(da + at, v);
    if (hidden == nullptr) return;
    mask.apply(kept, a);
    store<n>(hidden + at, a);
  });
}

constexpr int kRangeGroups = 8;

struct RangeShared {
  float sums[kRangeGroups][32];
};

// A block for 32 columns; warp g sums ranges g, g + kRangeGroups, ..., then the warps' sums are added in order.
__global__ void __launch_bounds__(kRangeGroups * 32)
    add_ranges_kernel(const float* partial, float* sums, bool accumulate, int64_t ranges, int64_t columns) {
  RangeShared& shared = simt::block_shared<RangeShared>();
  const int lane = lane_index(), group = warp_index();
  const int64_t column = static_cast<int64_t>(blockIdx.x) * 32 + lane;
  float sum = 0;
  if (column < columns)
    for (int64_t range = group; range < ranges; range += kRangeGroups) sum += partial[range * columns + column];
  shared.sums[group][lane] = sum;
  __syncthreads();
  if (group != 0 || column >= columns) return;
  float total = 0;
  for (int g = 0; g < kRangeGroups; ++g) total += shared.sums[g][lane];
  sums[column] = accumulate ? sums[column] + total : total;
}

void add_ranges(const float* partial, float* sums, bool accumulate, int64_t ranges, int64_t columns) {
  simt::launch<add_ranges_kernel>(blocks_for(columns, 32), kRangeGroups * 32, 0, partial, sums, accumulate, ranges,
                                  columns);
}

dim3 grid_of(int64_t rows, int64_t columns, int n) {
  return dim3(static_cast<unsigned>(range_count(rows)), blocks_for(columns, kColumnThreads * n));
}

constexpr int kRoundThreads = 256;

template <int n>
__global__ void __launch_bounds__(kRoundThreads) round_kernel(const float* x, bf16* y, int64_t count) {
  const int64_t i = (static_cast<int64_t>(blockIdx.x) * kRoundThreads + threadIdx.x) * n;
  if (i >= count) return;
  float v[n];
  load_parameters(x + i, v);
  store<n>(y + i, v);
}

}  // namespace

int64_t column_workspace(int64_t rows, int64_t columns) { return range_count(rows) * columns; }

template <class T>
void column_sums(const T* x, int64_t ld, float* sums, bool accumulate, float* workspace, int64_t rows,
                 int64_t columns) {
  with_pack_size<T>(packs_fit<T>(columns, x) && ld % kPack<T> == 0, [&](auto size) {
    constexpr int n = decltype(size)::value;
    simt::launch<column_sums_kernel<T, n>>(grid_of(rows, columns, n), kColumnThreads, 0, x, ld, workspace, rows,
                                           columns, range_length(rows));
  });
  add_ranges(workspace, sums, accumulate, range_count(rows), columns);
}

template <class T>
void activation_dropout_gradient(Activation f, const T* dy, const T* before, T* da, T* hidden, float* sums,
                                 bool accumulate, float* workspace, int64_t rows, int64_t columns, double p,
                                 const Ticket& ticket) {
  float* partial = sums ? workspace : nullptr;
  with_pack_size<T>(packs_fit<T>(columns, dy, before, da, hidden), [&](auto size) {
    constexpr int n = decltype(size)::value;
    with_activation(f, [&](auto activation) {
      simt::launch<activation_dropout_gradient_kernel<decltype(activation)::value, T, n>>(
          grid_of(rows, columns, n), kColumnThreads, 0, dy, before, da, hidden, partial, rows, columns,
          range_length(rows), Mask("mlp", p, ticket));
    });
  });
  if (sums) add_ranges(workspace, sums, accumulate, range_count(rows), columns);
}

void round_to_bf16(const float* x, bf16* y, int64_t count) {
  with_pack_size<bf16>(packs_fit<bf16>(count, x, y), [&](auto size) {
    constexpr int n = decltype(size)::value;
    simt::launch<round_kernel<n>>(blocks_for(count, kRoundThreads * n), kRoundThreads, 0, x, y, count);
  });
}

template void column_sums(const float*, int64_t, float*, bool, float*, int64_t, int64_t);
template void column_sums(const bf16*, int64_t, float*, bool, float*, int64_t, int64_t);
template void activation_dropout_gradient(Activation, const float*, const float*, float*, float*, float*, bool, float*,
                                          int64_t, int64_t, double, const Ticket&);
template void activation_dropout_gradient(Activation, const bf16*, const bf16*, bf16*, bf16*, float*, bool, float*,
                                          int64_t, int64_t, double, const Ticket&);

}  // namespace tessera::cuda
