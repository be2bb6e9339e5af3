// Softmax over the last dimension, f32, f64 and bf16 (computed in f32, rounded once).
//
//   y_i = e^(x_i - m) / Σ_k e^(x_k - m),  m = max_k x_k
//
// The shift by m keeps every exponent at or below 0, so nothing overflows and the sum is at least 1.
// Gradient: ∂y_i/∂x_j = y_i (δ_ij - y_j), hence dx_i = y_i (dy_i - Σ_k dy_k y_k). It serves the masked form as well,
// whose excluded elements have y = 0.
#pragma once

#include "tensor/tensor.h"

namespace tessera::ops {

Tensor softmax(const Tensor& x);  // a NaN, or a row without a finite maximum, gives a row of NaN
// mask i64, broadcast to x's shape; 0 = excluded (y = 0). A row without any element left gives zeros.
Tensor masked_softmax(const Tensor& x, const Tensor& mask);
Tensor softmax_backward(const Tensor& dy, const Tensor& y);

}  // namespace tessera::ops
