// The Euclidean norm of all elements.
#pragma once

#include "tensor/tensor.h"

namespace tessera::ops {

// sqrt(Σ x²) of a contiguous f32, f64 or bf16 tensor of any shape. Sums in f64, in chunks of fixed size that are added
// in order, so the result does not depend on the number of threads. An element that is not finite makes the result so.
// On a GPU f32 alone, and the host waits for the result.
double global_norm(const Tensor& x);

}  // namespace tessera::ops
