// What the tape needs of the kernels: adding gradients up.
#pragma once

#include "tensor/tensor.h"

namespace tessera::ops {

// target += source. Same shape and dtype (f32, f64 or bf16); strides may differ.
void accumulate_(Tensor& target, const Tensor& source);

// Sums `x` over the dimensions along which a tensor of `shape` was broadcast to x's shape. Returns `shape`. bf16 is
// summed in f32 and rounded once.
Tensor sum_to(const Tensor& x, const Shape& shape);

}  // namespace tessera::ops
