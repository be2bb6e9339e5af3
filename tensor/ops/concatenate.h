#pragma once

#include <span>

#include "tensor/tensor.h"

namespace tessera::ops {

// Tensors of one dtype whose sizes agree except in `dimension` (negative counts from the end), laid one after another
// along it. At least one part. The gradient of a part is its slice of dy.
Tensor concatenate(std::span<const Tensor> parts, int dimension);

}  // namespace tessera::ops
