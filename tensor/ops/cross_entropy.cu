// ops::cross_entropy on the GPU: one block for each row of logits. Logits are read, never copied; backward may
// overwrite them.
#include "tensor/cuda/block_sums.h"
#include "tensor/cuda/loss_kernels.h"

namespace tessera::cuda {
namespace {

constexpr int kWarps = 4, kThreads = kWarps * 32;
constexpr int kFewClasses = 16;  // whose probabilities are taken in f64, as on the CPU

struct CrossEntropyShared {
  BlockReduction<float, kWarps> most;
  BlockReduction<double, kWarps> total;
};

// losses[row] = log_sum_exp - x[label], both in f64; 0 in a row that does not count.
template <class T>
__global__ void __launch_bounds__(kThreads)
    cross_entropy_kernel(const T* logits, const int64_t* labels, double* log_sum_exp, double* losses, int classes,
                         int64_t ignore_index) {
  CrossEntropyShared& shared = simt::block_shared<CrossEntropyShared>();
  const int64_t row = blockIdx.x, label = labels[row];
  const T* x = logits + row * classes;
  const int t = static_cast<int>(threadIdx.x);
  if (label == ignore_index) {
    if (t == 0) losses[row] = 0;
    return;
  }
  float most = -INFINITY;
  for (int c = t; c < classes; c += kThreads) most = fmaxf(most, simt::to_float(x[c]));
  most = shared.most.max(most);
  float sum = 0;
  for (int c = t; c < classes; c += kThreads) sum += expf(simt::to_float(x[c]) - most);
  const double total = shared.total.sum(static_cast<double>(sum));
  if (t != 0) return;
  const double norm = static_cast<double>(most) + log(total);
  log_sum_exp[row] = norm;
  losses[row] = norm - static_cast<double>(simt::to_float(x[label]));
}

// factor · (p - [is_label]) in f64.
template <class T>
__device__ T precise_gradient(double factor, T x, bool is_label, double norm) {
  const double probability = exp(static_cast<double>(simt::to_float(x)) - norm);
  return simt::from_float<T>(static_cast<float>(factor * (is_label ? probability - 1 : probability)));
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    cross_entropy_backward_kernel(const float* dloss, double divisor, const T* logits, const int64_t* labels,
                                  const double* log_sum_exp, T* dx, int classes, int64_t ignore_index) {
  const int64_t row = blockIdx.x, label = labels[row];
  const T* x = logits + row * classes;
  T* to = dx + row * classes;
  if (label == ignore_index) {
    for (int c = static_cast<int>(threadIdx.x); c < classes; c += kThreads) to[c] = simt::from_float<T>(0.0f);
    return;
  }
  const double norm = log_sum_exp[row], factor = static_cast<double>(*dloss) / divisor;
  const float scale = static_cast<float>(factor), high = static_cast<float>(norm);
  const float low = static_cast<float>(norm - static_cast<double>(high));
  for (int c = static_cast<int>(threadIdx.x); c < classes; c += kThreads) {
    if (classes <= kFewClasses || c == label)  // of a rounded p, p - 1 would have few digits left
      to[c] = precise_gradient(factor, x[c], c == label, norm);
    else
      to[c] = simt::from_float<T>(scale * expf((simt::to_float(x[c]) - high) - low));
  }
}

}  // namespace

template <class T>
void cross_entropy(const T* logits, const int64_t* labels, double* log_sum_exp, double* losses, float* loss,
                   int64_t rows, int64_t classes, double divisor, int64_t ignore_index) {
  simt::launch<cross_entropy_kernel<T>>(static_cast<unsigned>(rows), kThreads, 0, logits, labels, log_sum_exp, losses,
                                        static_cast<int>(classes), ignore_index);
  add_partial_sums(losses, rows, 1 / divisor, loss);
}

template <class T>
void cross_entropy_backward(const float* dloss, double divisor, const T* logits, const int64_t* labels,
                            const double* log_sum_exp, T* dx, int64_t rows, int64_t classes, int64_t ignore_index) {
  simt::launch<cross_entropy_backward_kernel<T>>(static_cast<unsigned>(rows), kThreads, 0, dloss, divisor, logits,
                                                 labels, log_sum_exp, dx, static_cast<int>(classes), ignore_index);
}

template void cross_entropy(const float*, const int64_t*, double*, double*, float*, int64_t, int64_t, double, int64_t);
template void cross_entropy(const bf16*, const int64_t*, double*, double*, float*, int64_t, int64_t, double, int64_t);
template void cross_entropy_backward(const float*, double, const float*, const int64_t*, const double*, float*, int64_t,
                                     int64_t, int64_t);
template void cross_entropy_backward(const float*, double, const bf16*, const int64_t*, const double*, bf16*, int64_t,
                                     int64_t, int64_t);

}  // namespace tessera::cuda
