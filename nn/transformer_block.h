// Pre-norm transformer block on packed sequences:
//
//   a = x + dropout(attention(layernorm_before(x)))
//   y = a + dropout(mlp(layernorm_after(a)))
//
// Between two branches lie always the same three steps: dropout of the branch, addition to the residual, LayerNorm for
// the next branch. They are one fused op, also across blocks: a block does not add its last branch itself but hands it
// on.
#pragma once

#include "nn/attention.h"
#include "nn/layer_norm.h"
#include "nn/mlp.h"

namespace tessera {

// Stands for residual + dropout(branch), or for the residual alone while the branch is undefined. Both [tokens, d].
struct Stream {
  Variable residual;
  Variable branch;
};

// The stream's value, and its LayerNorm: at the start of a branch, or after the last block.
AddLayerNorm add_layer_norm(const Stream& stream, const LayerNorm& norm, const ForwardContext& context);

struct TransformerBlock {
  LayerNorm layernorm_before, layernorm_after;
  SelfAttention attention;
  Mlp mlp;

  TransformerBlock() = default;
  TransformerBlock(int64_t d, int64_t heads, int64_t hidden, double eps, bool qkv_bias = true)
      : layernorm_before(d, eps), layernorm_after(d, eps), attention(d, heads, qkv_bias), mlp(d, hidden) {}

  // cu_seqlens i64 [sequences + 1]
  Stream operator()(const Stream& stream, const Tensor& cu_seqlens, const ForwardContext& context) const;

  // The same values and gradients; for backward only `stream` is kept, from which the rest is computed again.
  Stream checkpointed(const Stream& stream, const Tensor& cu_seqlens, const ForwardContext& context) const;

  // layernorm_before.*, attention.qkv.*, attention.output.dense.*, layernorm_after.*, intermediate.dense.*,
  // output.dense.*
  void visit(const std::string& prefix, const ParameterVisitor& visitor);
};

}  // namespace tessera
