// Multi-head attention on packed sequences: of a sequence to itself, and to the states of another one.
#pragma once

#include "nn/forward_context.h"
#include "nn/linear.h"

namespace tessera {

// With one projection for queries, keys and values.
struct SelfAttention {
  Linear qkv;     // weight [3d, d]: the rows of queries, then keys, then values; each head's rows side by side
  Linear output;  // [d, d]
  int64_t heads = 1;
  bool causal = false;  // a token sees itself and those before it
  double dropout = 0;   // of the probabilities

  SelfAttention() = default;
  // d must be a multiple of `head_count`.
  SelfAttention(int64_t d, int64_t head_count, bool qkv_bias = true, bool is_causal = false, double dropout_rate = 0);

  // x [tokens, d], cu_seqlens i64 [sequences + 1] → [tokens, d]
  Variable operator()(const Variable& x, const Tensor& cu_seqlens, const ForwardContext& context) const;

  // qkv.*, output.*
  void visit(const std::string& prefix, const ParameterVisitor& visitor);
};

// What cross-attention reads: the states of one sequence for each sequence of queries, packed likewise.
struct States {
  Variable rows;      // [states, size]
  Tensor cu_seqlens;  // i64 [sequences + 1]
};

struct CrossAttention {
  Linear query;      // [d, d]
  Linear key_value;  // [2d, size of a state]: the rows of keys, then values
  Linear output;     // [d, d]
  int64_t heads = 1;
  double dropout = 0;  // of the probabilities

  CrossAttention() = default;
  CrossAttention(int64_t d, int64_t state_size, int64_t head_count, bool qkv_bias = true, double dropout_rate = 0);

  // x [tokens, d], cu_seqlens i64 [sequences + 1] → [tokens, d]; every token sees all states of its sequence.
  Variable operator()(const Variable& x, const Tensor& cu_seqlens, const States& states,
                      const ForwardContext& context) const;

  // query.*, key_value.*, output.*
  void visit(const std::string& prefix, const ParameterVisitor& visitor);
};

}  // namespace tessera
