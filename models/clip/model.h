// CLIP with a vision transformer (Radford et al.: "Learning Transferable Visual Models From Natural Language
// Supervision", ICML 2021): a tower for pictures and one for texts, each a vector in one space; that is all that they
// know of each other.
//
// Parameter names in memory are Hugging Face's (CLIPModel), but for the fused projection of queries, keys and values;
// the mapping to files is models/clip/names.h.
#pragma once

#include <vector>

#include "models/clip/config.h"
#include "models/parts/vision_transformer.h"
#include "nn/embedding.h"

namespace tessera {

// Texts, packed one after the other.
struct ClipTexts {
  Tensor ids, positions;  // i64 [tokens]
  Tensor cu_seqlens;      // i64 [texts + 1]
  Tensor pooled;          // i64 [texts]: the row that stands for the text

  // Each text is read up to the token that stands for it: no token sees a later one, so what follows changes nothing.
  // Without `cut` all of it is kept, for looking at. An empty text, and one longer than the position table, is an
  // error.
  static ClipTexts of(const std::vector<std::vector<int64_t>>& texts, const ClipConfig& config, bool cut = true);
};

// Where the token is that stands for the text: the first end token, or position 0 where there is none; with
// eos_token_id 2 the first of the largest ids.
int64_t pooled_position(const std::vector<int64_t>& ids, int64_t eos_token_id);

struct ClipTextTower {
  Embedding token_embedding, position_embedding;
  std::vector<TransformerBlock> blocks;
  LayerNorm norm;

  ClipTextTower() = default;
  explicit ClipTextTower(const ClipConfig& config);
  // [tokens, d] after the final LayerNorm. `states` as VisionTransformer's.
  Variable operator()(const ClipTexts& texts, const ForwardContext& context,
                      std::vector<Tensor>* states = nullptr) const;
};

struct Clip {
  ClipConfig config;
  VisionTransformer vision;              // empty, like visual_projection, where the picture tower is ...
  std::optional<ModifiedResNet> resnet;  // ... a residual network (visual.…)
  ClipTextTower text;
  Linear visual_projection, text_projection;  // [projection, d], without bias
  Variable logit_scale;                       // scalar: the logarithm of what cosines are multiplied with

  explicit Clip(const ClipConfig& config);
  // [pictures, projection] and [texts, projection], not normalised.
  Variable image_features(const PatchRows& pictures, const ForwardContext& context) const;
  // The same of normalised pixels [pictures, 3, side, side], by either kind of tower; a residual network computes in
  // the parameters' type, by its running statistics.
  Variable image_features_of_pixels(const Variable& pixels, const ForwardContext& context) const;
  Variable text_features(const ClipTexts& texts, const ForwardContext& context) const;
  void visit(const std::string& prefix, const ParameterVisitor& visitor);

  // The rows that stand for pictures, [pictures, d], from the vision tower's output.
  Variable pooled(const VisionTransformer::Output& output) const;
  // The same of texts, from the text tower's.
  Variable pooled(const Variable& hidden, const ClipTexts& texts) const;
};

// What the published training does to logit_scale after each update: into [0, ln 100].
void clamp_logit_scale_(Variable& logit_scale);

}  // namespace tessera
