// ops::ipot on the GPU: one block for each sample, all iterations in one launch. A and Q lie in shared memory where
// they fit. As on the CPU, samples whose costs span too much of beta for f32 are computed in f64: by a second launch,
// in which blocks of other samples return at once.
#include <bit>

#include "tensor/cuda/scalar_math.h"
#include "tensor/cuda/warp.h"
#include "tensor/ops/ipot_kernels.h"

namespace tessera::cuda {
namespace {

constexpr int kIpotWarps = 8, kIpotThreads = kIpotWarps * 32;
constexpr double kSpanOfF32 = 40, kSpanOfF64 = 650;  // of costs, in units of beta

struct IpotShared {
  BlockReduction<float, kIpotWarps> most;
};

// The largest cost in the upper half, in an order of bits that is that of the numbers, and the least one.
__device__ ErrorWord failure(float least, float most) {
  const unsigned bits = __float_as_uint(most), ordered = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
  return (ErrorWord{ordered} << 32) | __float_as_uint(least);
}

template <class Work>
__global__ void __launch_bounds__(kIpotThreads)
    ipot_kernel(IpotSamples samples, float* plan, double beta, int64_t iterations, Work* workspace, ErrorWord* failed) {
  const int64_t s = blockIdx.x, first = samples.offsets[s];
  const int m = static_cast<int>(samples.cu_rows[s + 1] - samples.cu_rows[s]);
  const int n = static_cast<int>(samples.cu_columns[s + 1] - samples.cu_columns[s]);
  const int cells = m * n, t = static_cast<int>(threadIdx.x);
  if (cells == 0) return;
  const float* cost = samples.cost + first;
  const float* row_marginals = samples.row_marginals ? samples.row_marginals + samples.cu_rows[s] : nullptr;
  const float* column_marginals = samples.column_marginals ? samples.column_marginals + samples.cu_columns[s] : nullptr;

  IpotShared& shared = simt::block_shared<IpotShared>();
  float most = -INFINITY, least = -INFINITY;  // of the costs and of their negatives
  for (int i = t; i < cells; i += kIpotThreads) {
    most = fmaxf(most, cost[i]);
    least = fmaxf(least, -cost[i]);
  }
  most = shared.most.max(most);
  least = -shared.most.max(least);
  const double span = (static_cast<double>(most) - static_cast<double>(least)) / beta;
  const bool needs_f64 = span > kSpanOfF32;
  if (needs_f64 != (sizeof(Work) == sizeof(double))) return;
  if (span > kSpanOfF64) {
    if (t == 0) atomicMax(failed, failure(least, most));
    for (int i = t; i < cells; i += kIpotThreads) plan[first + i] = NAN;
    return;
  }

  Work* delta = simt::dynamic_shared<Work>();  // [n]
  Work* sigma = delta + n;                     // [m]
  Work* a = workspace != nullptr ? workspace + 2 * first : sigma + m;
  Work* q = a + cells;
  const Work rate = static_cast<Work>(-1 / beta);
  for (int i = t; i < cells; i += kIpotThreads)
    a[i] = q[i] = exponential((static_cast<Work>(cost[i]) - static_cast<Work>(least)) * rate);
  for (int i = t; i < m; i += kIpotThreads) sigma[i] = 1 / static_cast<Work>(m);

  for (int64_t iteration = 1;; ++iteration) {
    __syncthreads();  // q and sigma are written
    for (int j = t; j < n; j += kIpotThreads) {
      Work sum = 0;
      for (int i = 0; i < m; ++i) sum += q[i * n + j] * sigma[i];
      delta[j] = (column_marginals ? static_cast<Work>(column_marginals[j]) : 1 / static_cast<Work>(n)) / sum;
    }
    __syncthreads();
    if (iteration == iterations) break;
    for (int i = warp_index(); i < m; i += kIpotWarps) {
      Work sum = 0;
      for (int j = lane_index(); j < n; j += 32) sum += q[i * n + j] * delta[j];
      sum = warp_sum(sum);
      const Work wanted = row_marginals ? static_cast<Work>(row_marginals[i]) : 1 / static_cast<Work>(m);
      const Work factor = wanted > 0 ? wanted / sum : Work{0};
      if (lane_index() == 0) sigma[i] = factor;
      for (int j = lane_index(); j < n; j += 32) q[i * n + j] = a[i * n + j] * (q[i * n + j] * delta[j] * factor);
    }
  }

  // The last sigma is found in f64, as on the CPU: an error in it is one of the row's whole mass.
  for (int i = warp_index(); i < m; i += kIpotWarps) {
    double sum = 0;
    for (int j = lane_index(); j < n; j += 32) sum += static_cast<double>(q[i * n + j] * delta[j]);
    sum = warp_sum(sum);
    const double wanted = row_marginals ? static_cast<double>(row_marginals[i]) : 1 / static_cast<double>(m);
    const double factor = wanted > 0 ? wanted / sum : 0.0;
    for (int j = lane_index(); j < n; j += 32)
      plan[first + i * n + j] = static_cast<float>(static_cast<double>(q[i * n + j] * delta[j]) * factor);
  }
}

// Bytes of shared memory of a block.
template <class Work>
size_t shared_bytes(const IpotSamples& samples, bool with_matrices) {
  const int64_t numbers = samples.most_rows + samples.most_columns + (with_matrices ? 2 * samples.most_cells : 0);
  return static_cast<size_t>(numbers) * sizeof(Work);
}

}  // namespace

CostRange ipot_failure(ErrorWord word) {
  const auto ordered = static_cast<uint32_t>(word >> 32);
  const uint32_t most = ordered & 0x80000000u ? ordered & 0x7fffffffu : ~ordered;
  return {std::bit_cast<float>(static_cast<uint32_t>(word)), std::bit_cast<float>(most)};
}

bool ipot_fits_shared_memory(const IpotSamples& samples) {
  constexpr size_t kBytes = 96 * 1024;  // what every GPU since sm_80 has for a block
  return shared_bytes<float>(samples, true) <= kBytes;
}

void ipot(const IpotSamples& samples, float* plan, double beta, int64_t iterations, float* workspace32,
          double* workspace64, ErrorWord* failed) {
  const auto blocks = static_cast<unsigned>(samples.count);
  simt::launch<ipot_kernel<float>>(blocks, kIpotThreads, shared_bytes<float>(samples, workspace32 == nullptr), samples,
                                   plan, beta, iterations, workspace32, failed);
  simt::launch<ipot_kernel<double>>(blocks, kIpotThreads, shared_bytes<double>(samples, false), samples, plan, beta,
                                    iterations, workspace64, failed);
}

}  // namespace tessera::cuda
