#include "models/clip/model.h"

#include <algorithm>
#include <cmath>

#include "autograd/finite.h"
#include "autograd/functions.h"
#include "tensor/ops/elementwise.h"

namespace tessera {
namespace {

const NameTable kBlockParts{{"attention_norm", "layer_norm1"},
                            {"attention.qkv", "self_attn.qkv"},
                            {"attention.output", "self_attn.out_proj"},
                            {"mlp_norm", "layer_norm2"}};
const BlockNames kBlocks{"encoder.layers.", kBlockParts};
const NameTable kVisionNames{{"class_token", "embeddings.class_embedding"},
                             {"patch_projection", "embeddings.patch_embedding"},
                             {"positions", "embeddings.position_embedding.weight"},
                             {"norm_before", "pre_layrnorm"},  // spelled so
                             {"norm", "post_layernorm"}};

BlockOptions block_options(const ClipTower& tower, bool causal) {
  return {.size = tower.hidden_size,
          .heads = tower.num_attention_heads,
          .hidden = tower.intermediate_size,
          .activation = tower.hidden_act,
          .causal = causal,
          .eps = tower.layer_norm_eps};
}

VisionOptions vision_options(const ClipConfig& config) {
  return {.block = block_options(config.vision, false),
          .layers = config.vision.num_hidden_layers,
          .patch_size = config.patch_size,
          .table_side = config.table_side(),
          .patch_bias = false,
          .norm_before = true};
}

Variable in_type(const Variable& x, DType dtype) { return x.dtype() == dtype ? x : cast(x, dtype); }

}  // namespace

int64_t pooled_position(const std::vector<int64_t>& ids, int64_t eos_token_id) {
  if (eos_token_id == 2) return std::max_element(ids.begin(), ids.end()) - ids.begin();
  const auto found = std::find(ids.begin(), ids.end(), eos_token_id);
  return found == ids.end() ? 0 : found - ids.begin();
}

ClipTexts ClipTexts::of(const std::vector<std::vector<int64_t>>& texts, const ClipConfig& config, bool cut) {
  std::vector<int64_t> ids, positions, marks{0}, pooled;
  for (const std::vector<int64_t>& text : texts) {
    check(!text.empty(), "clip: text ", pooled.size(), " has no tokens");
    const auto length = static_cast<int64_t>(text.size());
    check(length <= config.max_position_embeddings, "clip: text ", pooled.size(), " has ", length,
          " tokens, the model reads at most ", config.max_position_embeddings);
    const int64_t at = pooled_position(text, config.eos_token_id), kept = cut ? at + 1 : length;
    pooled.push_back(marks.back() + at);
    ids.insert(ids.end(), text.begin(), text.begin() + kept);
    for (int64_t i = 0; i < kept; ++i) positions.push_back(i);
    marks.push_back(marks.back() + kept);
  }
  return {Tensor::from(ids), Tensor::from(positions), Tensor::from(marks), Tensor::from(pooled)};
}

ClipTextTower::ClipTextTower(const ClipConfig& config)
    : token_embedding(config.vocab_size, config.text.hidden_size),
      position_embedding(config.max_position_embeddings, config.text.hidden_size),
      blocks(static_cast<size_t>(config.text.num_hidden_layers)),
      norm(config.text.hidden_size, config.text.layer_norm_eps) {
  for (TransformerBlock& block : blocks) block = TransformerBlock(block_options(config.text, true));
}

Variable ClipTextTower::operator()(const ClipTexts& texts, const ForwardContext& context,
                                   std::vector<Tensor>* states) const {
  Variable x;
  {
    const NameScope scope("embeddings");
    x = token_embedding(texts.ids) + position_embedding(texts.positions);
    x = in_type(x, context.activations_beside(x.dtype()));
  }
  return norm(run_blocks(blocks, x, texts.cu_seqlens, context, states));
}

Clip::Clip(const ClipConfig& c)
    : config(c),
      text(c),
      text_projection(c.text.hidden_size, c.projection_dim, false),
      logit_scale(Tensor::full({}, c.logit_scale_init_value), true) {
  c.validate();
  if (c.resnet) {
    resnet.emplace(*c.resnet);
    return;
  }
  vision = VisionTransformer(vision_options(c));
  visual_projection = Linear(c.vision.hidden_size, c.projection_dim, false);
}

Variable Clip::pooled(const VisionTransformer::Output& output) const {
  return vision.norm(gather_rows({output.hidden}, output.class_rows()));
}

Variable Clip::pooled(const Variable& hidden, const ClipTexts& texts) const {
  return gather_rows({hidden}, texts.pooled);
}

Variable Clip::image_features(const PatchRows& pictures, const ForwardContext& context) const {
  check(!resnet.has_value(), "clip: the picture tower is a residual network, which takes pixels, not patches");
  const NameScope scope("vision_model");
  return in_type(visual_projection(pooled(vision(pictures, context))), logit_scale.dtype());
}

Variable Clip::image_features_of_pixels(const Variable& pixels, const ForwardContext& context) const {
  if (resnet) {
    const NameScope scope("visual");
    return (*resnet)(in_type(pixels, logit_scale.dtype()), false).features;
  }
  PatchRows rows = PatchRows::of_pixels(pixels, config.patch_size);
  rows.patches = in_type(rows.patches, context.activations_beside(logit_scale.dtype()));
  return image_features(rows, context);
}

Variable Clip::text_features(const ClipTexts& texts, const ForwardContext& context) const {
  const NameScope scope("text_model");
  return in_type(text_projection(pooled(text(texts, context), texts)), logit_scale.dtype());
}

void Clip::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  visitor(join_name(prefix, "logit_scale"), logit_scale);
  const std::string texts = join_name(prefix, "text_model");
  text.token_embedding.visit(texts + ".embeddings.token_embedding", visitor);
  text.position_embedding.visit(texts + ".embeddings.position_embedding", visitor);
  visit_blocks(text.blocks, texts, kBlocks, visitor);
  text.norm.visit(texts + ".final_layer_norm", visitor);
  if (resnet) {
    resnet->visit(join_name(prefix, "visual"), visitor);
  } else {
    vision.visit(join_name(prefix, "vision_model"), kVisionNames, kBlocks, visitor);
    visual_projection.visit(join_name(prefix, "visual_projection"), visitor);
  }
  text_projection.visit(join_name(prefix, "text_projection"), visitor);
}

void clamp_logit_scale_(Variable& logit_scale) {
  Tensor& value = logit_scale.mutable_value();
  if (value.on_cuda()) {
    // Without waiting for the device: what is in the range stays as it is, bit for bit, and ln 100 is met but for a
    // rounding.
    value.copy_(ops::relu(ops::sub(value, ops::relu(ops::add(value, -std::log(100.0))))));
    return;
  }
  value.fill_(std::clamp(value.to(DType::f64).item<double>(), 0.0, std::log(100.0)));
}

}  // namespace tessera
