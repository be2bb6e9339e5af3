// ops::bce_with_logits on the GPU.
#include "tensor/cuda/block_sums.h"
#include "tensor/ops/bce_with_logits_kernels.h"

namespace tessera::cuda {
namespace {

template <class T>
struct BinaryCrossEntropy {
  const T* logits;
  const float* targets;

  __device__ double operator()(int64_t i) const {
    const float x = simt::to_float(logits[i]);
    return static_cast<double>(fmaxf(x, 0.0f) - x * targets[i] + log1pf(expf(-fabsf(x))));
  }
};

constexpr int kBceThreads = 128;

// In f64, as on the CPU: σ - t cancels.
template <class T>
__global__ void __launch_bounds__(kBceThreads)
    bce_with_logits_backward_kernel(const float* dloss, double factor, const T* logits, const float* targets, T* dx,
                                    int64_t count) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kBceThreads + threadIdx.x;
  if (i >= count) return;
  const double probability = 1 / (1 + exp(-static_cast<double>(simt::to_float(logits[i]))));
  const double gradient = static_cast<double>(*dloss) * factor * (probability - static_cast<double>(targets[i]));
  dx[i] = simt::from_float<T>(static_cast<float>(gradient));
}

}  // namespace

template <class T>
void bce_with_logits(const T* logits, const float* targets, float* loss, double* workspace, int64_t count,
                     double factor) {
  sum_of_terms(BinaryCrossEntropy<T>{logits, targets}, count, factor, loss, workspace);
}

template <class T>
void bce_with_logits_backward(const float* dloss, double factor, const T* logits, const float* targets, T* dx,
                              int64_t count) {
  simt::launch<bce_with_logits_backward_kernel<T>>(blocks_for(count, kBceThreads), kBceThreads, 0, dloss, factor,
                                                   logits, targets, dx, count);
}

template void bce_with_logits(const float*, const float*, float*, double*, int64_t, double);
template void bce_with_logits(const bf16*, const float*, float*, double*, int64_t, double);
template void bce_with_logits_backward(const float*, double, const float*, const float*, float*, int64_t);
template void bce_with_logits_backward(const float*, double, const bf16*, const float*, bf16*, int64_t);

}  // namespace tessera::cuda
