// Binary cross-entropy with logits, elementwise, in a form that neither overflows nor cancels:
//   -t log σ(x) - (1 - t) log(1 - σ(x)) = max(x, 0) - x t + log(1 + exp(-|x|)).
//
// On a GPU logits are f32 or bf16; targets lie on the host.
#pragma once

#include "tensor/tensor.h"

namespace tessera::ops {

// The sum of all elements, times `factor`. targets in [0, 1], of the shape and dtype of logits, f32 for bf16
// logits.
Tensor bce_with_logits(const Tensor& logits, const Tensor& targets, double factor);

// factor · (σ(x) - t).
Tensor bce_with_logits_backward(double factor, const Tensor& logits, const Tensor& targets);
// The same times dloss [1], which lies on the device of the logits.
Tensor bce_with_logits_backward(const Tensor& dloss, double factor, const Tensor& logits, const Tensor& targets);

}  // namespace tessera::ops
