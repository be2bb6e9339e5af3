// ops::layer_norm on the GPU.
#include "tensor/cuda/layer_norm_rows.h"

namespace tessera::cuda {
namespace {

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

}  // namespace

int64_t parameter_workspace(int64_t rows, int64_t d) { return int64_t{ParameterSums(rows, d).blocks} * 2 * d; }

void add_parameter_sums(const float* partial, unsigned blocks, int64_t d, const ParameterTargets& targets) {
  if (!targets.dweight && !targets.dbias) return;
  simt::launch<add_parameter_sums_kernel>(blocks_for(2 * d, 32), kGroups * 32, 0, partial,
                                          static_cast<int>(blocks), static_cast<int>(d), targets);
}

template <class T>
void layer_norm(const T* x, const float* weight, const float* bias, T* y, float* mean, float* rstd, int64_t rows,
                int64_t d, float eps) {
  with_pack_size<T>(packs_fit<T>(d, x, y, weight, bias), [&](auto size) {
    constexpr int n = decltype(size)::value;
    simt::launch<layer_norm_kernel<T, n>>(blocks_for(rows, kNormWarps), kNormWarps * 32, 0, x, weight, bias, y,
                                          mean, rstd, rows, static_cast<int>(d), eps);
  });
}

template <class T>
void layer_norm_backward(const T* dy, const T* x, const float* weight, const float* mean, const float* rstd, T* dx,
                         const ParameterTargets& targets, float* workspace, int64_t rows, int64_t d) {
  const ParameterSums sums(rows, d);
  with_pack_size<T>(packs_fit<T>(d, dy, x, dx, weight), [&](auto size) {
    constexpr int n = decltype(size)::value;
    simt::launch<layer_norm_backward_kernel<T, n>>(sums.blocks, sums.warps * 32, sums.shared_bytes(d), dy, x,
                                                   weight, mean, rstd, dx, workspace, rows, sums.rows_per_block,
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

}  // namespace tessera::cuda
