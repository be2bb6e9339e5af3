#include "vilt/heads.h"

#include <algorithm>

#include "autograd/finite.h"
#include "autograd/functions.h"

namespace tessera {
namespace {

constexpr double kClassifierEps = 1e-5;  // torch's default, which both the authors' code and Hugging Face's use here
constexpr int64_t kColours = 3 * 256;    // channels · levels

template <class Head>
const Head& existing(const std::optional<Head>& head, bool Heads::*present) {
  for (const HeadInfo& info : head_table())
    if (info.present == present) check(head.has_value(), "the model has no ", info.needed);
  return *head;
}

}  // namespace

Variable HeadTransform::operator()(const Variable& rows) const {
  return layer_norm(linear_gelu(rows, dense.weight, dense.bias));
}

void HeadTransform::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  dense.visit(join_name(prefix, "dense"), visitor);
  layer_norm.visit(join_name(prefix, "LayerNorm"), visitor);
}

MaskedWordHead::MaskedWordHead(const ModelConfig& config)
    : transform(config.hidden_size, config.mlm_layer_norm_eps), bias(zero_parameter({config.vocab_size})) {
  if (!config.tie_word_embeddings) decoder = zero_parameter({config.vocab_size, config.hidden_size});
}

Variable MaskedWordHead::operator()(const Variable& rows, const Variable& word_embeddings) const {
  return linear(transform(rows), decoder.defined() ? decoder : word_embeddings, bias);
}

void MaskedWordHead::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  transform.visit(join_name(prefix, "transform"), visitor);
  if (decoder.defined()) visitor(join_name(prefix, "decoder.weight"), decoder);
  visitor(join_name(prefix, "bias"), bias);
}

MaskedPatchHead::MaskedPatchHead(const ModelConfig& config)
    : transform(config.hidden_size, config.mlm_layer_norm_eps), decoder(config.hidden_size, kColours) {}

Variable MaskedPatchHead::operator()(const Variable& rows) const { return decoder(transform(rows)); }

void MaskedPatchHead::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  transform.visit(join_name(prefix, "transform"), visitor);
  decoder.visit(join_name(prefix, "decoder"), visitor);
}

// The inner width is 2 · hidden for one image and for two.
Classifier::Classifier(const ModelConfig& config)
    : dense(config.num_images * config.hidden_size, std::max<int64_t>(2, config.num_images) * config.hidden_size),
      layer_norm(dense.weight.size(0), kClassifierEps),
      output(dense.weight.size(0), config.num_labels()) {}

Variable Classifier::operator()(const Variable& pooled) const { return output(gelu(layer_norm(dense(pooled)))); }

void Classifier::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  dense.visit(join_name(prefix, "0"), visitor);
  layer_norm.visit(join_name(prefix, "1"), visitor);
  output.visit(join_name(prefix, "3"), visitor);
}

ViltWithHeads::ViltWithHeads(const ModelConfig& config) : vilt(config) {
  if (config.heads.masked_words) masked_words.emplace(config);
  if (config.heads.matching) matching.emplace(config.hidden_size, 2);
  if (config.heads.classifier) classifier.emplace(config);
  if (config.heads.rank) rank.emplace(config.hidden_size, 1);
  if (config.heads.masked_patches) masked_patches.emplace(config);
}

void ViltWithHeads::remove(const HeadInfo& head) {
  if (head.present == &Heads::masked_words) masked_words.reset();
  if (head.present == &Heads::matching) matching.reset();
  if (head.present == &Heads::classifier) classifier.reset();
  if (head.present == &Heads::rank) rank.reset();
  if (head.present == &Heads::masked_patches) masked_patches.reset();
}

Variable ViltWithHeads::masked_word_logits(const Variable& hidden, const Tensor& rows) const {
  const NameScope scope("mlm_score");
  const MaskedWordHead& head = existing(masked_words, &Heads::masked_words);
  return head(gather_rows({hidden}, rows), vilt.text_embeddings.word_embeddings.weight);
}

Variable ViltWithHeads::matching_logits(const Variable& hidden, const Tensor& rows) const {
  const NameScope scope("itm_score");
  return existing(matching, &Heads::matching)(vilt.pooled(hidden, rows));
}

Variable ViltWithHeads::rank_scores(const Variable& hidden, const Tensor& rows) const {
  const NameScope scope("rank_output");
  return existing(rank, &Heads::rank)(vilt.pooled(hidden, rows));
}

Variable ViltWithHeads::masked_patch_logits(const Variable& hidden, const Tensor& rows) const {
  const NameScope scope("mpp_score");
  return existing(masked_patches, &Heads::masked_patches)(gather_rows({hidden}, rows));
}

Variable ViltWithHeads::class_logits(const Variable& hidden, const Tensor& rows) const {
  const NameScope scope("classifier");
  const Classifier& head = existing(classifier, &Heads::classifier);
  const int64_t images = vilt.config.num_images, width = images * vilt.config.hidden_size;
  check(rows.numel() % images == 0, "classifier: ", rows.numel(), " sequences for ", images, " images each");
  return head(reshape(vilt.pooled(hidden, rows), {rows.numel() / images, width}));
}

void ViltWithHeads::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  vilt.visit(join_name(prefix, "vilt"), visitor);
  if (masked_words) masked_words->visit(join_name(prefix, "mlm_score"), visitor);
  if (matching) matching->visit(join_name(prefix, "itm_score.fc"), visitor);
  if (classifier) classifier->visit(join_name(prefix, "classifier"), visitor);
  if (rank) rank->visit(join_name(prefix, "rank_output"), visitor);
  if (masked_patches) masked_patches->visit(join_name(prefix, "mpp_score"), visitor);
}

}  // namespace tessera
