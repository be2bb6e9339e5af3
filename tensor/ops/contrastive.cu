// ops::contrastive on the GPU: a block for each row and for 32 columns, all in f64.
#include "tensor/cuda/block_sums.h"
#include "tensor/ops/contrastive_kernels.h"

namespace tessera::cuda {
namespace {

// Of a row or column: ops::Contrastive.
struct ContrastLine {
  double most, log_sum;

  __device__ double log_share(double scale, double value) const { return scale * (value - most) - log_sum; }
};
static_assert(sizeof(ContrastLine) == 2 * sizeof(double));

constexpr int kContrastWarps = 8, kContrastThreads = kContrastWarps * 32;

struct ContrastRowShared {
  BlockReduction<float, kContrastWarps> most;
  BlockReduction<double, kContrastWarps> total;
};

__global__ void __launch_bounds__(kContrastThreads)
    contrastive_rows_kernel(const float* similarity, const float* log_scale, int64_t n, ContrastLine* lines) {
  ContrastRowShared& shared = simt::block_shared<ContrastRowShared>();
  const float* row = similarity + static_cast<int64_t>(blockIdx.x) * n;
  const double scale = exp(static_cast<double>(*log_scale));
  float largest = -INFINITY;
  for (int64_t j = threadIdx.x; j < n; j += kContrastThreads) largest = fmaxf(largest, row[j]);
  const double most = static_cast<double>(shared.most.max(largest));
  double total = 0;
  for (int64_t j = threadIdx.x; j < n; j += kContrastThreads)
    total += exp(scale * (static_cast<double>(row[j]) - most));
  total = shared.total.sum(total);
  if (threadIdx.x == 0) lines[blockIdx.x] = {most, log(total)};
}

struct ContrastColumnShared {
  float most[kContrastWarps][32];
  double total[kContrastWarps][32];
};

// Lanes are neighbouring columns; warp w takes rows w, w + kContrastWarps, ...
__global__ void __launch_bounds__(kContrastThreads)
    contrastive_columns_kernel(const float* similarity, const float* log_scale, int64_t n, ContrastLine* lines) {
  ContrastColumnShared& shared = simt::block_shared<ContrastColumnShared>();
  const int lane = lane_index(), warp = warp_index();
  const int64_t column = static_cast<int64_t>(blockIdx.x) * 32 + lane;
  const double scale = exp(static_cast<double>(*log_scale));
  float largest = -INFINITY;
  if (column < n)
    for (int64_t i = warp; i < n; i += kContrastWarps) largest = fmaxf(largest, similarity[i * n + column]);
  shared.most[warp][lane] = largest;
  __syncthreads();
  for (int w = 0; w < kContrastWarps; ++w) largest = fmaxf(largest, shared.most[w][lane]);
  const double most = static_cast<double>(largest);
  double total = 0;
  if (column < n)
    for (int64_t i = warp; i < n; i += kContrastWarps)
      total += exp(scale * (static_cast<double>(similarity[i * n + column]) - most));
  shared.total[warp][lane] = total;
  __syncthreads();
  if (warp != 0 || column >= n) return;
  total = 0;
  for (int w = 0; w < kContrastWarps; ++w) total += shared.total[w][lane];
  lines[column] = {most, log(total)};
}

struct ContrastTerm {
  const float *similarity, *log_scale;
  const ContrastLine* lines;
  int64_t n;

  __device__ double operator()(int64_t i) const {
    const double scale = exp(static_cast<double>(*log_scale)), own = static_cast<double>(similarity[i * n + i]);
    return -lines[i].log_share(scale, own) - lines[n + i].log_share(scale, own);
  }
};

// p + q - 2 [i = j], and the logit, of element `at`.
struct ContrastElement {
  double logit, slope;

  __device__ ContrastElement(const float* similarity, double scale, const ContrastLine* lines, int64_t n, int64_t at)
      : logit(scale * static_cast<double>(similarity[at])) {
    const int64_t i = at / n, j = at % n;
    const double value = static_cast<double>(similarity[at]);
    slope = exp(lines[i].log_share(scale, value)) + exp(lines[n + j].log_share(scale, value)) - (i == j ? 2 : 0);
  }
};

__global__ void __launch_bounds__(kContrastThreads)
    contrastive_backward_kernel(const float* dloss, const float* similarity, const float* log_scale, int64_t n,
                                const ContrastLine* lines, float* d_similarity) {
  const int64_t at = static_cast<int64_t>(blockIdx.x) * kContrastThreads + threadIdx.x;
  if (at >= n * n) return;
  const double scale = exp(static_cast<double>(*log_scale));
  const ContrastElement element(similarity, scale, lines, n, at);
  d_similarity[at] =
      static_cast<float>(scale * static_cast<double>(*dloss) / static_cast<double>(2 * n) * element.slope);
}

struct ContrastScaleTerm {
  const float *dloss, *similarity, *log_scale;
  const ContrastLine* lines;
  int64_t n;

  __device__ double operator()(int64_t at) const {
    const ContrastElement element(similarity, exp(static_cast<double>(*log_scale)), lines, n, at);
    return static_cast<double>(*dloss) * element.slope * element.logit;
  }
};

}  // namespace

void contrastive(const float* similarity, const float* log_scale, int64_t n, double* lines, double* workspace,
                 float* loss) {
  auto* const rows = reinterpret_cast<ContrastLine*>(lines);
  simt::launch<contrastive_rows_kernel>(static_cast<unsigned>(n), kContrastThreads, 0, similarity, log_scale, n, rows);
  simt::launch<contrastive_columns_kernel>(blocks_for(n, 32), kContrastThreads, 0, similarity, log_scale, n, rows + n);
  const double factor = n > 0 ? 1 / static_cast<double>(2 * n) : 0.0;
  sum_of_terms(ContrastTerm{similarity, log_scale, rows, n}, n, factor, loss, workspace);
}

void contrastive_backward(const float* dloss, const float* similarity, const float* log_scale, int64_t n,
                          const double* lines, float* d_similarity, float* d_log_scale, double* workspace) {
  const auto* const of_rows = reinterpret_cast<const ContrastLine*>(lines);
  simt::launch<contrastive_backward_kernel>(blocks_for(n * n, kContrastThreads), kContrastThreads, 0, dloss, similarity,
                                            log_scale, n, of_rows, d_similarity);
  const double factor = n > 0 ? 1 / static_cast<double>(2 * n) : 0.0;
  sum_of_terms(ContrastScaleTerm{dloss, similarity, log_scale, of_rows, n}, n * n, factor, d_log_scale, workspace);
}

}  // namespace tessera::cuda
