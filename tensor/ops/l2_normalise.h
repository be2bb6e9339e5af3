// Rows of unit length: what similarities of two towers are products of.
//
//   y = x / max(|x|, eps),   |x| = (Σ x²)^(1/2) over the last dimension
//
// Gradient. Where |x| > eps, with r = 1 / |x|: ∂r/∂x_i = -r² y_i, hence
//   dx = r (dy - y (y · dy));
// elsewhere the divisor is constant: dx = dy / eps.
//
// eps > 0 is the definition of torch's `normalize` and of open_clip (1e-12), by which a row of zeros stays one; eps = 0
// that of the published VSE++ and of transformers' CLIP, the plain norm, by which it becomes a row of NaN.
//
// x, y [..., d], norm [rows]. f32, f64, and bf16 with f32 norms; squares are summed in that type, so that norms of f32
// rows are right from 1e-18 to 1e19.
#pragma once

#include "tensor/tensor.h"

namespace tessera::ops {

struct L2Normalise {
  Tensor y;
  Tensor norm;  // |x|, not floored
};
L2Normalise l2_normalise(const Tensor& x, double eps);

Tensor l2_normalise_backward(const Tensor& dy, const L2Normalise& forward, double eps);

}  // namespace tessera::ops
