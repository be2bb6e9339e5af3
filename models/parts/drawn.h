// Initial values of BERT's relatives that are trained from scratch.
#pragma once

#include "nn/parameter.h"

namespace tessera {

struct DrawnValues {
  // Linear weights normal with 1 / sqrt(inputs) (nn/init.h), which narrow models need; otherwise with `deviation`, as
  // published. Tables of embeddings always have the latter.
  bool fan_in = false;
  double deviation = 0.02;
  uint64_t seed = 0;
};

// Overwrites matrices and tables; vectors (biases, weights of LayerNorms) keep what they are constructed with. A table
// is what is called embeddings.….weight or mask_embedding.weight.
ParameterVisitor drawing(const DrawnValues& how);

}  // namespace tessera
