// ops::dropout_add_layer_norm on the GPU: one pass over memory in each direction. A lane reads again only what it wrote
// itself.
#include "tensor/cuda/dropout_mask.h"
#include "tensor/cuda/layer_norm_rows.h"

namespace tessera::cuda {
namespace {

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

template <class T>
void dropout_add_layer_norm(const T* x, const T* residual, const float* weight, const float* bias, T* sum,
                            T* normalised, float* mean, float* rstd, int64_t rows, int64_t d, float eps, double p,
                            const Ticket& ticket) {
  const Mask mask("dropout_add_layer_norm", p, ticket);
  with_pack_size<T>(packs_fit<T>(d, x, residual, sum, normalised, weight, bias), [&](auto size) {
    constexpr int n = decltype(size)::value;
    simt::launch<dropout_add_layer_norm_kernel<T, n>>(blocks_for(rows, kNormWarps), kNormWarps * 32, 0, x,
                                                      residual, weight, bias, sum, normalised, mean, rstd, rows,
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
        sums.blocks, static_cast<unsigned>(sums.warps * 32), sums.shared_bytes(d), d_sum, d_normalised, sum,
        weight, mean, rstd, dx, d_residual, workspace, rows, sums.rows_per_block, static_cast<int>(d), mask);
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
