#include "tensor/ops/global_norm.h"

#include <cmath>
#include <vector>

#include "tensor/activation.h"
#include "tensor/cuda/has_cuda.h"
#include "tensor/cuda/sum_workspace.h"
#include "tensor/ops/global_norm_kernels.h"
#include "tensor/parallel.h"

namespace tessera::ops {
namespace {

// Σ x², in lanes of their own so that the loop vectorises without reordering.
template <class T>
double sum_of_squares(const T* x, int64_t count) {
  constexpr int kLanes = 32;
  double lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (int lane = 0; lane < kLanes; ++lane) {
      const double value = static_cast<double>(x[i + lane]);
      lanes[lane] += value * value;
    }
  double sum = 0;
  for (; i < count; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  for (const double lane : lanes) sum += lane;
  return sum;
}

}  // namespace

double global_norm(const Tensor& x) {
  check(x.is_contiguous(), "global_norm: x is not contiguous");
  if constexpr (kHasCuda)
    if (x.on_cuda()) {
      Tensor squared = Tensor::empty({}, DType::f64, x.device());
      Tensor workspace = Tensor::empty({cuda::sum_workspace(x.numel())}, DType::f64, x.device());
      cuda::global_norm_squared(x.device_data<float>(), x.numel(), squared.mutable_device_data<double>(),
                                workspace.mutable_device_data<double>());
      return std::sqrt(squared.item());
    }
  return dispatch_activation("global_norm", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    constexpr int64_t kChunk = 32768;
    const T* values = x.data<T>();
    std::vector<double> sums(static_cast<size_t>((x.numel() + kChunk - 1) / kChunk));
    parallel_for(x.numel(), kChunk, [&](int64_t begin, int64_t end) {
      sums[static_cast<size_t>(begin / kChunk)] = sum_of_squares(values + begin, end - begin);
    });
    double total = 0;
    for (const double sum : sums) total += sum;
    return std::sqrt(total);
  });
}

}  // namespace tessera::ops
