// Where an op's backward writes the gradients of a weight and a bias.
#pragma once

#include "tensor/tensor.h"

namespace tessera::ops {

// Contiguous tensors of the parameters' shapes, overwritten or added to; undefined = not needed.
struct ParameterGradients {
  Tensor dweight, dbias;
  bool accumulate_weight = false, accumulate_bias = false;
};

}  // namespace tessera::ops
