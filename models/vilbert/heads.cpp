#include "models/vilbert/heads.h"

namespace tessera {
namespace {

constexpr double kVqaDropout = 0.5;

Variable region_loss(const Variable& scores, const VilbertTargets& targets) {
  const auto masked = targets.masked_regions.to_vector<int64_t>();
  check(static_cast<int64_t>(masked.size()) == scores.size(0) && targets.region_classes.shape() == scores.shape(),
        "vilbert: scores of regions are ", scores.shape(), ", for ", masked.size(), " labels and distributions ",
        targets.region_classes.shape());
  std::vector<int64_t> rows;
  for (size_t i = 0; i < masked.size(); ++i)
    if (masked[i] == 1) rows.push_back(static_cast<int64_t>(i));
  if (rows.empty()) return sum(narrow(scores, 0, 0, 1)) * 0;
  const Tensor index = Tensor::from(rows);
  const Tensor classes = gather_rows({Variable(targets.region_classes)}, index).value();
  return kl_div(gather_rows({scores}, index), classes);
}

}  // namespace

void VilbertTransform::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  dense.visit(join_name(prefix, "dense"), visitor);
  layer_norm.visit(join_name(prefix, "LayerNorm"), visitor);
}

VilbertPretraining::VilbertPretraining(const VilbertConfig& c)
    : bert(c),
      word_transform(c.text.hidden_size, c.text.layer_norm_eps),
      region_transform(c.v_hidden_size, c.text.layer_norm_eps),
      word_bias(zero_parameter({c.text.vocab_size})),
      region_decoder(c.v_hidden_size, c.v_target_size),
      alignment(c.bi_hidden_size, 2) {}

VilbertPretraining::Scores VilbertPretraining::scores(const Vilbert::Output& output) const {
  return {linear(word_transform(output.streams.text), bert.embeddings.word_embeddings.weight, word_bias),
          region_decoder(region_transform(output.streams.vision)), alignment(output.fused)};
}

Variable VilbertPretraining::word_scores(const Variable& text, const Tensor& rows) const {
  return linear(word_transform(gather_rows({text}, rows)), bert.embeddings.word_embeddings.weight, word_bias);
}

Variable VilbertPretraining::region_scores(const Variable& vision, const Tensor& rows) const {
  return region_decoder(region_transform(gather_rows({vision}, rows)));
}

void VilbertPretraining::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  bert.visit(join_name(prefix, "bert"), visitor);
  word_transform.visit(join_name(prefix, "cls.predictions.transform"), visitor);
  visitor(join_name(prefix, "cls.predictions.bias"), word_bias);
  region_transform.visit(join_name(prefix, "cls.imagePredictions.transform"), visitor);
  region_decoder.visit(join_name(prefix, "cls.imagePredictions.decoder"), visitor);
  alignment.visit(join_name(prefix, "cls.bi_seq_relationship"), visitor);
}

VilbertLosses vilbert_losses(const VilbertPretraining::Scores& scores, const VilbertTargets& targets) {
  const Variable words = cross_entropy(scores.words, targets.words, Reduction::mean, -1);
  const Variable regions = region_loss(scores.regions, targets);
  const Variable match = cross_entropy(scores.match, targets.match);
  return {words, regions, match, words + regions + match};
}

Variable WeightNormLinear::operator()(const Variable& x) const {
  // The whole matrix is one vector to be brought to length 1.
  const Variable direction =
      reshape(l2_normalise(reshape(weight_v, {1, weight_v.value().numel()}), 0), weight_v.shape());
  return linear(x, direction * weight_g, bias);
}

void WeightNormLinear::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  visitor(join_name(prefix, "bias"), bias);
  visitor(join_name(prefix, "weight_g"), weight_g);
  visitor(join_name(prefix, "weight_v"), weight_v);
}

VilbertVqa::VilbertVqa(const VilbertConfig& c)
    : bert(c), hidden(c.bi_hidden_size, 2 * c.bi_hidden_size), answers(2 * c.bi_hidden_size, c.num_answers) {}

Variable VilbertVqa::scores(const Vilbert::Output& output, const ForwardContext& context) const {
  const auto [p, ticket] = context.dropout(kVqaDropout);
  return answers(dropout(relu(hidden(output.fused)), p, ticket));
}

Variable VilbertVqa::loss(const Variable& scores, const Tensor& targets) {
  return bce_with_logits(scores, targets, Reduction::sum) / static_cast<double>(scores.size(0));
}

void VilbertVqa::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  bert.visit(join_name(prefix, "bert"), visitor);
  hidden.visit(join_name(prefix, "vil_prediction.main.0"), visitor);
  answers.visit(join_name(prefix, "vil_prediction.main.3"), visitor);
}

Variable VilbertRetrieval::loss(const Variable& scores, int64_t options) {
  const int64_t pairs = scores.size(0);
  check(options >= 1 && pairs >= 1 && pairs % options == 0, "vilbert: ", pairs, " pairs are no groups of ", options);
  const int64_t groups = pairs / options;
  return cross_entropy(reshape(scores, {groups, options}),
                       Tensor::from(std::vector<int64_t>(static_cast<size_t>(groups), 0)));
}

void VilbertRetrieval::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  bert.visit(join_name(prefix, "bert"), visitor);
  logit.visit(join_name(prefix, "vil_logit"), visitor);
}

}  // namespace tessera
