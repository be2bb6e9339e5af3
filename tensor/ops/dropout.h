// Dropout (Srivastava et al., 2014), inverted: y_i = x_i / (1 - p) where word i of the ticket is at least p · 2^32,
// else 0. The gradient is the same function of dy. The mask is never stored. 0 <= p < 1; p = 0 returns x itself.
// f32, f64 or bf16.
#pragma once

#include "tensor/philox.h"
#include "tensor/tensor.h"

namespace tessera::ops {

Tensor dropout(const Tensor& x, double p, const Ticket& ticket);

}  // namespace tessera::ops
