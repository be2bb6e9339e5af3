// ViLT: one transformer over words and image patches (Kim, Son, Kim: "ViLT: Vision-and-Language Transformer Without
// Convolution or Region Supervision", ICML 2021), on packed sequences.
//
// Parameter names in memory are Hugging Face's, but for the fused projection of queries, keys and values; the mapping
// to files is vilt/files/state_dict.h.
#pragma once

#include <functional>
#include <vector>

#include "nn/embedding.h"
#include "nn/layer_norm.h"
#include "nn/linear.h"
#include "nn/transformer_block.h"
#include "vilt/config.h"
#include "vilt/input/batch.h"

namespace tessera {

struct TextEmbeddings {
  Embedding word_embeddings, position_embeddings, token_type_embeddings;
  LayerNorm layer_norm;

  explicit TextEmbeddings(const ModelConfig& config);
  // [text tokens, hidden]: layer_norm(word + segment + position). Ids and positions out of range are errors.
  Variable operator()(const PackedBatch& batch) const;
  void visit(const std::string& prefix, const ParameterVisitor& visitor);
};

// What a forward pass may keep for looking at: filled layer by layer when a pointer is given.
struct Observations {
  bool keep_hidden = false, keep_attention = false;
  std::vector<Tensor> hidden;     // [layers + 1] × [tokens, hidden]: input of block 0, output of block 0, …
  std::vector<Tensor> attention;  // [layers] × flat [Σ length²]: mean over heads, sequence by sequence
  // Is given the attention of each head, laid out as one of `attention`, and keeps what it wants: all of it is much.
  std::function<void(int64_t layer, int64_t head, const Tensor& attention)> see_head;
};

struct Vilt {
  ModelConfig config;
  TextEmbeddings text_embeddings;
  Linear patch_projection;        // [hidden, 3 · P²]: the checkpoint's convolution kernel, reshaped
  Variable cls_token;             // [1, hidden], of the image
  Variable mask_token;            // [1, hidden], in place of a hidden patch's projection; only with the head for them
  Variable position_embeddings;   // [1 + side², hidden]: row 0 for the class token, then the grid in raster order
  Embedding modality_embeddings;  // 0 text, 1 image, 2 second image
  std::vector<TransformerBlock> blocks;
  LayerNorm layer_norm;
  Linear pooler;

  explicit Vilt(const ModelConfig& config);
  // [tokens, hidden] after the final LayerNorm, in the type of the context's activations: what the patch projection and
  // the blocks compute on, and the heads for masked words and patches after them. bf16: embeddings are summed in the
  // parameters' type, then cast.
  Variable operator()(const PackedBatch& batch, const ForwardContext& context,
                      Observations* observations = nullptr) const;
  // [tokens, hidden]: what block 0 reads, in that type.
  Variable embed(const PackedBatch& batch, const ForwardContext& context) const;
  // tanh(pooler(hidden[rows])): rows i64 [n] → [n, hidden], in the parameters' type.
  Variable pooled(const Variable& hidden, const Tensor& rows) const;
  // Where the parameters lie, and everything is computed. The tables of a batch stay on the host.
  Device device() const { return cls_token.value().device(); }
  // x in the type of the parameters, for what must not be rounded to bf16.
  Variable in_parameter_type(const Variable& x) const;
  void visit(const std::string& prefix, const ParameterVisitor& visitor);

 private:
  Tensor patch_rows(const PackedBatch& batch, DType dtype) const;
};

}  // namespace tessera
