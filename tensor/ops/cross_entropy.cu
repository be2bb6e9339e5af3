// ops::cross_entropy on the GPU: one block for each row of logits. Logits are read, never copied; backward may
// overwrite them.
#include "tensor/cuda/block_sums.h"
#include "tensor/ops/cross_entropy_kernels.h"

namespace tessera::cuda {
namespace {

constexpr int kCrossEntropyWarps = 8, kCrossEntropyThreads = kCrossEntropyWarps * 32;
constexpr int kFewClasses = 16;  // whose probabilities are taken in f64, as on the CPU
static_assert(kFewClasses <= kCrossEntropyThreads);

struct CrossEntropyShared {
  BlockReduction<float, kCrossEntropyWarps> most;
  BlockReduction<double, kCrossEntropyWarps> total;
};

// Calls body(c, values) for this thread's shares of a row x [classes], which may begin anywhere: values [n] of columns
// c .. c + n - 1 where these are aligned, [1] before and behind them.
template <int n, class T, class Body>
__device__ __forceinline__ void for_row(const T* x, int classes, Body body) {
  const int t = static_cast<int>(threadIdx.x);
  const auto past = static_cast<int>(reinterpret_cast<uintptr_t>(x) / sizeof(T) % n);
  const int head = min((n - past) % n, classes), tail = head + (classes - head) / n * n;
  const auto single = [&](int c) {
    float value[1];
    load<1>(x + c, value);
    body(c, value);
  };
  if (t < head) single(t);
#ifdef __CUDACC__
#pragma unroll 2
#endif
  for (int c = head + t * n; c < tail; c += kCrossEntropyThreads * n) {
    float values[n];
    load<n>(x + c, values);
    body(c, values);
  }
  if (t < classes - tail) single(tail + t);
}

// losses[row] = log_sum_exp - x[label], both in f64; 0 in a row that does not count.
template <class T>
__global__ void __launch_bounds__(kCrossEntropyThreads)
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
  for_row<kPack<T>>(x, classes, [&](int, const auto& values) {
    for (const float value : values) most = fmaxf(most, value);
  });
  most = shared.most.max(most);
  float sum = 0;
  for_row<kPack<T>>(x, classes, [&](int, const auto& values) {
    for (const float value : values) sum += expf(value - most);
  });
  const double total = shared.total.sum(static_cast<double>(sum));
  if (t != 0) return;
  const double norm = static_cast<double>(most) + log(total);
  log_sum_exp[row] = norm;
  losses[row] = norm - static_cast<double>(simt::to_float(x[label]));
}

// factor · (p - [is_label]) in f64.
__device__ __forceinline__ float precise_gradient(double factor, float x, bool is_label, double norm) {
  const double probability = exp(static_cast<double>(x) - norm);
  return static_cast<float>(factor * (is_label ? probability - 1 : probability));
}

template <class T>
__global__ void __launch_bounds__(kCrossEntropyThreads)
    cross_entropy_backward_kernel(const float* dloss, double divisor, const T* logits, const int64_t* labels,
                                  const double* log_sum_exp, T* dx, int classes, int64_t ignore_index) {
  const int64_t row = blockIdx.x, label = labels[row];
  const T* x = logits + row * classes;
  T* to = dx + row * classes;
  if (label == ignore_index) {
    for (int c = static_cast<int>(threadIdx.x); c < classes; c += kCrossEntropyThreads)
      to[c] = simt::from_float<T>(0.0f);
    return;
  }
  const double norm = log_sum_exp[row], factor = static_cast<double>(*dloss) / divisor;
  const float scale = static_cast<float>(factor), high = static_cast<float>(norm);
  const float low = static_cast<float>(norm - static_cast<double>(high));
  if (classes <= kFewClasses) {
    if (const int c = static_cast<int>(threadIdx.x); c < classes)
      to[c] = simt::from_float<T>(precise_gradient(factor, simt::to_float(x[c]), c == label, norm));
    return;
  }
  float at_label = 0;
  if (threadIdx.x == 0) at_label = simt::to_float(x[label]);
  __syncthreads();
  const auto write = [&](int c, auto& values) {
    for (float& value : values) value = scale * expf((value - high) - low);
    store(to + c, values);
  };
  if ((reinterpret_cast<uintptr_t>(x) - reinterpret_cast<uintptr_t>(to)) % 16 == 0)
    for_row<kPack<T>>(x, classes, write);
  else
    for_row<1>(x, classes, write);
  __syncthreads();
  // Of a rounded p, p - 1 would have few digits left.
  if (threadIdx.x == 0) to[label] = simt::from_float<T>(precise_gradient(factor, at_label, true, norm));
}

}  // namespace

template <class T>
void cross_entropy(const T* logits, const int64_t* labels, double* log_sum_exp, double* losses, float* loss,
                   int64_t rows, int64_t classes, double divisor, int64_t ignore_index) {
  simt::launch<cross_entropy_kernel<T>>(static_cast<unsigned>(rows), kCrossEntropyThreads, 0, logits, labels,
                                        log_sum_exp, losses, static_cast<int>(classes), ignore_index);
  add_partial_sums(losses, rows, 1 / divisor, loss);
}

template <class T>
void cross_entropy_backward(const float* dloss, double divisor, const T* logits, const int64_t* labels,
                            const double* log_sum_exp, T* dx, int64_t rows, int64_t classes, int64_t ignore_index) {
  simt::launch<cross_entropy_backward_kernel<T>>(static_cast<unsigned>(rows), kCrossEntropyThreads, 0, dloss, divisor,
                                                 logits, labels, log_sum_exp, dx, static_cast<int>(classes),
                                                 ignore_index);
}

template void cross_entropy(const float*, const int64_t*, double*, double*, float*, int64_t, int64_t, double, int64_t);
template void cross_entropy(const bf16*, const int64_t*, double*, double*, float*, int64_t, int64_t, double, int64_t);
template void cross_entropy_backward(const float*, double, const float*, const int64_t*, const double*, float*, int64_t,
                                     int64_t, int64_t);
template void cross_entropy_backward(const float*, double, const bf16*, const int64_t*, const double*, bf16*, int64_t,
                                     int64_t, int64_t);

}  // namespace tessera::cuda
