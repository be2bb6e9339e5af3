// UNITER (Chen, Li, Yu, El Kholy, Ahmed, Gan, Cheng, Liu: "UNITER: UNiversal Image-TExt Representation Learning", ECCV
// 2020): one BERT that reads the words of a text and, after them, the regions that a detector has found in a picture.
//
// Parameters have the published names but for the fused projection of queries, keys and values, which `split_qkv`
// separates for files.
#pragma once

#include <string>
#include <vector>

#include "models/uniter/batch.h"
#include "nn/layer_norm.h"

namespace tessera {

// layer_norm(img_layer_norm(img_linear(f)) + pos_layer_norm(pos_linear(place)) + segment): [regions, hidden]. Of a
// masked region f is row 1 of the mask embedding, whose row 0 is no parameter but zeros that nothing reads.
struct UniterRegionEmbeddings {
  Linear image_projection;  // img_linear [hidden, img_dim]
  Linear place_projection;  // pos_linear [hidden, 7]
  LayerNorm image_norm, place_norm, norm;
  Embedding mask_embedding;  // [2, img_dim]
  double dropout = 0;

  UniterRegionEmbeddings() = default;
  explicit UniterRegionEmbeddings(const UniterConfig& config);
  Variable operator()(const UniterBatch& batch, const Embedding& types, const ForwardContext& context) const;
  void visit(const std::string& prefix, const ParameterVisitor& visitor);
};

struct Uniter {
  UniterConfig config;
  BertEmbeddings embeddings;
  UniterRegionEmbeddings region_embeddings;
  std::vector<TransformerBlock> blocks;
  Linear pooler;  // [hidden, hidden]

  explicit Uniter(const UniterConfig& config);
  // The states of all tokens and regions, packed: [rows, hidden]. Where `states` is given it receives what goes into
  // block 0 and what comes out of each block.
  Variable operator()(const UniterBatch& batch, const ForwardContext& context,
                      std::vector<Tensor>* states = nullptr) const;
  // tanh(dense(first token)): [sequences, hidden].
  Variable pooled(const Variable& hidden, const UniterBatch& batch) const;
  // Rows of the states, in the parameters' type.
  Variable rows(const Variable& hidden, const Tensor& index) const;
  // embeddings.*, img_embeddings.*, encoder.layer.N.*, pooler.dense.*
  void visit(const std::string& prefix, const ParameterVisitor& visitor);
};

}  // namespace tessera
