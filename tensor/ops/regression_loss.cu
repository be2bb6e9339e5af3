// ops::regression_loss on the GPU.
#include "tensor/cuda/block_sums.h"
#include "tensor/ops/regression_loss_kernels.h"

namespace tessera::cuda {
namespace {

using ops::RegressionLoss;

template <class T>
struct RegressionTerm {
  RegressionLoss loss;
  const T* x;
  const float* targets;
  float beta;

  __device__ double operator()(int64_t i) const {
    const float d = simt::to_float(x[i]) - targets[i], magnitude = fabsf(d);
    if (loss == RegressionLoss::squared) return static_cast<double>(d * d);
    if (loss == RegressionLoss::absolute) return static_cast<double>(magnitude);
    return static_cast<double>(magnitude < beta ? 0.5f * d * d / beta : magnitude - 0.5f * beta);
  }
};

constexpr int kRegressionThreads = 256;

template <class T>
__global__ void __launch_bounds__(kRegressionThreads)
    regression_loss_backward_kernel(RegressionLoss loss, const float* dloss, double factor, const T* x,
                                    const float* targets, float beta, T* dx, int64_t count) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kRegressionThreads + threadIdx.x;
  if (i >= count) return;
  const float scale = static_cast<float>(static_cast<double>(*dloss) * factor);
  const float d = simt::to_float(x[i]) - targets[i];
  float slope = d > 0 ? 1.0f : d < 0 ? -1.0f : d;
  if (loss == RegressionLoss::squared) slope = 2 * d;
  if (loss == RegressionLoss::smooth_l1 && fabsf(d) < beta) slope = d / beta;
  dx[i] = simt::from_float<T>(scale * slope);
}

}  // namespace

template <class T>
void regression_loss(RegressionLoss loss, const T* x, const float* targets, float beta, double factor, float* out,
                     double* workspace, int64_t count) {
  sum_of_terms(RegressionTerm<T>{loss, x, targets, beta}, count, factor, out, workspace);
}

template <class T>
void regression_loss_backward(RegressionLoss loss, const float* dloss, double factor, const T* x, const float* targets,
                              float beta, T* dx, int64_t count) {
  simt::launch<regression_loss_backward_kernel<T>>(blocks_for(count, kRegressionThreads), kRegressionThreads, 0, loss,
                                                   dloss, factor, x, targets, beta, dx, count);
}

template void regression_loss(RegressionLoss, const float*, const float*, float, double, float*, double*, int64_t);
template void regression_loss(RegressionLoss, const bf16*, const float*, float, double, float*, double*, int64_t);
template void regression_loss_backward(RegressionLoss, const float*, double, const float*, const float*, float, float*,
                                       int64_t);
template void regression_loss_backward(RegressionLoss, const float*, double, const bf16*, const float*, float, bf16*,
                                       int64_t);

}  // namespace tessera::cuda
