// ops::soft_cross_entropy on the GPU: one block for each row of logits.
#include "tensor/cuda/block_sums.h"
#include "tensor/ops/soft_cross_entropy_kernels.h"

namespace tessera::cuda {
namespace {

constexpr int kSoftWarps = 4, kSoftThreads = kSoftWarps * 32;

struct SoftShared {
  BlockReduction<float, kSoftWarps> most;
  BlockReduction<double, kSoftWarps> total;
};

template <class T>
__global__ void __launch_bounds__(kSoftThreads)
    soft_cross_entropy_kernel(const T* logits, const float* targets, double* log_sum_exp, double* mass, double* losses,
                              int classes, bool divergence) {
  SoftShared& shared = simt::block_shared<SoftShared>();
  const int64_t row = blockIdx.x;
  const T* x = logits + row * classes;
  const float* t = targets + row * classes;
  const int first = static_cast<int>(threadIdx.x);
  float most = -INFINITY;
  for (int c = first; c < classes; c += kSoftThreads) most = fmaxf(most, simt::to_float(x[c]));
  most = shared.most.max(most);
  double total = 0, weight = 0, expected = 0;
  for (int c = first; c < classes; c += kSoftThreads) {
    const float shifted = simt::to_float(x[c]) - most;
    total += static_cast<double>(expf(shifted));
    const double target = static_cast<double>(t[c]);
    if (target == 0) continue;
    weight += target;
    expected += target * static_cast<double>(shifted);
    if (divergence) expected -= target * log(target);
  }
  total = shared.total.sum(total);
  weight = shared.total.sum(weight);
  expected = shared.total.sum(expected);
  if (first != 0) return;
  const double shifted = log(total);
  log_sum_exp[row] = static_cast<double>(most) + shifted;
  mass[row] = weight;
  losses[row] = weight * shifted - expected;
}

// In f64, as on the CPU: the two terms cancel where the model is right.
template <class T>
__global__ void __launch_bounds__(kSoftThreads)
    soft_cross_entropy_backward_kernel(const float* dloss, double factor, const T* logits, const float* targets,
                                       const double* log_sum_exp, const double* mass, T* dx, int classes) {
  const int64_t row = blockIdx.x, begin = row * classes;
  const double scale = static_cast<double>(*dloss) * factor, norm = log_sum_exp[row], weight = mass[row];
  for (int c = static_cast<int>(threadIdx.x); c < classes; c += kSoftThreads) {
    const double probability = exp(static_cast<double>(simt::to_float(logits[begin + c])) - norm);
    const double gradient = scale * (weight * probability - static_cast<double>(targets[begin + c]));
    dx[begin + c] = simt::from_float<T>(static_cast<float>(gradient));
  }
}

}  // namespace

template <class T>
void soft_cross_entropy(const T* logits, const float* targets, double* log_sum_exp, double* mass, double* losses,
                        float* loss, int64_t rows, int64_t classes, double factor, bool divergence) {
  simt::launch<soft_cross_entropy_kernel<T>>(static_cast<unsigned>(rows), kSoftThreads, 0, logits, targets, log_sum_exp,
                                             mass, losses, static_cast<int>(classes), divergence);
  add_partial_sums(losses, rows, factor, loss);
}

template <class T>
void soft_cross_entropy_backward(const float* dloss, double factor, const T* logits, const float* targets,
                                 const double* log_sum_exp, const double* mass, T* dx, int64_t rows, int64_t classes) {
  simt::launch<soft_cross_entropy_backward_kernel<T>>(static_cast<unsigned>(rows), kSoftThreads, 0, dloss, factor,
                                                      logits, targets, log_sum_exp, mass, dx,
                                                      static_cast<int>(classes));
}

template void soft_cross_entropy(const float*, const float*, double*, double*, double*, float*, int64_t, int64_t,
                                 double, bool);
template void soft_cross_entropy(const bf16*, const float*, double*, double*, double*, float*, int64_t, int64_t, double,
                                 bool);
template void soft_cross_entropy_backward(const float*, double, const float*, const float*, const double*,
                                          const double*, float*, int64_t, int64_t);
template void soft_cross_entropy_backward(const float*, double, const bf16*, const float*, const double*, const double*,
                                          bf16*, int64_t, int64_t);

}  // namespace tessera::cuda
