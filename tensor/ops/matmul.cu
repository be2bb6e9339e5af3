// A plain matrix product: 64 x 64 results for each block, 4 x 4 for each thread. The reference for what tensor cores
// and libraries do, and what stands in for them where there are none.
#include "tensor/cuda/kernels.h"
#include "tensor/cuda/warp.h"

namespace tessera::cuda {
namespace {

constexpr int kTile = 64, kDepth = 16, kEach = 4, kThreads = (kTile / kEach) * (kTile / kEach);

struct MatmulShared {
  float a[kDepth][kTile + 1];  // transposed; a column more, against bank conflicts
  float b[kDepth][kTile + 1];
};

template <class T, class C>
__global__ void __launch_bounds__(kThreads) matmul_kernel(MatrixView<T> a, MatrixView<T> b, const float* bias, C* c,
                                                          int64_t m, int64_t n, int64_t k, bool accumulate) {
  MatmulShared& shared = simt::block_shared<MatmulShared>();
  const int t = static_cast<int>(threadIdx.x), row = t / (kTile / kEach) * kEach, column = t % (kTile / kEach) * kEach;
  const int64_t first_row = static_cast<int64_t>(blockIdx.y) * kTile,
                first_column = static_cast<int64_t>(blockIdx.x) * kTile;
  float sums[kEach][kEach] = {};
  for (int64_t k0 = 0; k0 < k; k0 += kDepth) {
    for (int i = t; i < kTile * kDepth; i += kThreads) {
      const int64_t ra = first_row + i / kDepth, ka = k0 + i % kDepth;
      shared.a[i % kDepth][i / kDepth] = ra < m && ka < k ? simt::to_float(a.data[ra * a.row + ka * a.column]) : 0.0f;
      const int64_t kb = k0 + i / kTile, cb = first_column + i % kTile;
      shared.b[i / kTile][i % kTile] = kb < k && cb < n ? simt::to_float(b.data[kb * b.row + cb * b.column]) : 0.0f;
    }
    __syncthreads();
    for (int d = 0; d < kDepth; ++d)
      for (int i = 0; i < kEach; ++i)
        for (int j = 0; j < kEach; ++j) sums[i][j] += shared.a[d][row + i] * shared.b[d][column + j];
    __syncthreads();
  }
  for (int i = 0; i < kEach; ++i)
    for (int j = 0; j < kEach; ++j) {
      const int64_t to_row = first_row + row + i, to_column = first_column + column + j;
      if (to_row >= m || to_column >= n) continue;
      C& place = c[to_row * n + to_column];
      float value = sums[i][j];
      if (bias != nullptr) value += bias[to_column];
      if (accumulate) value += simt::to_float(place);
      place = simt::from_float<C>(value);
    }
}

}  // namespace

template <class T, class C>
void matmul(MatrixView<T> a, MatrixView<T> b, const float* bias, C* c, int64_t m, int64_t n, int64_t k, bool accumulate) {
  simt::launch<matmul_kernel<T, C>>(dim3(blocks_for(n, kTile), blocks_for(m, kTile)), kThreads, 0, a, b, bias,
                                    c, m, n, k, accumulate);
}

template void matmul(MatrixView<float>, MatrixView<float>, const float*, float*, int64_t, int64_t, int64_t, bool);
template void matmul(MatrixView<bf16>, MatrixView<bf16>, const float*, bf16*, int64_t, int64_t, int64_t, bool);
template void matmul(MatrixView<bf16>, MatrixView<bf16>, const float*, float*, int64_t, int64_t, int64_t, bool);

}  // namespace tessera::cuda
