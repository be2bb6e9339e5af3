#include "models/vilbert/model.h"

namespace tessera {
namespace {

constexpr double kFusedDropout = 0.1;

BlockOptions vision_block(const VilbertConfig& c) {
  return {.size = c.v_hidden_size,
          .heads = c.v_num_attention_heads,
          .hidden = c.v_intermediate_size,
          .norms = NormPlacement::after,
          .eps = c.text.layer_norm_eps,
          .dropout = c.v_hidden_dropout_prob,
          .attention_dropout = c.v_attention_probs_dropout_prob};
}

Variable run_block(const TransformerBlock& block, const Variable& x, const Tensor& cu_seqlens,
                   const ForwardContext& context) {
  const Stream in{x, {}};
  return (context.checkpoint_blocks ? block.checkpointed(in, cu_seqlens, context) : block(in, cu_seqlens, context))
      .residual;
}

Variable pool(const Linear& pooler, const Variable& rows, const Tensor& cu_seqlens) {
  return relu(pooler(gather_rows({rows}, cu_seqlens.narrow(0, 0, cu_seqlens.size(0) - 1))));
}

}  // namespace

VilbertRegionEmbeddings::VilbertRegionEmbeddings(const VilbertConfig& c)
    : image_embeddings(c.v_feature_size, c.v_hidden_size),
      image_location_embeddings(5, c.v_hidden_size),
      layer_norm(c.v_hidden_size, c.text.layer_norm_eps),
      dropout(c.v_hidden_dropout_prob) {}

Variable VilbertRegionEmbeddings::operator()(const VilbertPictures& pictures, const ForwardContext& context) const {
  const Variable sum =
      image_embeddings(Variable(pictures.features)) + image_location_embeddings(Variable(pictures.locations));
  const auto [p, ticket] = context.dropout(dropout);
  return tessera::dropout(layer_norm(sum), p, ticket);
}

void VilbertRegionEmbeddings::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  image_embeddings.visit(join_name(prefix, "image_embeddings"), visitor);
  image_location_embeddings.visit(join_name(prefix, "image_location_embeddings"), visitor);
  layer_norm.visit(join_name(prefix, "LayerNorm"), visitor);
}

Vilbert::Vilbert(const VilbertConfig& c)
    : config((c.validate(), c)),
      embeddings(c.text),
      region_embeddings(c),
      text_pooler(c.text.hidden_size, c.bi_hidden_size),
      vision_pooler(c.v_hidden_size, c.bi_hidden_size) {
  for (int64_t i = 0; i < c.text.num_hidden_layers; ++i) text_layers.emplace_back(c.text.block());
  for (int64_t i = 0; i < c.v_num_hidden_layers; ++i) vision_layers.emplace_back(vision_block(c));
  for (size_t i = 0; i < c.v_biattention_id.size(); ++i) co_attention_layers.emplace_back(c);
}

VilbertStreams Vilbert::embed(const VilbertTexts& texts, const VilbertPictures& pictures,
                              const ForwardContext& context) const {
  check(texts.cu_seqlens.numel() == pictures.cu_seqlens.numel(), "vilbert: ", texts.cu_seqlens.numel() - 1,
        " texts for ", pictures.cu_seqlens.numel() - 1, " pictures");
  return {region_embeddings(pictures, context), embeddings(texts.ids, texts.positions, texts.types, context),
          pictures.cu_seqlens, texts.cu_seqlens};
}

Vilbert::Output Vilbert::encode(VilbertStreams x, const ForwardContext& context, const Observer& observe) const {
  for (const VilbertStep& step : vilbert_schedule(config)) {
    switch (step.kind) {
      case VilbertStep::Kind::text:
        x.text = run_block(text_layers[step.layer], x.text, x.cu_seqlens_text, context);
        break;
      case VilbertStep::Kind::vision:
        x.vision = run_block(vision_layers[step.layer], x.vision, x.cu_seqlens_vision, context);
        break;
      default: x = co_attention_layers[step.layer](x, context);
    }
    if (observe) observe(step, x);
  }
  const Variable text = pool(text_pooler, x.text, x.cu_seqlens_text);
  const Variable vision = pool(vision_pooler, x.vision, x.cu_seqlens_vision);
  const auto [p, ticket] = context.dropout(kFusedDropout);
  return {x, text, vision, dropout(text * vision, p, ticket)};
}

void Vilbert::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  embeddings.visit(join_name(prefix, "embeddings"), visitor);
  region_embeddings.visit(join_name(prefix, "v_embeddings"), visitor);
  visit_blocks(text_layers, prefix, bert_block_names(), visitor);
  visit_blocks(vision_layers, prefix, {"encoder.v_layer.", bert_block_names().parts}, visitor);
  for (size_t i = 0; i < co_attention_layers.size(); ++i)
    co_attention_layers[i].visit(join_name(prefix, "encoder.c_layer." + std::to_string(i)), visitor);
  text_pooler.visit(join_name(prefix, "t_pooler.dense"), visitor);
  vision_pooler.visit(join_name(prefix, "v_pooler.dense"), visitor);
}

}  // namespace tessera
