#include "tensor/ops/soft_cross_entropy.h"

#include <cmath>
#include <vector>

#include "tensor/activation.h"
#include "tensor/cuda/device_copy.h"
#include "tensor/cuda/dispatch.h"
#include "tensor/ops/ragged.h"
#include "tensor/ops/soft_cross_entropy_kernels.h"
#include "tensor/parallel.h"
#include "tensor/simd/reductions.h"

namespace tessera::ops {
namespace {

void check_soft_targets(const char* op, const Tensor& logits, const Tensor& targets) {
  check(logits.defined() && logits.dim() == 2, op, ": logits are ", describe(logits), ", expected [n, classes]");
  const DType dtype = arithmetic_dtype(logits.dtype());
  check(targets.defined() && targets.shape() == logits.shape() && targets.dtype() == dtype, op, ": targets are ",
        describe(targets), ", expected ", dtype, ' ', logits.shape());
}

struct SoftRow {
  double loss, log_sum_exp, mass;
};

// x, t [classes], classes > 0.
template <class T, class A>
SoftRow soft_row(const char* op, const T* x, const A* t, int64_t classes, int64_t row, bool divergence) {
  const double most = static_cast<double>(simd::maximum(x, classes));
  double total = 0, mass = 0, expected = 0, entropy = 0;
  for (int64_t c = 0; c < classes; ++c) {
    const double logit = static_cast<double>(x[c]), target = static_cast<double>(t[c]);
    check(target >= 0, op, ": target [", row, ", ", c, "] is ", target, ", expected at least 0");
    total += std::exp(logit - most);
    if (target == 0) continue;
    mass += target;
    expected += target * (logit - most);
    if (divergence) entropy += target * std::log(target);
  }
  const double shifted = std::log(total);
  return {mass * shifted - expected + entropy, most + shifted, mass};
}

SoftCrossEntropy soft_cross_entropy_on_device(const char* op, const Tensor& logits, const Tensor& targets,
                                              double factor, bool divergence) {
  const int64_t n = logits.size(0);
  const Device device = logits.device();
  SoftCrossEntropy result{Tensor::empty({}, DType::f32, device), Tensor::empty({n}, DType::f64, device),
                          Tensor::empty({n}, DType::f64, device)};
  Tensor losses = Tensor::empty({n}, DType::f64, device);
  const Tensor there = cuda::on_device(targets.contiguous());
  cuda::dispatch_device(op, logits.dtype(), [&](auto tag) {
    using T = decltype(tag);
    cuda::soft_cross_entropy(logits.device_data<T>(), there.device_data<float>(),
                             result.log_sum_exp.mutable_device_data<double>(),
                             result.mass.mutable_device_data<double>(), losses.mutable_device_data<double>(),
                             result.loss.mutable_device_data<float>(), n, logits.size(1), factor, divergence);
  });
  return result;
}

}  // namespace

SoftCrossEntropy soft_cross_entropy(const char* op, const Tensor& logits_any, const Tensor& targets_any, double factor,
                                    bool divergence) {
  check_soft_targets(op, logits_any, targets_any);
  if constexpr (kHasCuda)
    if (logits_any.on_cuda())
      return soft_cross_entropy_on_device(op, logits_any.contiguous(), targets_any, factor, divergence);
  const Tensor logits = with_plain_rows(logits_any), targets = with_plain_rows(targets_any);
  const int64_t n = logits.size(0), classes = logits.size(1);
  SoftCrossEntropy result{{}, Tensor::zeros({n}, DType::f64), Tensor::zeros({n}, DType::f64)};
  std::vector<double> losses(static_cast<size_t>(n), 0.0);
  dispatch_activation(op, logits.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using A = Arithmetic<T>;
    const T* x = logits.data<T>();
    const A* t = targets.data<A>();
    double *log_sum_exp = result.log_sum_exp.mutable_data<double>(), *mass = result.mass.mutable_data<double>();
    if (classes == 0) return;
    parallel_for(n, grain_for(8 * classes), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const SoftRow row = soft_row(op, x + i * logits.stride(0), t + i * targets.stride(0), classes, i, divergence);
        log_sum_exp[i] = row.log_sum_exp;
        mass[i] = row.mass;
        losses[static_cast<size_t>(i)] = row.loss;
      }
    });
  });
  double total = 0;
  for (const double loss : losses) total += loss;
  result.loss = Tensor::scalar(total * factor, arithmetic_dtype(logits.dtype()));
  return result;
}

Tensor soft_cross_entropy_backward(const Tensor& dloss, double factor, const Tensor& logits_any,
                                   const Tensor& targets_any, const SoftCrossEntropy& forward) {
  const int64_t n = logits_any.size(0), classes = logits_any.size(1);
  Tensor gradient = Tensor::empty({n, classes}, logits_any.dtype(), logits_any.device());
  if constexpr (kHasCuda)
    if (logits_any.on_cuda()) {
      const Tensor logits = logits_any.contiguous(), there = cuda::on_device(targets_any.contiguous());
      cuda::dispatch_device("soft_cross_entropy", logits.dtype(), [&](auto tag) {
        using T = decltype(tag);
        cuda::soft_cross_entropy_backward(dloss.device_data<float>(), factor, logits.device_data<T>(),
                                          there.device_data<float>(), forward.log_sum_exp.device_data<double>(),
                                          forward.mass.device_data<double>(), gradient.mutable_device_data<T>(), n,
                                          classes);
      });
      return gradient;
    }
  const Tensor logits = with_plain_rows(logits_any), targets = with_plain_rows(targets_any);
  const double scale = dloss.item() * factor;
  dispatch_activation("soft_cross_entropy", logits.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using A = Arithmetic<T>;
    const T* x = logits.data<T>();
    const A* t = targets.data<A>();
    const double *norm = forward.log_sum_exp.data<double>(), *mass = forward.mass.data<double>();
    T* dx = gradient.mutable_data<T>();
    parallel_for(n, grain_for(8 * classes), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const T* row = x + i * logits.stride(0);
        const A* target = t + i * targets.stride(0);
        // In f64: the two terms cancel where the model is right.
        for (int64_t c = 0; c < classes; ++c)
          dx[i * classes + c] = static_cast<T>(static_cast<A>(
              scale * (mass[i] * std::exp(static_cast<double>(row[c]) - norm[i]) - static_cast<double>(target[c]))));
      }
    });
  });
  return gradient;
}

}  // namespace tessera::ops
