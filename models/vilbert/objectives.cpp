#include "models/vilbert/objectives.h"

#include "autograd/functions.h"
#include "tensor/ops/concatenate.h"
#include "tensor/ops/reduce.h"

namespace tessera {

void VilbertWeights::validate() const {
  for (const double weight : {mlm, mrm, match})
    check(weight >= 0, "vilbert: a loss has the weight ", weight, ", expected 0 or more");
  check(mlm + mrm + match > 0, "vilbert: no loss has a weight");
}

VilbertTaskBatch VilbertTaskBatch::of(std::span<const RegionPair> pairs, const SampleSource& source,
                                      const VilbertConfig& config) {
  VilbertTaskBatch out;
  std::vector<std::vector<int64_t>> texts;
  std::vector<PictureRows> pictures;
  std::vector<int64_t> word_rows, word_labels, region_rows, match;
  std::vector<Tensor> distributions;
  int64_t token = 0, row = 0;
  for (const RegionPair& pair : pairs) {
    const Regions& regions = pair.regions;
    texts.push_back(pair.words.ids.empty() ? pair.text.ids : pair.words.ids);
    pictures.push_back(picture_rows(regions.features, regions.boxes, static_cast<double>(regions.width),
                                    static_cast<double>(regions.height), {pair.masked, pair.hidden}));
    for (size_t t = 0; pair.told && t < pair.words.labels.size(); ++t) {
      if (pair.words.labels[t] == kIgnoreLabel) continue;
      word_rows.push_back(token + static_cast<int64_t>(t));
      word_labels.push_back(pair.words.labels[t]);
    }
    for (const int64_t region : pair.told ? pair.masked : std::vector<int64_t>{}) {
      region_rows.push_back(row + 1 + region);
      distributions.push_back(regions.distributions.narrow(0, region, 1));
    }
    match.push_back(!pair.matched);
    out.sample_ids.push_back(source.id_of(pair.caption));
    token += static_cast<int64_t>(pair.text.ids.size());
    row += regions.count() + 1;
  }
  out.texts = VilbertTexts::of(texts, config);
  out.pictures = VilbertPictures::of(pictures, config);
  out.word_rows = Tensor::from(word_rows);
  out.word_labels = Tensor::from(word_labels);
  out.region_rows = Tensor::from(region_rows);
  if (!distributions.empty()) out.distributions = ops::concatenate(distributions, 0);
  out.match = Tensor::from(match);
  return out;
}

FigureTable vilbert_figures(const VilbertWeights& weights) {
  FigureTable table;
  if (weights.mlm > 0) table.push_back({"mlm", "masked"});
  if (weights.mrm > 0) table.push_back({"mrm", "regions"});
  if (weights.match > 0) table.push_back({"match", "pairs"});
  return table;
}

std::vector<int64_t> vilbert_divisors(const VilbertTaskBatch& batch) {
  return {batch.word_rows.numel(), batch.region_rows.numel(), batch.match.numel()};
}

Losses vilbert_task_losses(const VilbertPretraining& model, const VilbertTaskBatch& batch,
                           const VilbertWeights& weights, std::span<const int64_t> divisors,
                           const ForwardContext& context) {
  Losses out;
  const Variable& parameter = model.alignment.weight;
  const Vilbert::Output states =
      model.bert(batch.texts, batch.pictures.to(parameter.dtype(), parameter.value().device()), context);
  // `logits` undefined: there is nothing of it in this micro-batch.
  const auto add = [&](const char* name, double weight, const Variable& logits, const Tensor& labels,
                       const Variable& sum, int64_t divisor) {
    LossTerm& term = out.terms.emplace_back(LossTerm{name, {}, logits, labels});
    if (!logits.defined()) return;
    term.loss = sum / static_cast<double>(divisor);
    const Variable weighted = term.loss * weight;
    out.total = out.total.defined() ? out.total + weighted : weighted;
  };
  if (weights.mlm > 0) {
    Variable logits, sum;
    if (batch.word_rows.numel() > 0) {
      logits = model.word_scores(states.streams.text, batch.word_rows);
      sum = cross_entropy(logits, batch.word_labels, Reduction::sum);
    }
    add("mlm", weights.mlm, logits, batch.word_labels, sum, divisors[0]);
  }
  if (weights.mrm > 0) {
    Variable logits, sum;
    Tensor labels;
    if (batch.region_rows.numel() > 0) {
      logits = model.region_scores(states.streams.vision, batch.region_rows);
      labels = ops::argmax(batch.distributions, 1, false);
      sum = kl_div(logits, batch.distributions.to(logits.dtype()), Reduction::sum);
    }
    add("mrm", weights.mrm, logits, labels, sum, divisors[1]);
  }
  if (weights.match > 0) {
    const Variable logits = model.alignment(states.fused);
    add("match", weights.match, logits, batch.match, cross_entropy(logits, batch.match, Reduction::sum), divisors[2]);
  }
  return out;
}

bool vilbert_reaches(const std::string& parameter, const VilbertWeights& weights) {
  const auto begins = [&](const char* beginning) { return parameter.starts_with(beginning); };
  if (begins("cls.predictions.")) return weights.mlm > 0;
  if (begins("cls.imagePredictions.")) return weights.mrm > 0;
  if (begins("cls.bi_seq_relationship.") || begins("bert.t_pooler.") || begins("bert.v_pooler."))
    return weights.match > 0;
  return true;
}

}  // namespace tessera
