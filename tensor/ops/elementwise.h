// Elementwise ops on f32, f64 and bf16 (computed in f32 and rounded once), any strides. Binary ones broadcast (aligned
// at the last dimension) and demand one dtype; results are contiguous. y = f(x) below; `_backward` ops take dy and what
// the derivative is cheapest in.
#pragma once

#include "tensor/tensor.h"

namespace tessera::ops {

Tensor add(const Tensor& a, const Tensor& b);
Tensor sub(const Tensor& a, const Tensor& b);
Tensor mul(const Tensor& a, const Tensor& b);
Tensor div(const Tensor& a, const Tensor& b);
Tensor negated_product(const Tensor& a, const Tensor& b);  // -a b
Tensor add(const Tensor& a, double b);
Tensor mul(const Tensor& a, double b);

Tensor exp(const Tensor& x);
Tensor log(const Tensor& x);
Tensor sqrt(const Tensor& x);
Tensor square(const Tensor& x);
Tensor tanh(const Tensor& x);
Tensor sigmoid(const Tensor& x);
Tensor relu(const Tensor& x);  // NaN stays NaN
Tensor gelu(const Tensor& x);  // x Φ(x)
// x σ(1.702 x), GELU's approximation of Hendrycks and Gimpel ("Gaussian error linear units", 2016).
Tensor quick_gelu(const Tensor& x);

Tensor sqrt_backward(const Tensor& dy, const Tensor& y);        // dy / 2y
Tensor square_backward(const Tensor& dy, const Tensor& x);      // 2x dy
Tensor tanh_backward(const Tensor& dy, const Tensor& y);        // (1 - y²) dy
Tensor sigmoid_backward(const Tensor& dy, const Tensor& y);     // y (1 - y) dy
Tensor relu_backward(const Tensor& dy, const Tensor& y);        // dy where y > 0
Tensor gelu_backward(const Tensor& dy, const Tensor& x);        // (Φ(x) + x φ(x)) dy
Tensor quick_gelu_backward(const Tensor& dy, const Tensor& x);  // σ (1 + 1.702 x (1 - σ)) dy, σ = σ(1.702 x)

}  // namespace tessera::ops
