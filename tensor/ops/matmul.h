// Matrix products of the last two dimensions: a [..., m, k] · b [..., k, n] → [..., m, n]; the leading ones broadcast.
//
//   da = dy bᵀ,  db = aᵀ dy,  each then summed over the dimensions along which it was broadcast.
//
// Transposed views (and rows with gaps) are read in place; other strides are copied. f32 and f64; on a GPU f32 and
// bf16 (sums in f32, rounded once).
#pragma once

#include "tensor/tensor.h"

namespace tessera::ops {

Tensor matmul(const Tensor& a, const Tensor& b);

// Both have the operand's own shape.
Tensor matmul_gradient_a(const Tensor& dy, const Tensor& a, const Tensor& b);
Tensor matmul_gradient_b(const Tensor& dy, const Tensor& a, const Tensor& b);

}  // namespace tessera::ops
