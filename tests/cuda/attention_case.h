// What the tests of attention's kernels share.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/tensor.h"

namespace tessera::test {

// Lengths of the sequences, and how they are looked at.
struct AttentionCase {
  std::vector<int64_t> queries, keys;
  int64_t heads, head_size;
  bool causal;
  double p = 0;  // of the probabilities' dropout
};

struct AttentionInputs {
  Tensor q, k, v, dout, cu_queries, cu_keys;
};

}  // namespace tessera::test
