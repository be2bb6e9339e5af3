// Layer normalisation over the last dimension (Ba, Kiros, Hinton, 2016).
//
//   mean = Σ x / d,  rstd = (Σ (x - mean)² / d + eps)^(-1/2),  x̂ = (x - mean) rstd,  y = x̂ w + b
//
// Gradient. With g = dy w, and since ∂mean/∂x_i = 1/d and ∂rstd/∂x_i = -rstd² x̂_i / d (Σ x̂ = 0),
//   dx = rstd (g - Σ g / d - x̂ Σ(g x̂) / d),  dw = Σ_rows dy x̂,  db = Σ_rows dy.
//
// x [..., d], weight and bias [d], mean [rows, 2], rstd [rows]. Statistics are taken in two passes, in the dtype of x (f32
// or f64; f32 if x is bf16, and so are then weight, bias, their gradients, mean and rstd). The mean is kept as the sum
// of two numbers, the second being what the first lacks: rounded to one number, it would shift all of a row's x̂ by up
// to rstd · ulp(mean) / 2, in f32 3e-5 for a deviation of 1e-3 around 0.5, and dw sums that shift up. Errors name the
// shapes.
#pragma once

#include "tensor/ops/parameter_gradients.h"
#include "tensor/tensor.h"

namespace tessera::ops {

struct LayerNorm {
  Tensor y, mean, rstd;
};
LayerNorm layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps);

// Returns dx. The gradients of weight and bias are [d].
Tensor layer_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& weight, const Tensor& mean,
                           const Tensor& rstd, const ParameterGradients& gradients);

}  // namespace tessera::ops
