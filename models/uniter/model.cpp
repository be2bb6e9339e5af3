#include "models/uniter/model.h"

#include "autograd/finite.h"
#include "autograd/functions.h"
#include "models/parts/vision_transformer.h"

namespace tessera {

UniterRegionEmbeddings::UniterRegionEmbeddings(const UniterConfig& config)
    : image_projection(config.img_dim, config.bert.hidden_size),
      place_projection(kUniterPlace, config.bert.hidden_size),
      image_norm(config.bert.hidden_size, config.bert.layer_norm_eps),
      place_norm(config.bert.hidden_size, config.bert.layer_norm_eps),
      norm(config.bert.hidden_size, config.bert.layer_norm_eps),
      mask_embedding(2, config.img_dim),
      dropout(config.bert.hidden_dropout_prob) {}

Variable UniterRegionEmbeddings::operator()(const UniterBatch& batch, const Embedding& types,
                                            const ForwardContext& context) const {
  const DType dtype = mask_embedding.weight.dtype();
  const Device device = mask_embedding.weight.value().device();
  Variable features(batch.features.to(dtype).to(device));
  if (batch.masked_rows.numel() > 0)
    features = gather_rows({features, narrow(mask_embedding.weight, 0, 1, 1)}, batch.feature_rows);
  const Variable places(batch.places.to(dtype).to(device));
  const Variable sum = image_norm(image_projection(features)) + place_norm(place_projection(places));
  const auto [p, ticket] = context.dropout(dropout);
  return tessera::dropout(norm(sum + types(batch.region_types)), p, ticket);
}

void UniterRegionEmbeddings::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  image_projection.visit(join_name(prefix, "img_linear"), visitor);
  image_norm.visit(join_name(prefix, "img_layer_norm"), visitor);
  place_projection.visit(join_name(prefix, "pos_linear"), visitor);
  place_norm.visit(join_name(prefix, "pos_layer_norm"), visitor);
  mask_embedding.visit(join_name(prefix, "mask_embedding"), visitor);
  norm.visit(join_name(prefix, "LayerNorm"), visitor);
}

Uniter::Uniter(const UniterConfig& c)
    : config(c),
      embeddings(c.bert),
      region_embeddings(c),
      blocks(static_cast<size_t>(c.bert.num_hidden_layers)),
      pooler(c.bert.hidden_size, c.bert.hidden_size) {
  c.validate();
  for (TransformerBlock& block : blocks) block = TransformerBlock(c.bert.block());
}

Variable Uniter::operator()(const UniterBatch& batch, const ForwardContext& context,
                            std::vector<Tensor>* states) const {
  Variable x;
  {
    const NameScope scope("embeddings");
    const Variable words = embeddings(batch.ids, batch.positions, batch.text_types, context);
    x = gather_rows({words, region_embeddings(batch, embeddings.token_type_embeddings, context)}, batch.order);
    const DType dtype = context.activations_beside(x.dtype());
    if (x.dtype() != dtype) x = cast(x, dtype);
  }
  return run_blocks(blocks, x, batch.cu_seqlens, context, states);
}

Variable Uniter::rows(const Variable& hidden, const Tensor& index) const {
  const Variable gathered = gather_rows({hidden}, index);
  const DType dtype = pooler.weight.dtype();
  return gathered.dtype() == dtype ? gathered : cast(gathered, dtype);
}

Variable Uniter::pooled(const Variable& hidden, const UniterBatch& batch) const {
  return tanh(pooler(rows(hidden, batch.class_rows())));
}

void Uniter::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  embeddings.visit(join_name(prefix, "embeddings"), visitor);
  region_embeddings.visit(join_name(prefix, "img_embeddings"), visitor);
  visit_blocks(blocks, prefix, bert_block_names(), visitor);
  pooler.visit(join_name(prefix, "pooler.dense"), visitor);
}

}  // namespace tessera
