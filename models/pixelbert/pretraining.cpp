#include "models/pixelbert/pretraining.h"

#include "autograd/tape.h"

namespace tessera {
namespace {

PixelBert drawn_pixelbert(const PixelBertOptions& options) {
  PixelBert model(options.model);
  initialise(model, options.init, options.seed);
  return model;
}

}  // namespace

PixelBertPretraining::PixelBertPretraining(const PixelBertOptions& options)
    : options_(options), model_(drawn_pixelbert(options)), parameters_(model_, options.dtype, "", options.device) {
  check(options.backbone_rate >= 0, "pixelbert: the factor on the network's learning rate is ", options.backbone_rate,
        ", expected at least 0");
}

std::string pixelbert_loss_equation(double mlm_weight, double itm_weight) {
  std::string out = "loss =";
  const auto add = [&](double weight, const char* term) {
    if (weight != 0) out += text(out.back() == '=' ? " " : " + ", weight, " · ", term);
  };
  add(mlm_weight, "mlm (mean over masked tokens)");
  add(itm_weight, "itm (mean over pairs)");
  return out;
}

ParameterGroup PixelBertPretraining::group(const std::string& name, const Variable& parameter) const {
  ParameterGroup out = default_group(name, parameter);
  if (name.starts_with("visual.backbone.")) out.learning_rate_multiplier = options_.backbone_rate;
  return out;
}

// No loss reaches a head whose weight is 0.
std::set<std::string> PixelBertPretraining::trained() const {
  std::set<std::string> out;
  for (const std::string& name : parameters_.names()) {
    if (options_.backbone == BackboneTraining::frozen && name.starts_with("visual.backbone.")) continue;
    if (options_.mlm_weight == 0 && name.starts_with("cls.predictions.")) continue;
    const bool matching = name.starts_with("cls.seq_relationship.") || name.starts_with("bert.pooler.");
    if (options_.itm_weight == 0 && matching) continue;
    out.insert(name);
  }
  return out;
}

Variable PixelBertPretraining::cells_of(const Tensor& pictures) const {
  const Variable input(pictures.to(options_.dtype).to(parameters_.device()));
  if (options_.backbone != BackboneTraining::frozen)
    return model_.grids(input, options_.backbone == BackboneTraining::batch_statistics).pixels;
  Tensor features;
  {
    const NoGrad frozen;
    features = model_.backbone(input, false).stages.back().value();
  }
  return model_.cells(Variable(features)).pixels;
}

Losses PixelBertPretraining::losses(const Batch& batch, std::span<const int64_t> divisors,
                                    TicketSource& tickets) const {
  ForwardContext context;
  context.training = true;
  context.tickets = &tickets;
  context.checkpoint_blocks = options_.checkpoint_blocks;
  PixelBertPairs pairs{batch.texts, {}, batch.ranges, batch.selected};
  for (const Tensor& pictures : batch.pictures) pairs.pixels.push_back(cells_of(pictures));
  const PixelBert::Output output = model_(pairs, context);
  Losses out;
  const auto add = [&](const char* name, double weight, const Variable& scores, const Tensor& labels, int64_t divisor) {
    LossTerm& term = out.terms.emplace_back(LossTerm{name, {}, scores, labels});
    if (!scores.defined()) return;
    term.loss = cross_entropy(scores, labels, Reduction::sum) * (1.0 / static_cast<double>(divisor));
    const Variable weighted = term.loss * weight;
    out.total = out.total.defined() ? out.total + weighted : weighted;
  };
  const bool words = options_.mlm_weight != 0 && batch.masked() > 0,
             match = options_.itm_weight != 0 && batch.pairs() > 0;
  add("mlm", options_.mlm_weight, words ? model_.word_scores(output, batch.masked_rows) : Variable(),
      batch.masked_labels, divisors[0]);
  add("itm", options_.itm_weight, match ? model_.match(gather_rows({output.pooled}, batch.pair_sequences)) : Variable(),
      batch.pair_labels, divisors[1]);
  return out;
}

std::string PixelBertPretraining::samples(std::span<const Batch> step) const {
  std::string out;
  for (const Batch& batch : step)
    for (const int64_t id : batch.sample_ids) out += (out.empty() ? "captions " : ", ") + std::to_string(id);
  return out;
}

}  // namespace tessera
