// Layer normalisation over the last dimension (Ba, Kiros, Hinton, 2016); below, behind dropout and a residual sum.
//
//   mean = Σ x / d,  rstd = (Σ (x - mean)² / d + eps)^(-1/2),  x̂ = (x - mean) rstd,  y = x̂ w + b
//
// Gradient. With g = dy w, and since ∂mean/∂x_i = 1/d and ∂rstd/∂x_i = -rstd² x̂_i / d (Σ x̂ = 0),
//   dx = rstd (g - Σ g / d - x̂ Σ(g x̂) / d),  dw = Σ_rows dy x̂,  db = Σ_rows dy.
//
// x [..., d], weight and bias [d], mean [rows, 2], rstd [rows]. Statistics are taken in two passes, in the dtype of x
// (f32 or f64; f32 if x is bf16, and so are then weight, bias, their gradients, mean and rstd). The mean is kept as the
// sum of two numbers, the second being what the first lacks: rounded to one number, it would shift all of a row's x̂ by
// up to rstd · ulp(mean) / 2, in f32 3e-5 for a deviation of 1e-3 around 0.5, and dw sums that shift up. Rows of at
// most 48 elements of f32 are computed in f64 on the CPU and rounded once, forward and backward, for the reason for
// which small products are (tensor/gemm/exact_sums.h); since only a row's length decides, a row does not depend on how
// many there are. Errors name the shapes.
#pragma once

#include "tensor/ops/parameter_gradients.h"
#include "tensor/philox.h"
#include "tensor/tensor.h"

namespace tessera::ops {

struct LayerNorm {
  Tensor y, mean, rstd;
};
LayerNorm layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps);

// Returns dx. The gradients of weight and bias are [d].
Tensor layer_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& weight, const Tensor& mean,
                           const Tensor& rstd, const ParameterGradients& gradients);

// Dropout, residual sum and layer normalisation in one pass over memory: what stands between two sublayers of a
// transformer.
//
//   sum = residual + dropout(x),  normalised = layer_norm(sum)
//
// Element i of x (row-major) is kept iff word i of the ticket is at least p · 2^32, and divided by 1 - p; 0 <= p < 1.
// Its specification is the composition of ops::dropout, a sum and ops::layer_norm.
//
//   d_residual = d_sum + (gradient of layer_norm at `sum`),  dx = mask · d_residual / (1 - p)
//
// x and residual [..., d], weight and bias [d], mean [rows, 2] and rstd [rows] as of ops::layer_norm. f32, f64
// and bf16 (with f32 weight, bias and statistics, those of the sum as it was rounded). Errors name the shapes.
struct DropoutAddLayerNorm {
  Tensor sum, normalised, mean, rstd;
};
DropoutAddLayerNorm dropout_add_layer_norm(const Tensor& x, const Tensor& residual, const Tensor& weight,
                                           const Tensor& bias, double eps, double p, const Ticket& ticket);

// Either incoming gradient may be undefined. With p = 0 both results are the same tensor.
struct DropoutAddGradients {
  Tensor dx, d_residual;
};
DropoutAddGradients dropout_add_layer_norm_backward(const Tensor& d_sum, const Tensor& d_normalised, const Tensor& sum,
                                                    const Tensor& weight, const Tensor& mean, const Tensor& rstd,
                                                    double p, const Ticket& ticket,
                                                    const ParameterGradients& gradients);

}  // namespace tessera::ops
