// Multi-head self-attention on packed sequences, with one projection for queries, keys and values.
#pragma once

#include "nn/linear.h"

namespace tessera {

struct SelfAttention {
  Linear qkv;     // weight [3d, d]: the rows of queries, then keys, then values; each head's rows side by side
  Linear output;  // [d, d]
  int64_t heads = 1;

  SelfAttention() = default;
  // d must be a multiple of `head_count`.
  SelfAttention(int64_t d, int64_t head_count, bool qkv_bias = true);

  // x [tokens, d], cu_seqlens i64 [sequences + 1] → [tokens, d]
  Variable operator()(const Variable& x, const Tensor& cu_seqlens) const;

  // qkv.*, output.dense.*
  void visit(const std::string& prefix, const ParameterVisitor& visitor);
};

}  // namespace tessera
