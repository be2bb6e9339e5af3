#include "models/uniter/heads.h"

#include "autograd/functions.h"
#include "nn/state_differences.h"

namespace tessera {
namespace {

template <class Head>
const Head& uniter_head(const std::optional<Head>& head, const char* name) {
  check(head.has_value(), "uniter: the model has no ", name);
  return *head;
}

void visit_transform(UniterTransform& transform, const std::string& dense, const std::string& norm,
                     const ParameterVisitor& visitor) {
  transform.dense.visit(dense, visitor);
  transform.norm.visit(norm, visitor);
}

void check_pairs(const UniterBatch& batch) {
  check(batch.sequences() % 2 == 0, "uniter: ", batch.sequences(), " sequences are no pairs");
}

// The rows of every second sequence, from `first` on, and their marks.
struct HalfOfPairs {
  Tensor rows, cu_seqlens;
};
HalfOfPairs half_of_pairs(const UniterBatch& batch, size_t first) {
  const std::vector<int64_t> marks = batch.cu_seqlens.to_vector<int64_t>();
  std::vector<int64_t> rows, own{0};
  for (size_t i = first; i + 1 < marks.size(); i += 2) {
    for (int64_t row = marks[i]; row < marks[i + 1]; ++row) rows.push_back(row);
    own.push_back(static_cast<int64_t>(rows.size()));
  }
  return {Tensor::from(rows), Tensor::from(own)};
}

}  // namespace

UniterWordHead::UniterWordHead(const UniterConfig& config)
    : transform(config.bert.hidden_size, config.bert.hidden_size, config.bert.layer_norm_eps),
      bias(zero_parameter({config.bert.vocab_size})) {}

void UniterWordHead::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  visit_transform(transform, prefix + ".transform.dense", prefix + ".transform.LayerNorm", visitor);
  visitor(join_name(prefix, "bias"), bias);
}

UniterFeatureHead::UniterFeatureHead(const UniterConfig& config)
    : transform(config.bert.hidden_size, config.bert.hidden_size, config.bert.layer_norm_eps),
      bias(zero_parameter({config.img_dim})) {}

void UniterFeatureHead::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  visit_transform(transform, prefix + ".net.0", prefix + ".net.2", visitor);
  visitor(join_name(prefix, "bias"), bias);
}

void UniterClassHead::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  visit_transform(transform, prefix + ".0", prefix + ".2", visitor);
  output.visit(prefix + ".3", visitor);
}

UniterPairAttention::UniterPairAttention(const UniterConfig& config)
    : weight(zero_parameter({3 * config.bert.hidden_size, config.bert.hidden_size})),
      bias(zero_parameter({3 * config.bert.hidden_size})),
      output(config.bert.hidden_size, config.bert.hidden_size),
      heads(config.bert.num_attention_heads),
      dropout(config.bert.attention_probs_dropout_prob) {}

Variable UniterPairAttention::operator()(const Variable& own, const Tensor& cu_seqlens, const States& other,
                                         const ForwardContext& context) const {
  const int64_t d = output.weight.size(0);
  const Variable query = linear(own, narrow(weight, 0, 0, d), narrow(bias, 0, 0, d));
  const Variable key_value = linear(other.rows, narrow(weight, 0, d, 2 * d), narrow(bias, 0, d, 2 * d));
  const auto [p, ticket] = context.dropout(dropout);
  return output(cross_attention(query, key_value, cu_seqlens, other.cu_seqlens, heads, p, ticket));
}

void UniterPairAttention::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  visitor(join_name(prefix, "in_proj_weight"), weight);
  visitor(join_name(prefix, "in_proj_bias"), bias);
  output.visit(join_name(prefix, "out_proj"), visitor);
}

UniterPairedAttention::UniterPairedAttention(const UniterConfig& config)
    : attention1(config),
      attention2(config),
      join(2 * config.bert.hidden_size, config.bert.hidden_size),
      score(config.bert.hidden_size, 1),
      dropout(config.bert.hidden_dropout_prob) {}

Variable UniterPairedAttention::joined(const Variable& context_rows, const Variable& own,
                                       const ForwardContext& context) const {
  const auto [p, ticket] = context.dropout(dropout);
  return tessera::dropout(relu(join(concatenate({context_rows, own}, 1))), p, ticket);
}

Variable UniterPairedAttention::pooled(const Variable& rows, const Tensor& cu_seqlens,
                                       const ForwardContext& context) const {
  const Variable scores = relu(score(rows));
  const std::vector<int64_t> marks = cu_seqlens.to_vector<int64_t>();
  std::vector<Variable> out;
  for (size_t i = 0; i + 1 < marks.size(); ++i) {
    const int64_t length = marks[i + 1] - marks[i];
    const auto [p, ticket] = context.dropout(dropout);
    const Variable weights = softmax(reshape(narrow(scores, 0, marks[i], length), {1, length}));
    out.push_back(matmul(tessera::dropout(weights, p, ticket), narrow(rows, 0, marks[i], length)));
  }
  return concatenate(out, 0);
}

UniterPairedAttention::Output UniterPairedAttention::operator()(const Variable& hidden, const UniterBatch& batch,
                                                                const ForwardContext& context) const {
  check_pairs(batch);
  const HalfOfPairs first = half_of_pairs(batch, 0), second = half_of_pairs(batch, 1);
  const States one{gather_rows({hidden}, first.rows), first.cu_seqlens};
  const States two{gather_rows({hidden}, second.rows), second.cu_seqlens};
  Output out;
  out.first = joined(attention1(one.rows, one.cu_seqlens, two, context), one.rows, context);
  out.second = joined(attention2(two.rows, two.cu_seqlens, one, context), two.rows, context);
  out.pooled =
      concatenate({pooled(out.first, first.cu_seqlens, context), pooled(out.second, second.cu_seqlens, context)}, 1);
  return out;
}

void UniterPairedAttention::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  attention1.visit(join_name(prefix, "attn1"), visitor);
  attention2.visit(join_name(prefix, "attn2"), visitor);
  join.visit(join_name(prefix, "fc.0"), visitor);
  score.visit(join_name(prefix, "attn_pool.fc.0"), visitor);
}

UniterWithHeads::UniterWithHeads(const UniterConfig& config, const UniterHeads& heads) : uniter(config) {
  const int64_t d = config.bert.hidden_size;
  const double eps = config.bert.layer_norm_eps;
  check(!heads.pair || !heads.paired_attention, "uniter: both heads for pairs of pictures at once");
  if (heads.words) words.emplace(config);
  if (heads.region_features) features.emplace(config);
  if (heads.region_classes) region_classes.emplace(d, d, config.img_label_dim, eps);
  if (heads.matching) matching.emplace(d, 2);
  if (heads.answers) answers.emplace(d, 2 * d, config.num_answers, eps);
  if (heads.pair || heads.paired_attention) statement.emplace(2 * d, 2);
  if (heads.paired_attention) attention.emplace(config);
  if (heads.rank) rank.emplace(d, 1);
}

UniterHeads UniterWithHeads::heads() const {
  return {.words = words.has_value(),
          .region_features = features.has_value(),
          .region_classes = region_classes.has_value(),
          .matching = matching.has_value(),
          .answers = answers.has_value(),
          .pair = statement.has_value() && !attention.has_value(),
          .paired_attention = attention.has_value(),
          .rank = rank.has_value()};
}

Variable UniterWithHeads::word_logits(const Variable& hidden, const Tensor& rows) const {
  const UniterWordHead& head = uniter_head(words, "head for masked words (cls.predictions)");
  return linear(head.transform(uniter.rows(hidden, rows)), uniter.embeddings.word_embeddings.weight, head.bias);
}

Variable UniterWithHeads::region_features(const Variable& hidden, const Tensor& rows) const {
  const UniterFeatureHead& head = uniter_head(features, "head for masked features (feat_regress)");
  // [n, hidden] · [hidden, img_dim]
  return matmul(head.transform(uniter.rows(hidden, rows)), uniter.region_embeddings.image_projection.weight) +
         head.bias;
}

Variable UniterWithHeads::region_logits(const Variable& hidden, const Tensor& rows) const {
  return uniter_head(region_classes, "head for masked regions (region_classifier)")(uniter.rows(hidden, rows));
}

Variable UniterWithHeads::matching_logits(const Variable& hidden, const UniterBatch& batch) const {
  return uniter_head(matching, "head for matching (itm_output)")(uniter.pooled(hidden, batch));
}

Variable UniterWithHeads::answer_logits(const Variable& hidden, const UniterBatch& batch) const {
  return uniter_head(answers, "head for answers (vqa_output)")(uniter.pooled(hidden, batch));
}

Variable UniterWithHeads::rank_scores(const Variable& hidden, const UniterBatch& batch) const {
  return uniter_head(rank, "head for ranking (rank_output)")(uniter.pooled(hidden, batch));
}

Variable UniterWithHeads::statement_logits(const Variable& hidden, const UniterBatch& batch,
                                           const ForwardContext& context) const {
  const Linear& head = uniter_head(statement, "head for pairs of pictures (nlvr2_output)");
  check_pairs(batch);
  if (attention) {
    const DType dtype = head.weight.dtype();
    return head((*attention)(hidden.dtype() == dtype ? hidden : cast(hidden, dtype), batch, context).pooled);
  }
  const Variable pooled = uniter.pooled(hidden, batch);
  return head(reshape(pooled, {batch.sequences() / 2, 2 * pooled.size(1)}));
}

void UniterWithHeads::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  uniter.visit(join_name(prefix, "uniter"), visitor);
  if (words) words->visit(join_name(prefix, "cls.predictions"), visitor);
  if (features) features->visit(join_name(prefix, "feat_regress"), visitor);
  if (region_classes) region_classes->visit(join_name(prefix, "region_classifier.net"), visitor);
  if (matching) matching->visit(join_name(prefix, "itm_output"), visitor);
  if (answers) answers->visit(join_name(prefix, "vqa_output"), visitor);
  if (attention) attention->visit(prefix, visitor);
  if (statement) statement->visit(join_name(prefix, "nlvr2_output"), visitor);
  if (rank) rank->visit(join_name(prefix, "rank_output"), visitor);
}

void load_uniter(const ParameterSet& parameters, const std::map<std::string, Tensor>& file, const std::string& source) {
  std::map<std::string, Tensor> own = file;
  for (const char* tied : {"cls.predictions.decoder.weight", "feat_regress.weight"}) own.erase(tied);
  std::map<std::string, Tensor> views = split_qkv(parameters.state());
  const std::string differences = describe_differences(views, own);
  check(differences.empty(), source, ": tensors are not the model's", differences);
  for (auto& [name, view] : views) view.copy_(own.at(name).to(view.dtype()).to(view.device()));
}

}  // namespace tessera
