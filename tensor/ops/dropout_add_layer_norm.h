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
#pragma once

#include "tensor/ops/layer_norm.h"
#include "tensor/philox.h"
#include "tensor/tensor.h"

namespace tessera::ops {

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
                                                    double p, const Ticket& ticket, const ParameterGradients& gradients);

}  // namespace tessera::ops
