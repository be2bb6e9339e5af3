#pragma once

#include "tensor/tensor.h"

namespace tessera::ops {

// Whether no element is infinite or NaN; true for integers and undefined tensors. Of a tensor on a GPU it waits for the
// answer.
bool all_finite(const Tensor& x);

}  // namespace tessera::ops
