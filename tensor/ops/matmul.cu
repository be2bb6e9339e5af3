// A plain matrix product: 64 x 64 results for each block, 4 x 4 for each thread. The reference for what tensor cores
// and libraries do, and what stands in for them where there are none.
#include "tensor/cuda/warp.h"
#include "tensor/gemm/gemm_kernels.h"

namespace tessera::cuda {
namespace {

constexpr int kMatmulTile = 64, kMatmulDepth = 16, kMatmulEach = 4,
              kMatmulThreads = (kMatmulTile / kMatmulEach) * (kMatmulTile / kMatmulEach);

struct MatmulShared {
  float a[kMatmulDepth][kMatmulTile + 1];  // transposed; a column more, against bank conflicts
  float b[kMatmulDepth][kMatmulTile + 1];
};

// Element (i, j) of the operand of item `item`, as f32; 0 outside of it.
template <class T>
__device__ __forceinline__ float element(const GemmOperand& x, int64_t item, int64_t i, int64_t j, int64_t rows,
                                         int64_t columns) {
  if (i >= rows || j >= columns) return 0;
  return simt::to_float(static_cast<const T*>(x.data)[item * x.batch + i * x.row + j * x.column]);
}

template <class C>
__device__ __forceinline__ void store_result(const Gemm& g, int64_t item, int64_t i, int64_t j, float value) {
  C& place = static_cast<C*>(g.c)[item * g.batch_c + i * g.ldc + j];
  if (g.bias != nullptr) value += simt::to_float(static_cast<const C*>(g.bias)[j]);
  if (g.accumulate) value += simt::to_float(place);
  place = simt::from_float<C>(value);
}

// Blocks count through the columns of tiles, then the rows, then the items.
template <class T, class C>
__global__ void __launch_bounds__(kMatmulThreads) matmul_kernel(Gemm g, int64_t tile_rows, int64_t tile_columns) {
  MatmulShared& shared = simt::block_shared<MatmulShared>();
  const int t = static_cast<int>(threadIdx.x), row = t / (kMatmulTile / kMatmulEach) * kMatmulEach,
            column = t % (kMatmulTile / kMatmulEach) * kMatmulEach;
  const int64_t block = blockIdx.x, item = block / (tile_rows * tile_columns);
  const int64_t first_row = block / tile_columns % tile_rows * kMatmulTile,
                first_column = block % tile_columns * kMatmulTile;
  float sums[kMatmulEach][kMatmulEach] = {};
  for (int64_t k0 = 0; k0 < g.k; k0 += kMatmulDepth) {
    for (int i = t; i < kMatmulTile * kMatmulDepth; i += kMatmulThreads) {
      shared.a[i % kMatmulDepth][i / kMatmulDepth] =
          element<T>(g.a, item, first_row + i / kMatmulDepth, k0 + i % kMatmulDepth, g.m, g.k);
      shared.b[i / kMatmulTile][i % kMatmulTile] =
          element<T>(g.b, item, k0 + i / kMatmulTile, first_column + i % kMatmulTile, g.k, g.n);
    }
    __syncthreads();
    for (int d = 0; d < kMatmulDepth; ++d)
      for (int i = 0; i < kMatmulEach; ++i)
        for (int j = 0; j < kMatmulEach; ++j) sums[i][j] += shared.a[d][row + i] * shared.b[d][column + j];
    __syncthreads();
  }
  for (int i = 0; i < kMatmulEach; ++i)
    for (int j = 0; j < kMatmulEach; ++j) {
      const int64_t to_row = first_row + row + i, to_column = first_column + column + j;
      if (to_row < g.m && to_column < g.n) store_result<C>(g, item, to_row, to_column, sums[i][j]);
    }
}

}  // namespace

void plain_gemm(const Gemm& product) {
  Gemm g = product;
  if (g.m == 0 || g.n == 0 || g.batch == 0) return;
  if (g.ldc == 0) g.ldc = g.n;
  const int64_t rows = (g.m + kMatmulTile - 1) / kMatmulTile, columns = (g.n + kMatmulTile - 1) / kMatmulTile;
  const int64_t blocks = rows * columns * g.batch;
  check(blocks < int64_t{1} << 31, "cuda: product of ", g.batch, " x [", g.m, ", ", g.k, "] and [", g.k, ", ", g.n,
        "] is too large");
  const dim3 grid(static_cast<unsigned>(blocks));
  if (g.dtype == DType::f32)
    simt::launch<matmul_kernel<float, float>>(grid, kMatmulThreads, 0, g, rows, columns);
  else if (g.c_dtype == DType::f32)
    simt::launch<matmul_kernel<bf16, float>>(grid, kMatmulThreads, 0, g, rows, columns);
  else
    simt::launch<matmul_kernel<bf16, bf16>>(grid, kMatmulThreads, 0, g, rows, columns);
}

}  // namespace tessera::cuda
