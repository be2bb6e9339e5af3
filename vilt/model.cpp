#include "vilt/model.h"

#include "autograd/finite.h"
#include "autograd/functions.h"
#include "tensor/ops/attention/attention.h"
#include "tensor/ops/normalise_patches.h"

namespace tessera {
namespace {

// Hugging Face's names of a block's parts.
const NameTable kBlockNames{{"attention_norm", "layernorm_before"},
                            {"attention.output", "attention.output.dense"},
                            {"mlp_norm", "layernorm_after"},
                            {"mlp.fc1", "intermediate.dense"},
                            {"mlp.fc2", "output.dense"}};

BlockOptions block_options(const ModelConfig& c) {
  return {.size = c.hidden_size,
          .heads = c.num_attention_heads,
          .hidden = c.intermediate_size,
          .qkv_bias = c.qkv_bias,
          .eps = c.layer_norm_eps,
          .dropout = c.hidden_dropout_prob,
          .activation_dropout = c.dropout_after_activation ? c.hidden_dropout_prob : 0,
          .attention_dropout = c.attention_probs_dropout_prob};
}

}  // namespace

TextEmbeddings::TextEmbeddings(const ModelConfig& config)
    : word_embeddings(config.vocab_size, config.hidden_size),
      position_embeddings(config.max_position_embeddings, config.hidden_size),
      token_type_embeddings(config.type_vocab_size, config.hidden_size),
      layer_norm(config.hidden_size, config.text_layer_norm_eps) {}

Variable TextEmbeddings::operator()(const PackedBatch& batch) const {
  const Variable words = word_embeddings(batch.token_ids);
  const Variable segments = token_type_embeddings(batch.token_types);
  return layer_norm(words + segments + position_embeddings(batch.token_positions));
}

void TextEmbeddings::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  word_embeddings.visit(join_name(prefix, "word_embeddings"), visitor);
  position_embeddings.visit(join_name(prefix, "position_embeddings"), visitor);
  token_type_embeddings.visit(join_name(prefix, "token_type_embeddings"), visitor);
  layer_norm.visit(join_name(prefix, "LayerNorm"), visitor);
}

Vilt::Vilt(const ModelConfig& c)
    : config(c),
      text_embeddings(c),
      patch_projection(c.patch_values(), c.hidden_size),
      cls_token(zero_parameter({1, c.hidden_size})),
      mask_token(c.heads.masked_patches ? zero_parameter({1, c.hidden_size}) : Variable()),
      position_embeddings(zero_parameter({1 + int64_t{c.table_side()} * c.table_side(), c.hidden_size})),
      modality_embeddings(c.modality_type_vocab_size, c.hidden_size),
      layer_norm(c.hidden_size, c.layer_norm_eps),
      pooler(c.hidden_size, c.hidden_size) {
  c.validate();
  for (int64_t i = 0; i < c.num_hidden_layers; ++i) blocks.emplace_back(block_options(c));
}

// The batch's patches as the projection takes them, on the model's device.
Tensor Vilt::patch_rows(const PackedBatch& batch, DType dtype) const {
  const Tensor patches = batch.patches.to(cls_token.value().device());
  if (patches.dtype() != DType::u8) return patches.to(dtype);
  return ops::normalise_patches(patches, batch.norm.mean, batch.norm.std, dtype);
}

// Rows of text, class token and patches are gathered into the packed order; an image that two sequences use is embedded
// once, and dropout comes after the gather, so that each use has a mask of its own.
Variable Vilt::embed(const PackedBatch& batch, const ForwardContext& context) const {
  const Variable text = text_embeddings(batch);
  const DType dtype = context.activations_beside(cls_token.dtype());
  const Variable patches = in_parameter_type(patch_projection(Variable(patch_rows(batch, dtype))));
  const Tensor weight = batch.position_weight.to(cls_token.dtype());
  const Variable positions = interpolate_rows(position_embeddings, batch.position_index, weight);
  const Variable class_token = cls_token + narrow(position_embeddings, 0, 0, 1);
  std::vector<Variable> sources{text, class_token, patches + positions};
  if (batch.replaced_patches.defined()) {
    check(mask_token.defined(), "vilt: the batch hides patches, but the model has no mask token");
    sources.push_back(mask_token + gather_rows({positions}, batch.replaced_patches));
  }
  const auto [p, ticket] = context.dropout(config.hidden_dropout_prob);
  return embed_tokens(sources, batch.gather, modality_embeddings.weight, batch.modality, p, ticket, dtype);
}

Variable Vilt::in_parameter_type(const Variable& x) const {
  return x.dtype() == cls_token.dtype() ? x : cast(x, cls_token.dtype());
}

Variable Vilt::operator()(const PackedBatch& batch, const ForwardContext& context, Observations* observations) const {
  check(batch.patches.size(1) == config.patch_values(), "vilt: patches have ", batch.patches.size(1),
        " values, expected ", config.patch_values(), " (patch_size ", config.patch_size, ")");
  const auto observe = [&](const Stream& stream) {
    if (!observations || !observations->keep_hidden) return;
    observations->hidden.push_back(stream.branch.defined() ? (stream.residual + stream.branch).value()
                                                           : stream.residual.value());
  };
  Stream stream;
  {
    const NameScope scope("vilt.embeddings");
    stream.residual = embed(batch, context);
  }
  observe(stream);
  for (size_t i = 0; i < blocks.size(); ++i) {
    const NameScope scope("vilt.encoder.layer.", static_cast<int64_t>(i));
    if (observations && (observations->keep_attention || observations->see_head)) {
      const Variable input = add_layer_norm(stream, blocks[i].attention_norm, context).normalised;
      const Tensor qkv = blocks[i].attention.qkv(input).value();
      const int64_t heads = config.num_attention_heads;
      if (observations->keep_attention)
        observations->attention.push_back(ops::attention_weights(qkv, batch.cu_seqlens, heads));
      for (int64_t head = 0; observations->see_head && head < heads; ++head)
        observations->see_head(static_cast<int64_t>(i), head,
                               ops::attention_weights(qkv, batch.cu_seqlens, heads, head));
    }
    stream = context.checkpoint_blocks ? blocks[i].checkpointed(stream, batch.cu_seqlens, context)
                                       : blocks[i](stream, batch.cu_seqlens, context);
    observe(stream);
  }
  const NameScope scope("vilt.layernorm");
  return add_layer_norm(stream, layer_norm, context).normalised;
}

Variable Vilt::pooled(const Variable& hidden, const Tensor& rows) const {
  return tanh(pooler(in_parameter_type(gather_rows({hidden}, rows))));
}

void Vilt::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  const std::string embeddings = join_name(prefix, "embeddings");
  visitor(embeddings + ".cls_token", cls_token);
  if (mask_token.defined()) visitor(embeddings + ".mask_token", mask_token);
  visitor(embeddings + ".position_embeddings", position_embeddings);
  text_embeddings.visit(embeddings + ".text_embeddings", visitor);
  patch_projection.visit(embeddings + ".patch_embeddings.projection", visitor);
  modality_embeddings.visit(embeddings + ".token_type_embeddings", visitor);
  for (size_t i = 0; i < blocks.size(); ++i)
    blocks[i].visit("", with_names(kBlockNames, join_name(prefix, "encoder.layer." + std::to_string(i)), visitor));
  layer_norm.visit(join_name(prefix, "layernorm"), visitor);
  pooler.visit(join_name(prefix, "pooler.dense"), visitor);
}

}  // namespace tessera
