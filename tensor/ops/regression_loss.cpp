#include "tensor/ops/regression_loss.h"

#include <cmath>
#include <vector>

#include "tensor/activation.h"
#include "tensor/cuda/device_copy.h"
#include "tensor/cuda/dispatch.h"
#include "tensor/cuda/sum_workspace.h"
#include "tensor/ops/regression_loss_kernels.h"
#include "tensor/parallel.h"

namespace tessera::ops {
namespace {

constexpr int64_t kRegressionGrain = 4096;

void check_regression(const Tensor& x, const Tensor& targets, const RegressionOptions& options) {
  check(x.defined(), options.op, ": x is undefined");
  const DType dtype = arithmetic_dtype(x.dtype());
  check(targets.defined() && targets.shape() == x.shape() && targets.dtype() == dtype, options.op, ": targets are ",
        describe(targets), ", expected ", dtype, ' ', x.shape());
  check(options.beta > 0, options.op, ": beta is ", options.beta, ", expected above 0");
}

template <class A>
A term(RegressionLoss loss, A d, A beta) {
  const A magnitude = std::abs(d);
  if (loss == RegressionLoss::squared) return d * d;
  if (loss == RegressionLoss::absolute) return magnitude;
  return magnitude < beta ? A(0.5) * d * d / beta : magnitude - A(0.5) * beta;
}

template <class A>
A slope(RegressionLoss loss, A d, A beta) {
  if (loss == RegressionLoss::squared) return 2 * d;
  if (loss == RegressionLoss::smooth_l1 && std::abs(d) < beta) return d / beta;
  return d > 0 ? A{1} : d < 0 ? A{-1} : d;  // NaN stays NaN
}

}  // namespace

Tensor regression_loss(const Tensor& x_any, const Tensor& targets_any, const RegressionOptions& options) {
  check_regression(x_any, targets_any, options);
  const Tensor x = x_any.contiguous(), targets = targets_any.contiguous();
  const int64_t count = x.numel();
  if constexpr (kHasCuda)
    if (x.on_cuda()) {
      const Tensor there = cuda::on_device(targets);
      Tensor loss = Tensor::empty({}, DType::f32, x.device());
      Tensor workspace = Tensor::empty({cuda::sum_workspace(count)}, DType::f64, x.device());
      cuda::dispatch_device(options.op, x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        cuda::regression_loss(options.loss, x.device_data<T>(), there.device_data<float>(),
                              static_cast<float>(options.beta), options.factor, loss.mutable_device_data<float>(),
                              workspace.mutable_device_data<double>(), count);
      });
      return loss;
    }
  std::vector<double> partial(static_cast<size_t>((count + kRegressionGrain - 1) / kRegressionGrain), 0.0);
  dispatch_activation(options.op, x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using A = Arithmetic<T>;
    const T* from = x.data<T>();
    const A* target = targets.data<A>();
    const A beta = static_cast<A>(options.beta);
    parallel_for(count, kRegressionGrain, [&](int64_t begin, int64_t end) {
      double total = 0;
      for (int64_t i = begin; i < end; ++i)
        total += static_cast<double>(term(options.loss, static_cast<A>(from[i]) - target[i], beta));
      partial[static_cast<size_t>(begin / kRegressionGrain)] = total;
    });
  });
  double total = 0;
  for (const double part : partial) total += part;
  return Tensor::scalar(total * options.factor, arithmetic_dtype(x.dtype()));
}

Tensor regression_loss_backward(const Tensor& dloss, const Tensor& x_any, const Tensor& targets_any,
                                const RegressionOptions& options) {
  const Tensor x = x_any.contiguous(), targets = targets_any.contiguous();
  const int64_t count = x.numel();
  Tensor gradient = Tensor::empty_like(x);
  if constexpr (kHasCuda)
    if (x.on_cuda()) {
      const Tensor there = cuda::on_device(targets);
      cuda::dispatch_device(options.op, x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        cuda::regression_loss_backward(options.loss, dloss.device_data<float>(), options.factor, x.device_data<T>(),
                                       there.device_data<float>(), static_cast<float>(options.beta),
                                       gradient.mutable_device_data<T>(), count);
      });
      return gradient;
    }
  const double factor = dloss.item() * options.factor;
  dispatch_activation(options.op, x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using A = Arithmetic<T>;
    const T* from = x.data<T>();
    const A* target = targets.data<A>();
    T* dx = gradient.mutable_data<T>();
    const A scale = static_cast<A>(factor), beta = static_cast<A>(options.beta);
    parallel_for(count, kRegressionGrain, [=, loss = options.loss](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        dx[i] = static_cast<T>(scale * slope(loss, static_cast<A>(from[i]) - target[i], beta));
    });
  });
  return gradient;
}

}  // namespace tessera::ops
