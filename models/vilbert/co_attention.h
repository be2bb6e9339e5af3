// ViLBERT's co-attention layer: each stream asks with its own queries for the other's keys and values, as both were
// before the layer; then each has a feed-forward block of its own. All norms stand after the sums.
//
//   v' = LN1(dense1(softmax(query1 key2ᵀ / √head size) value2) + v)        v'' = LN(mlp(v') + v')
//   t' = LN2(dense2(softmax(query2 key1ᵀ / √head size) value1) + t)        t'' = LN(mlp(t') + t')
#pragma once

#include "models/vilbert/config.h"
#include "nn/transformer_block.h"

namespace tessera {

// One sequence of each stream belongs to one of the other.
struct VilbertStreams {
  Variable vision, text;                      // [rows, v_hidden_size], [tokens, hidden_size]
  Tensor cu_seqlens_vision, cu_seqlens_text;  // i64 [pairs + 1]
};

struct CoAttention {
  // To 3 bi_hidden_size, the rows of queries, then keys, then values, in one product as in self-attention: 1 of the
  // pictures' rows, 2 of the text's tokens.
  Linear qkv1, qkv2;
  Linear dense1, dense2;  // back to the width of each stream
  LayerNorm norm1, norm2, vision_norm, text_norm;
  Mlp vision_mlp, text_mlp;
  int64_t heads = 1;
  double vision_dropout = 0, text_dropout = 0, vision_attention_dropout = 0, text_attention_dropout = 0;

  explicit CoAttention(const VilbertConfig& config);
  VilbertStreams operator()(const VilbertStreams& in, const ForwardContext& context) const;
  // biattention.qkv{1,2}.*, biOutput.*, v_intermediate.dense.*, v_output.*, t_intermediate.dense.*, t_output.*
  void visit(const std::string& prefix, const ParameterVisitor& visitor);
};

// Views of a state in memory under the published names: what split_qkv (models/parts/bert.h) does, and
// "….biattention.qkv1.…" as its "….query1.…", "….key1.…" and "….value1.…", likewise 2.
std::map<std::string, Tensor> vilbert_file_views(const std::map<std::string, Tensor>& state);

}  // namespace tessera
