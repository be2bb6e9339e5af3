// ViLBERT (Lu, Batra, Parikh, Lee: "ViLBERT: Pretraining Task-Agnostic Visiolinguistic Representations for
// Vision-and-Language Tasks", NeurIPS 2019): a BERT over the text and a transformer over the picture's regions, which
// read each other in co-attention layers.
//
// Written from the paper's description; names of parameters are the published ones.
#pragma once

#include <functional>

#include "models/vilbert/co_attention.h"
#include "models/vilbert/inputs.h"

namespace tessera {

// dropout(layer_norm(image_embeddings(feature) + image_location_embeddings(location))): [rows, v_hidden_size].
struct VilbertRegionEmbeddings {
  Linear image_embeddings, image_location_embeddings;
  LayerNorm layer_norm;
  double dropout = 0;

  explicit VilbertRegionEmbeddings(const VilbertConfig& config);
  Variable operator()(const VilbertPictures& pictures, const ForwardContext& context) const;
  void visit(const std::string& prefix, const ParameterVisitor& visitor);
};

struct Vilbert {
  VilbertConfig config;
  BertEmbeddings embeddings;
  VilbertRegionEmbeddings region_embeddings;
  std::vector<TransformerBlock> text_layers, vision_layers;
  std::vector<CoAttention> co_attention_layers;
  Linear text_pooler, vision_pooler;  // [bi_hidden_size, width of the stream]

  explicit Vilbert(const VilbertConfig& c);

  struct Output {
    VilbertStreams streams;
    // relu(pooler(first row)) of each stream, [pairs, bi_hidden_size], and their product.
    Variable pooled_text, pooled_vision, fused;
  };
  // What stands after a step of vilbert_schedule.
  using Observer = std::function<void(const VilbertStep& step, const VilbertStreams& streams)>;

  // Text i and picture i are pair i; pictures in the parameters' type, on their device. Another number of texts than of
  // pictures is an error.
  VilbertStreams embed(const VilbertTexts& texts, const VilbertPictures& pictures, const ForwardContext& context) const;
  Output encode(VilbertStreams streams, const ForwardContext& context, const Observer& observe = {}) const;
  Output operator()(const VilbertTexts& texts, const VilbertPictures& pictures, const ForwardContext& context) const {
    return encode(embed(texts, pictures, context), context);
  }
  // embeddings.*, v_embeddings.*, encoder.layer.N.*, encoder.v_layer.N.*, encoder.c_layer.N.*, t_pooler.dense.*,
  // v_pooler.dense.*; `vilbert_file_views` gives the published names of the projections.
  void visit(const std::string& prefix, const ParameterVisitor& visitor);
};

}  // namespace tessera
