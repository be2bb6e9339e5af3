// Batch normalisation (Ioffe, Szegedy, 2015): each channel by the mean and variance of all its elements.
//
//   x̂ = (x - mean) rstd,  rstd = (variance + eps)^(-1/2),  y = x̂ w + b
//
// In training mean and variance are the batch's, over the m = n · height · width elements of a channel, the variance
// biased (divided by m); then both depend on x as in layer_norm.h, and with g = dy w
//
//   dx = rstd (g - Σ g / m - x̂ Σ(g x̂) / m) = rstd w (dy - db / m - x̂ dw / m).
//
// With statistics that are given (running ones, or a frozen layer's) they are constants: dx = rstd w dy. In both
//
//   dw = Σ dy x̂,  db = Σ dy.
//
// x [n, channels, ...], at least two dimensions; weight, bias, mean, variance [channels]. f32, f64, and bf16 with f32
// parameters, statistics and their gradients. Statistics are taken in two passes, sums of runs in f64. A channel
// without elements has mean 0 and variance 0. Errors name the shapes.
#pragma once

#include "tensor/ops/parameter_gradients.h"
#include "tensor/tensor.h"

namespace tessera::ops {

struct BatchNorm {
  Tensor y, mean, variance;  // [channels], of the arithmetic type
};
// By the batch's statistics, which are returned.
BatchNorm batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps);
// By the statistics given.
Tensor batch_norm_given(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& mean,
                        const Tensor& variance, double eps);

// dx, and the gradients of weight and bias where they are wanted. `of_batch`: the statistics are those of x.
Tensor batch_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& weight, const Tensor& mean,
                           const Tensor& variance, double eps, bool of_batch, const ParameterGradients& gradients);

// running = (1 - momentum) running + momentum · the batch's, of whose variance the unbiased estimate is taken (divided
// by m - 1; with a single element it is the biased one, 0). In place.
void update_running_statistics_(Tensor& mean, Tensor& variance, const BatchNorm& batch, double momentum);

}  // namespace tessera::ops
