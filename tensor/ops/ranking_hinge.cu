// ops::ranking_hinge on the GPU: a warp for each row and for each column.
#include "tensor/cuda/block_sums.h"
#include "tensor/ops/ranking_hinge_kernels.h"

namespace tessera::cuda {
namespace {

constexpr int kHingeWarps = 4, kHingeThreads = kHingeWarps * 32;

// The larger cost, and of equal ones the smaller index; a NaN before all.
__device__ __forceinline__ bool is_harder(float cost, int64_t index, float than, int64_t than_index) {
  const bool nan = cost != cost, than_nan = than != than;
  if (nan != than_nan) return nan;
  if (!nan && cost != than) return cost > than;
  return index >= 0 && (than_index < 0 || index < than_index);
}

__global__ void __launch_bounds__(kHingeThreads)
    ranking_hinge_kernel(const float* similarity, float margin, bool hardest, int64_t n, int64_t* active,
                         double* losses) {
  const int64_t line = static_cast<int64_t>(blockIdx.x) * kHingeWarps + warp_index();
  if (line >= 2 * n) return;
  const bool row = line < n;
  const int64_t own = row ? line : line - n, step = row ? 1 : n;
  const float* s = similarity + own * (row ? n : 1);
  const float pair = s[own * step];
  double sum = 0;
  int64_t count = 0, index = -1;
  float most = 0;
  for (int64_t k = lane_index(); k < n; k += 32) {
    const float cost = (margin + s[k * step]) - pair;
    if (k == own || cost <= 0) continue;
    sum += static_cast<double>(cost);
    ++count;
    if (is_harder(cost, k, most, index)) {
      most = cost;
      index = k;
    }
  }
  if (hardest) {
    for (int bit = 16; bit > 0; bit /= 2) {
      const float other = __shfl_xor_sync(kAllLanes, most, bit);
      const int64_t other_index = __shfl_xor_sync(kAllLanes, index, bit);
      if (is_harder(other, other_index, most, index)) {
        most = other;
        index = other_index;
      }
    }
  } else {
    sum = warp_sum(sum);
    for (int bit = 16; bit > 0; bit /= 2) count += __shfl_xor_sync(kAllLanes, count, bit);
  }
  if (lane_index() != 0) return;
  active[line] = hardest ? index : count;
  losses[line] = hardest ? static_cast<double>(most) : sum;
}

__global__ void __launch_bounds__(kHingeThreads)
    ranking_hinge_backward_kernel(const float* dloss, const float* similarity, const int64_t* active, float margin,
                                  bool hardest, int64_t n, float* gradient) {
  const int64_t at = static_cast<int64_t>(blockIdx.x) * kHingeThreads + threadIdx.x;
  if (at >= n * n) return;
  const int64_t i = at / n, j = at % n;
  const int64_t of_row = active[i], of_column = active[n + j];
  int64_t count = 0;
  if (i == j) {
    count = hardest ? -int64_t{of_row >= 0} - int64_t{of_column >= 0} : -of_row - of_column;
  } else if (hardest) {
    count = int64_t{of_row == j} + int64_t{of_column == i};
  } else {
    const float value = margin + similarity[at];
    count = int64_t{!(value - similarity[i * n + i] <= 0)} + int64_t{!(value - similarity[j * n + j] <= 0)};
  }
  gradient[at] = *dloss * static_cast<float>(count);
}

}  // namespace

void ranking_hinge(const float* similarity, float margin, bool hardest, int64_t n, int64_t* active, double* losses,
                   float* loss) {
  simt::launch<ranking_hinge_kernel>(blocks_for(2 * n, kHingeWarps), kHingeThreads, 0, similarity, margin, hardest, n,
                                     active, losses);
  add_partial_sums(losses, 2 * n, 1.0, loss);
}

void ranking_hinge_backward(const float* dloss, const float* similarity, const int64_t* active, float margin,
                            bool hardest, int64_t n, float* gradient) {
  simt::launch<ranking_hinge_backward_kernel>(blocks_for(n * n, kHingeThreads), kHingeThreads, 0, dloss, similarity,
                                              active, margin, hardest, n, gradient);
}

}  // namespace tessera::cuda
