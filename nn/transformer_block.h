// Transformer block on packed sequences: self-attention, cross-attention where wanted, MLP. Each is a branch, and is
// added to what it has read, with the LayerNorm before the branch or after the sum:
//
//   before (ViT, CLIP)   y = x + dropout(branch(norm(x)))
//   after  (BERT)        y = norm(x + dropout(branch(x)))
//
// Between two branches lie always the same three steps: dropout of the branch, addition to what was read, LayerNorm.
// They are one fused op. With the norm before the branch also across blocks: a block does not add its last branch
// itself but hands it on.
#pragma once

#include <optional>

#include "nn/attention.h"
#include "nn/layer_norm.h"
#include "nn/mlp.h"

namespace tessera {

// Stands for residual + dropout(branch), or for the residual alone while the branch is undefined. Both [tokens, d].
struct Stream {
  Variable residual;
  Variable branch;
  double dropout = 0;  // of the branch
};

// The stream's value, and its LayerNorm: at the start of a branch, or after the last block.
AddLayerNorm add_layer_norm(const Stream& stream, const LayerNorm& norm, const ForwardContext& context);

enum class NormPlacement : uint8_t { before, after };

struct BlockOptions {
  int64_t size = 0, heads = 1, hidden = 0;  // d, of which each head has its part; of the MLP's hidden layer
  NormPlacement norms = NormPlacement::before;
  Activation activation = Activation::gelu;
  bool causal = false;     // of self-attention
  int64_t state_size = 0;  // of the states that cross-attention reads; 0: there is no cross-attention
  bool qkv_bias = true;    // of the projections to queries, keys and values
  double eps = 1e-12;
  double dropout = 0;             // of each branch, before it is added
  double activation_dropout = 0;  // of the MLP's hidden layer
  double attention_dropout = 0;   // of the attention's probabilities
};

struct TransformerBlock {
  LayerNorm attention_norm, cross_norm, mlp_norm;  // cross_norm: only with cross-attention
  SelfAttention attention;
  std::optional<CrossAttention> cross;
  Mlp mlp;
  NormPlacement norms = NormPlacement::before;
  double dropout = 0;

  TransformerBlock() = default;
  explicit TransformerBlock(const BlockOptions& options);

  // cu_seqlens i64 [sequences + 1]; `states` are needed with cross-attention alone. With the norms after their branches
  // the stream is a residual alone, on the way in and out.
  Stream operator()(const Stream& stream, const Tensor& cu_seqlens, const ForwardContext& context,
                    const States& states = {}) const;

  // The same values and gradients; for backward only `stream` and `states` are kept, from which the rest is computed
  // again.
  Stream checkpointed(const Stream& stream, const Tensor& cu_seqlens, const ForwardContext& context,
                      const States& states = {}) const;

  // attention_norm.*, attention.qkv.*, attention.output.*, cross_norm.*, cross.{query,key_value,output}.*, mlp_norm.*,
  // mlp.fc1.*, mlp.fc2.*; a model with names of its own visits through `with_names`.
  void visit(const std::string& prefix, const ParameterVisitor& visitor);

 private:
  template <class Branch>
  Stream add_branch(const Stream& stream, const LayerNorm& norm, const ForwardContext& context, Branch branch) const;
};

}  // namespace tessera
