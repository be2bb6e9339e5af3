// ops::cosine_cost on the GPU. Norms and cosines are f64, as on the CPU: transport amplifies the cost's rounding, by up
// to iterations / beta.
#include "tensor/cuda/warp.h"
#include "tensor/ops/cosine_cost_kernels.h"

namespace tessera::cuda {
namespace {

constexpr int kCostWarps = 8, kCostThreads = kCostWarps * 32;

// A warp for each row of x [rows, width]: 1 / max(|x|, eps), rounded to f32 for backward, and as it is.
__global__ void __launch_bounds__(kCostThreads)
    row_scales_kernel(const float* x, int64_t rows, int width, double eps, float* scale, double* exact) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kCostWarps + warp_index();
  if (row >= rows) return;
  double squares = 0;
  for (int c = lane_index(); c < width; c += 32) {
    const double value = static_cast<double>(x[row * width + c]);
    squares += value * value;
  }
  const double factor = 1 / fmax(sqrt(warp_sum(squares)), eps);
  if (lane_index() != 0) return;
  scale[row] = static_cast<float>(factor);
  exact[row] = factor;
}

constexpr int kTile = 32;             // rows of x and of y of a block, and columns that it reads at once
constexpr int kSide = 16;             // threads of each side of the tile
constexpr int kEach = kTile / kSide;  // rows and columns of a thread, kSide apart
static_assert(kSide * kSide == kCostThreads);

struct CostShared {
  double x[kTile][kTile + 1], y[kTile][kTile + 1];
};

// to = columns from, from + 1, ... of `rows` rows, zero outside of them.
__device__ void load_tile(const float* x, int rows, int width, int from, double (&to)[kTile][kTile + 1]) {
  for (int at = static_cast<int>(threadIdx.x); at < kTile * kTile; at += kCostThreads) {
    const int row = at / kTile, c = from + at % kTile;
    to[row][at % kTile] = row < rows && c < width ? static_cast<double>(x[static_cast<int64_t>(row) * width + c]) : 0.0;
  }
}

// Grid: samples, tiles of rows of x, tiles of rows of y.
__global__ void __launch_bounds__(kCostThreads)
    cosine_cost_kernel(const float* x, const float* y, RaggedPairs pairs, int width, const double* x_exact,
                       const double* y_exact, float* cost) {
  const int64_t s = blockIdx.x, first_x = pairs.cu_x[s], first_y = pairs.cu_y[s];
  const int m = static_cast<int>(pairs.cu_x[s + 1] - first_x), n = static_cast<int>(pairs.cu_y[s + 1] - first_y);
  const int tile_i = static_cast<int>(blockIdx.y) * kTile, tile_j = static_cast<int>(blockIdx.z) * kTile;
  if (tile_i >= m || tile_j >= n) return;
  CostShared& shared = simt::block_shared<CostShared>();
  const int own_i = static_cast<int>(threadIdx.x) / kSide, own_j = static_cast<int>(threadIdx.x) % kSide;
  double dot[kEach][kEach] = {};
  for (int from = 0; from < width; from += kTile) {
    __syncthreads();  // the tiles before have been read
    load_tile(x + (first_x + tile_i) * width, m - tile_i, width, from, shared.x);
    load_tile(y + (first_y + tile_j) * width, n - tile_j, width, from, shared.y);
    __syncthreads();
    for (int c = 0; c < kTile; ++c)
      for (int i = 0; i < kEach; ++i)
        for (int j = 0; j < kEach; ++j) dot[i][j] += shared.x[own_i + i * kSide][c] * shared.y[own_j + j * kSide][c];
  }
  for (int i = tile_i + own_i, k = 0; k < kEach; ++k, i += kSide)
    for (int j = tile_j + own_j, l = 0; l < kEach; ++l, j += kSide)
      if (i < m && j < n)
        cost[pairs.offsets[s] + static_cast<int64_t>(i) * n + j] =
            static_cast<float>(1 - dot[k][l] * x_exact[first_x + i] * y_exact[first_y + j]);
}

// One side of the pairs, x or y.
struct Side {
  const float *rows, *scale;
  const int64_t* cu;
};

constexpr int kRows = 8;     // of the side whose gradient a block finds
constexpr int kOthers = 32;  // rows of the other side whose weights are kept at once

struct BackwardShared {
  float weight[kRows][kOthers];
  BlockReduction<float, kCostWarps> along;
};

// dx of kRows rows of one side: Σ_j -G_ij ŷ_j, less its part along x̂_i where the norm exceeds eps. Grid: samples,
// groups of rows. A thread has columns of its own, which it writes, and reads again. `transposed`: this side is y.
__global__ void __launch_bounds__(kCostThreads)
    cosine_cost_backward_kernel(const float* dcost, Side own, Side other, const int64_t* offsets, int width,
                                bool transposed, float largest_scale, float* dx) {
  const int64_t s = blockIdx.x, first_other = other.cu[s];
  const int others = static_cast<int>(other.cu[s + 1] - first_other);
  const int own_rows = static_cast<int>(own.cu[s + 1] - own.cu[s]), row = static_cast<int>(blockIdx.y) * kRows;
  if (row >= own_rows) return;
  BackwardShared& shared = simt::block_shared<BackwardShared>();
  const int rows = min(kRows, own_rows - row), t = static_cast<int>(threadIdx.x);
  const int64_t first = own.cu[s] + row;
  const float* g = dcost + offsets[s];
  float along[kRows] = {};
  for (int from = 0; from < width; from += kCostThreads) {
    const int c = from + t;
    float sum[kRows] = {};
    for (int begin = 0; begin < others; begin += kOthers) {
      __syncthreads();  // the weights before have been read
      const int i = t / kOthers, j = begin + t % kOthers;
      if (i < rows && j < others) {
        const int64_t at =
            transposed ? static_cast<int64_t>(j) * own_rows + row + i : static_cast<int64_t>(row + i) * others + j;
        shared.weight[i][t % kOthers] = -g[at] * other.scale[first_other + j];
      }
      __syncthreads();
      if (c >= width) continue;
      const int count = min(kOthers, others - begin);
      for (int k = 0; k < count; ++k) {
        const float value = other.rows[(first_other + begin + k) * width + c];
        for (int r = 0; r < kRows; ++r)
          if (r < rows) sum[r] += shared.weight[r][k] * value;
      }
    }
    if (c >= width) continue;
    for (int r = 0; r < kRows; ++r) {
      if (r >= rows) break;
      dx[(first + r) * width + c] = sum[r];
      along[r] += sum[r] * own.scale[first + r] * own.rows[(first + r) * width + c];
    }
  }
  for (int r = 0; r < kRows; ++r) {
    const float total = shared.along.sum(along[r]);
    if (r >= rows) continue;
    const float scale = own.scale[first + r], part = scale < largest_scale ? total : 0.0f;
    for (int c = t; c < width; c += kCostThreads) {
      float& place = dx[(first + r) * width + c];
      place = scale * (place - part * (scale * own.rows[(first + r) * width + c]));
    }
  }
}
static_assert(kRows * kOthers == kCostThreads);

}  // namespace

void cosine_cost(const float* x, const float* y, const RaggedPairs& pairs, int64_t rows_x, int64_t rows_y,
                 int64_t width, double eps, float* x_scale, float* y_scale, float* cost, double* workspace) {
  const int columns = static_cast<int>(width);
  double *x_exact = workspace, *y_exact = workspace + rows_x;
  simt::launch<row_scales_kernel>(blocks_for(rows_x, kCostWarps), kCostThreads, 0, x, rows_x, columns, eps, x_scale,
                                  x_exact);
  simt::launch<row_scales_kernel>(blocks_for(rows_y, kCostWarps), kCostThreads, 0, y, rows_y, columns, eps, y_scale,
                                  y_exact);
  const dim3 grid(static_cast<unsigned>(pairs.samples), blocks_for(pairs.most_x, kTile),
                  blocks_for(pairs.most_y, kTile));
  simt::launch<cosine_cost_kernel>(grid, kCostThreads, 0, x, y, pairs, columns, x_exact, y_exact, cost);
}

void cosine_cost_backward(const float* dcost, const float* x, const float* y, const float* x_scale,
                          const float* y_scale, const RaggedPairs& pairs, int64_t width, double eps, float* dx,
                          float* dy) {
  const Side of_x{x, x_scale, pairs.cu_x}, of_y{y, y_scale, pairs.cu_y};
  const int columns = static_cast<int>(width);
  const float largest_scale = 1 / static_cast<float>(eps);
  const auto samples = static_cast<unsigned>(pairs.samples);
  simt::launch<cosine_cost_backward_kernel>(dim3(samples, blocks_for(pairs.most_x, kRows)), kCostThreads, 0, dcost,
                                            of_x, of_y, pairs.offsets, columns, false, largest_scale, dx);
  simt::launch<cosine_cost_backward_kernel>(dim3(samples, blocks_for(pairs.most_y, kRows)), kCostThreads, 0, dcost,
                                            of_y, of_x, pairs.offsets, columns, true, largest_scale, dy);
}

}  // namespace tessera::cuda
