#include "tensor/ops/bce_with_logits.h"

#include <cmath>
#include <vector>

#include "tensor/activation.h"
#include "tensor/cuda/device_copy.h"
#include "tensor/cuda/dispatch.h"
#include "tensor/cuda/sum_workspace.h"
#include "tensor/ops/bce_with_logits_kernels.h"
#include "tensor/parallel.h"
#include "tensor/simd/vector_math.h"

namespace tessera::ops {
namespace {

void check_targets(const Tensor& logits, const Tensor& targets) {
  check(logits.defined(), "bce_with_logits: logits are undefined");
  const DType dtype = arithmetic_dtype(logits.dtype());
  check(targets.defined() && targets.shape() == logits.shape() && targets.dtype() == dtype,
        "bce_with_logits: targets are ", describe(targets), ", expected ", dtype, ' ', logits.shape());
}

template <class A>
void check_target(A target, int64_t i) {
  check(target >= 0 && target <= 1, "bce_with_logits: target ", i, " is ", target, ", expected 0 to 1");
}

Tensor bce_with_logits_on_device(const Tensor& logits, const Tensor& targets, double factor) {
  const float* target = targets.data<float>();
  parallel_for(targets.numel(), 65536, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) check_target(target[i], i);
  });
  const Tensor expected = cuda::on_device(targets);
  Tensor loss = Tensor::empty({}, DType::f32, logits.device());
  Tensor workspace = Tensor::empty({cuda::sum_workspace(logits.numel())}, DType::f64, logits.device());
  cuda::dispatch_device("bce_with_logits", logits.dtype(), [&](auto tag) {
    using T = decltype(tag);
    cuda::bce_with_logits(logits.device_data<T>(), expected.device_data<float>(), loss.mutable_device_data<float>(),
                          workspace.mutable_device_data<double>(), logits.numel(), factor);
  });
  return loss;
}

}  // namespace

Tensor bce_with_logits(const Tensor& logits_any, const Tensor& targets_any, double factor) {
  check_targets(logits_any, targets_any);
  const Tensor logits = logits_any.contiguous(), targets = targets_any.contiguous();
  if constexpr (kHasCuda)
    if (logits.on_cuda()) return bce_with_logits_on_device(logits, targets, factor);
  constexpr int64_t kGrain = 4096;
  std::vector<double> partial(static_cast<size_t>((logits.numel() + kGrain - 1) / kGrain), 0.0);
  dispatch_activation("bce_with_logits", logits.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using A = Arithmetic<T>;
    const T* x = logits.data<T>();
    const A* t = targets.data<A>();
    parallel_for(logits.numel(), kGrain, [&](int64_t begin, int64_t end) {
      double total = 0;
      for (int64_t i = begin; i < end; ++i) {
        check_target(t[i], i);
        const A logit = static_cast<A>(x[i]);
        const A softplus = std::log1p(std::exp(-std::abs(logit)));
        total += static_cast<double>((logit > 0 ? logit : A{0}) - logit * t[i] + softplus);
      }
      partial[static_cast<size_t>(begin / kGrain)] = total;
    });
  });
  double total = 0;
  for (const double part : partial) total += part;
  return Tensor::scalar(total * factor, arithmetic_dtype(logits.dtype()));
}

Tensor bce_with_logits_backward(double factor, const Tensor& logits_any, const Tensor& targets_any) {
  const Tensor logits = logits_any.contiguous(), targets = targets_any.contiguous();
  Tensor gradient = Tensor::empty_like(logits);
  dispatch_activation("bce_with_logits", logits.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using A = Arithmetic<T>;
    const T* x = logits.data<T>();
    const A* t = targets.data<A>();
    T* dx = gradient.mutable_data<T>();
    // In f64: σ - t cancels, and there are few of these.
    parallel_for(logits.numel(), 4096, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        dx[i] = static_cast<T>(
            static_cast<A>(factor * (vmath::sigmoid(static_cast<double>(x[i])) - static_cast<double>(t[i]))));
    });
  });
  return gradient;
}

Tensor bce_with_logits_backward(const Tensor& dloss, double factor, const Tensor& logits_any, const Tensor& targets) {
  if constexpr (kHasCuda)
    if (logits_any.on_cuda()) {
      const Tensor logits = logits_any.contiguous(), expected = cuda::on_device(targets.contiguous());
      Tensor gradient = Tensor::empty_like(logits);
      cuda::dispatch_device("bce_with_logits", logits.dtype(), [&](auto tag) {
        using T = decltype(tag);
        cuda::bce_with_logits_backward(dloss.device_data<float>(), factor, logits.device_data<T>(),
                                       expected.device_data<float>(), gradient.mutable_device_data<T>(),
                                       logits.numel());
      });
      return gradient;
    }
  return bce_with_logits_backward(dloss.item() * factor, logits_any, targets);
}

}  // namespace tessera::ops
