// ops::l2_normalise on the GPU: one warp for each row.
#include "tensor/cuda/warp.h"
#include "tensor/ops/l2_normalise_kernels.h"

namespace tessera::cuda {
namespace {

constexpr int kUnitWarps = 4, kUnitThreads = kUnitWarps * 32;

__device__ __forceinline__ int64_t row_of_warp() {
  return static_cast<int64_t>(blockIdx.x) * kUnitWarps + warp_index();
}

template <class T, int n>
__global__ void __launch_bounds__(kUnitThreads)
    l2_normalise_kernel(const T* x, T* y, float* norm, int64_t rows, int d, float eps) {
  const int64_t row = row_of_warp();
  if (row >= rows) return;
  x += row * d;
  y += row * d;
  float squares = 0;
  for_columns<n>(d, lane_index(), 32, [&](int i) {
    float v[n];
    load<n>(x + i, v);
    for (int j = 0; j < n; ++j) squares += v[j] * v[j];
  });
  const float length = sqrtf(warp_sum(squares)), divisor = length < eps ? eps : length;
  if (lane_index() == 0) norm[row] = length;
  for_columns<n>(d, lane_index(), 32, [&](int i) {
    float v[n];
    load<n>(x + i, v);
    for (int j = 0; j < n; ++j) v[j] /= divisor;
    store<n>(y + i, v);
  });
}

template <class T, int n>
__global__ void __launch_bounds__(kUnitThreads)
    l2_normalise_backward_kernel(const T* dy, const T* y, const float* norm, T* dx, int64_t rows, int d, float eps) {
  const int64_t row = row_of_warp();
  if (row >= rows) return;
  dy += row * d;
  y += row * d;
  dx += row * d;
  const float length = norm[row];
  const bool floored = length <= eps && eps > 0;
  float along = 0;
  for_columns<n>(d, lane_index(), 32, [&](int i) {
    float g[n], v[n];
    load<n>(dy + i, g);
    load<n>(y + i, v);
    for (int j = 0; j < n; ++j) along += g[j] * v[j];
  });
  along = warp_sum(along);
  if (floored) along = 0;
  const float divisor = floored ? eps : length;
  for_columns<n>(d, lane_index(), 32, [&](int i) {
    float g[n], v[n];
    load<n>(dy + i, g);
    load<n>(y + i, v);
    for (int j = 0; j < n; ++j) g[j] = (g[j] - v[j] * along) / divisor;
    store<n>(dx + i, g);
  });
}

}  // namespace

template <class T>
void l2_normalise(const T* x, T* y, float* norm, int64_t rows, int64_t d, float eps) {
  with_pack_size<T>(packs_fit<T>(d, x, y), [&](auto size) {
    simt::launch<l2_normalise_kernel<T, decltype(size)::value>>(blocks_for(rows, kUnitWarps), kUnitThreads, 0, x, y,
                                                                norm, rows, static_cast<int>(d), eps);
  });
}

template <class T>
void l2_normalise_backward(const T* dy, const T* y, const float* norm, T* dx, int64_t rows, int64_t d, float eps) {
  with_pack_size<T>(packs_fit<T>(d, dy, y, dx), [&](auto size) {
    simt::launch<l2_normalise_backward_kernel<T, decltype(size)::value>>(
        blocks_for(rows, kUnitWarps), kUnitThreads, 0, dy, y, norm, dx, rows, static_cast<int>(d), eps);
  });
}

template void l2_normalise(const float*, float*, float*, int64_t, int64_t, float);
template void l2_normalise(const bf16*, bf16*, float*, int64_t, int64_t, float);
template void l2_normalise_backward(const float*, const float*, const float*, float*, int64_t, int64_t, float);
template void l2_normalise_backward(const bf16*, const bf16*, const float*, bf16*, int64_t, int64_t, float);

}  // namespace tessera::cuda
