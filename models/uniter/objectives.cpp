#include "models/uniter/objectives.h"

#include <algorithm>
#include <numeric>

#include "autograd/functions.h"
#include "models/uniter/losses.h"
#include "tensor/ops/reduce.h"

namespace tessera {
namespace {

constexpr uint64_t kUniterObjectiveStream = 14;

Tensor rows_of(const std::vector<Tensor>& parts) {
  std::vector<Variable> rows;
  for (const Tensor& part : parts) rows.emplace_back(part);
  return concatenate(rows, 0).value();
}

// [n] the likeliest class but background, 0.
Tensor likeliest_classes(const Tensor& distributions) {
  return ops::argmax(distributions.narrow(1, 1, distributions.size(1) - 1), 1, false);
}

Tensor plus_one(const Tensor& labels) {
  std::vector<int64_t> values = labels.to_vector<int64_t>();
  for (int64_t& value : values) ++value;
  return Tensor::from(values);
}

// A loss that is a mean over the micro-batch's own count, as the part of the step's mean that it is.
Variable of_step(const Variable& mean, int64_t own, int64_t all) {
  return mean * (static_cast<double>(own) / static_cast<double>(all));
}

}  // namespace

void UniterMix::validate() const {
  double sum = 0;
  for (size_t i = 0; i < shares.size(); ++i) {
    check(shares[i] >= 0 && shares[i] < 1e9, "uniter: the share of ", kUniterObjectives[i], " is ", shares[i],
          ", expected 0 or more");
    sum += shares[i];
  }
  check(sum > 0, "uniter: no task has a share in the mix (objectives.*_share)");
  check(wra_weight >= 0, "uniter: wra_weight is ", wra_weight, ", expected 0 or more");
  check(ipot_beta > 0, "uniter: ipot_beta is ", ipot_beta, ", expected more than 0");
  check(ipot_iterations >= 1, "uniter: ipot_iterations is ", ipot_iterations, ", expected at least 1");
}

UniterHeads UniterMix::heads() const {
  return {.words = of(UniterObjective::mlm) > 0,
          .region_features = of(UniterObjective::mrfr) > 0,
          .region_classes = of(UniterObjective::mrc) + of(UniterObjective::mrckl) > 0,
          .matching = of(UniterObjective::itm) > 0};
}

UniterObjective UniterMix::drawn(uint64_t seed, int64_t step) const {
  const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
  double left = Random(seed, kUniterObjectiveStream, step).uniform() * sum;
  size_t last = 0;
  for (size_t i = 0; i < shares.size(); ++i) {
    if (shares[i] == 0) continue;
    last = i;
    if (left < shares[i]) break;
    left -= shares[i];
  }
  return static_cast<UniterObjective>(last);
}

UniterSample uniter_sample(const std::vector<int64_t>& ids, const Regions& regions, std::vector<int64_t> masked) {
  const std::vector<float> corners = regions.boxes.to_vector<float>();
  const auto width = static_cast<float>(regions.width), height = static_cast<float>(regions.height);
  std::vector<float> places;
  for (size_t i = 0; i < corners.size(); i += 4) {
    const auto place = uniter_place(corners[i], corners[i + 1], corners[i + 2], corners[i + 3], width, height);
    places.insert(places.end(), place.begin(), place.end());
  }
  return {.ids = ids,
          .features = regions.features,
          .places = Tensor::from(places, {regions.count(), kUniterPlace}),
          .masked = std::move(masked)};
}

UniterTaskBatch UniterTaskBatch::of(UniterObjective objective, std::span<const RegionPair> pairs,
                                    const SampleSource& source, const UniterConfig& config) {
  UniterTaskBatch out;
  out.objective = objective;
  std::vector<UniterSample> samples;
  std::vector<int64_t> rows, labels, matched;
  std::vector<Tensor> features, distributions;
  int64_t begin = 0;
  for (const RegionPair& pair : pairs) {
    const bool of_words = objective == UniterObjective::mlm;
    samples.push_back(uniter_sample(of_words ? pair.words.ids : pair.text.ids, pair.regions, pair.hidden));
    for (size_t t = 0; pair.told && t < pair.words.labels.size(); ++t) {
      if (pair.words.labels[t] == kIgnoreLabel) continue;
      rows.push_back(begin + static_cast<int64_t>(t));
      labels.push_back(pair.words.labels[t]);
    }
    for (const int64_t region : pair.masked) {
      features.push_back(pair.regions.features.narrow(0, region, 1));
      distributions.push_back(pair.regions.distributions.narrow(0, region, 1));
    }
    matched.push_back(pair.matched);
    out.sample_ids.push_back(source.id_of(pair.caption));
    begin += static_cast<int64_t>(pair.text.ids.size()) + pair.regions.count();
  }
  out.packed = UniterBatch::of(samples, config);
  switch (objective) {
    case UniterObjective::mlm:
      out.masked_rows = Tensor::from(rows);
      out.masked_labels = Tensor::from(labels);
      break;
    case UniterObjective::itm: out.pair_labels = Tensor::from(matched); break;
    default:
      if (features.empty()) break;
      out.features = rows_of(features);
      out.distributions = rows_of(distributions);
  }
  return out;
}

FigureTable uniter_figures(const UniterMix& mix) {
  FigureTable table;
  const auto add = [&](UniterObjective objective, const char* counted) {
    if (mix.of(objective) > 0) table.push_back({kUniterObjectives[static_cast<size_t>(objective)], counted});
  };
  add(UniterObjective::mlm, "masked");
  add(UniterObjective::itm, "pairs");
  if (mix.of(UniterObjective::itm) > 0) table.push_back({"wra", ""});
  add(UniterObjective::mrfr, "");
  add(UniterObjective::mrc, "regions");
  add(UniterObjective::mrckl, "regions_kl");
  return table;
}

std::vector<int64_t> uniter_divisors(const UniterTaskBatch& batch) {
  return {batch.masked_words(), batch.masked_regions(), batch.pairs()};
}

Losses uniter_losses(const UniterWithHeads& model, const UniterTaskBatch& batch, const UniterMix& mix,
                     std::span<const int64_t> divisors, const ForwardContext& context) {
  Losses out;
  for (const Term& term : uniter_figures(mix)) out.terms.push_back({term.name, {}, {}, {}});
  const auto term = [&](const char* name) -> LossTerm& {
    return *std::find_if(out.terms.begin(), out.terms.end(), [&](const LossTerm& t) { return t.name == name; });
  };
  const int64_t words = batch.masked_words(), regions = batch.masked_regions(), pairs = batch.pairs();
  if (words + regions + pairs == 0) return out;
  const Variable hidden = model.uniter(batch.packed, context);
  LossTerm& own = term(kUniterObjectives[static_cast<size_t>(batch.objective)]);
  switch (batch.objective) {
    case UniterObjective::mlm:
      own.logits = model.word_logits(hidden, batch.masked_rows);
      own.labels = batch.masked_labels;
      own.loss = cross_entropy(own.logits, own.labels, Reduction::sum) / static_cast<double>(divisors[0]);
      break;
    case UniterObjective::itm: {
      own.logits = model.matching_logits(hidden, batch.packed);
      own.labels = batch.pair_labels;
      own.loss = cross_entropy(own.logits, own.labels, Reduction::sum) / static_cast<double>(divisors[2]);
      if (mix.wra_weight == 0) break;
      const DType dtype = own.logits.dtype();
      const Variable states = hidden.dtype() == dtype ? hidden : cast(hidden, dtype);
      LossTerm& alignment = term("wra");
      alignment.loss =
          of_step(uniter_alignment(states, batch.packed, batch.pair_labels, mix.ipot_beta, mix.ipot_iterations).loss,
                  pairs, divisors[2]);
      break;
    }
    case UniterObjective::mrfr:
      own.loss = of_step(uniter_feature_loss(model.region_features(hidden, batch.packed.masked_rows), batch.features),
                         regions, divisors[1]);
      break;
    default: {
      const bool kl = batch.objective == UniterObjective::mrckl;
      own.logits = model.region_logits(hidden, batch.packed.masked_rows);
      own.labels = plus_one(likeliest_classes(batch.distributions));
      own.loss = of_step(kl ? uniter_region_kl_loss(own.logits, batch.distributions)
                            : uniter_region_loss(own.logits, batch.distributions),
                         regions, divisors[1]);
    }
  }
  out.total = own.loss;
  if (batch.objective == UniterObjective::itm && mix.wra_weight != 0)
    out.total = out.total + term("wra").loss * mix.wra_weight;
  return out;
}

bool uniter_reaches(const std::string& parameter, const UniterMix& mix) {
  if (parameter.starts_with("uniter.pooler.")) return mix.of(UniterObjective::itm) > 0;
  if (parameter.ends_with("mask_embedding.weight")) return mix.has_masked_regions();
  return true;
}

}  // namespace tessera
