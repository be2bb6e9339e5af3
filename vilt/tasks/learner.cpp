#include "vilt/tasks/learner.h"

#include <cmath>

#include "autograd/finite.h"
#include "nn/gradient_clipping.h"
#include "tensor/device.h"
#include "tensor/ops/reduce.h"
#include "vilt/initialise.h"
#include "vilt/precision.h"

namespace tessera {
namespace {

// Names of the parameters that some objective with a weight reaches.
bool is_trained(const std::string& name, const Settings::Objectives& objectives) {
  if (name.starts_with("mlm_score.")) return objectives.mlm_weight != 0;
  if (name.starts_with("mpp_score.") || name.ends_with("embeddings.mask_token")) return objectives.mpp_weight != 0;
  if (name.starts_with("itm_score.") || name.starts_with("vilt.pooler.")) return objectives.itm_weight != 0;
  return true;
}

bool is_head(const std::string& name) {
  return name.starts_with("mlm_score.") || name.starts_with("itm_score.") || name.starts_with("mpp_score.");
}

// Of the figures that lie on a GPU until they are read.
enum Deferred : int { kLoss, kMlm, kItm, kWpa, kMpp, kNorm, kMaskedCorrect, kPairsCorrect, kColoursCorrect };

std::string sentence_list(const std::vector<PretrainBatch>& step) {
  std::string out;
  for (const PretrainBatch& batch : step)
    for (const int64_t id : batch.sample_ids) out += (out.empty() ? "" : ", ") + std::to_string(id);
  return out;
}

}  // namespace

void Interval::add(const StepReport& report, double step_seconds, double step_wait) {
  sum.step = report.step;
  sum.learning_rate = report.learning_rate;
  sum.loss += report.loss;
  sum.mlm_loss += report.mlm_loss;
  sum.itm_loss += report.itm_loss;
  sum.wpa_loss += report.wpa_loss;
  sum.mpp_loss += report.mpp_loss;
  sum.gradient_norm += report.gradient_norm;
  sum.masked += report.masked;
  sum.masked_correct += report.masked_correct;
  sum.pairs += report.pairs;
  sum.pairs_correct += report.pairs_correct;
  sum.colours += report.colours;
  sum.colours_correct += report.colours_correct;
  ++steps;
  seconds += step_seconds;
  wait += step_wait;
}

ModelConfig model_config(const Settings& settings) {
  ModelConfig config = settings.model;
  config.heads.masked_patches = settings.objectives.mpp_weight != 0;
  return config;
}

SampleOptions sample_options(const Settings& settings) {
  SampleOptions options;
  options.resize = settings.image.resize == "shorter";
  options.shorter = static_cast<int>(settings.image.shorter);
  options.patch = static_cast<int>(settings.model.patch_size);
  options.norm.mean.fill(static_cast<float>(settings.image.mean));
  options.norm.std.fill(static_cast<float>(settings.image.std));
  options.respect_orientation = settings.image.respect_orientation;
  options.max_length = settings.model.max_position_embeddings;
  options.cache_bytes = settings.data.cache_bytes;
  return options;
}

CollatorOptions collator_options(const Settings& settings) {
  const auto& objectives = settings.objectives;
  CollatorOptions options;
  options.batch_size = settings.train.batch_size;
  options.accumulate = settings.train.accumulate;
  options.seed = static_cast<uint64_t>(settings.train.seed);
  options.table_side = settings.model.table_side();
  options.max_patches = settings.image.max_patches;
  options.masked_words = objectives.mlm_weight != 0;
  options.rand_augment = settings.image.augment == "randaugment";
  options.pairs = objectives.itm_weight != 0 || objectives.wpa_weight != 0;
  options.masked_patches = objectives.mpp_weight != 0;
  options.levels = settings.train.device != "cpu";
  options.patch_masking = {objectives.patch_mask_rate, objectives.patch_replace_rate};
  options.masking.variant = objectives.masking == "strict" ? MaskingOptions::strict : MaskingOptions::official;
  options.masking.rate = objectives.mask_rate;
  options.masking.content_first = objectives.content_first;
  options.masking.max_length = settings.model.max_position_embeddings;
  options.sibling_negatives = objectives.sibling_negatives;
  options.false_images_in_batch = objectives.false_images == "batch";
  options.curriculum_steps = std::llround(settings.train.curriculum * static_cast<double>(settings.train.steps));
  options.curriculum_group = settings.train.curriculum_group;
  return options;
}

ObjectiveOptions objective_options(const Settings& settings) {
  const auto& from = settings.objectives;
  return {from.mlm_weight, from.itm_weight, from.wpa_weight, from.ipot_beta, from.ipot_iterations,
          from.mpp_weight};
}

Learner::Learner(const Settings& settings) : settings_(settings), objectives_(objective_options(settings)) {
  settings_.model = model_config(settings);
  settings_.model.check_trainable();
  model_ = std::make_unique<ViltWithHeads>(settings_.model);
  initialise(*model_, settings.init, static_cast<uint64_t>(settings.train.seed));
  const Device device = device_named("train.device", settings.train.device);
  parameters_ = std::make_unique<ParameterSet>(*model_, DType::f32, "", device);
  use_precision(model_->vilt, precision_named("train.precision", settings.train.precision));
  if (device.kind == Device::cuda) figures_.emplace(device);
  if (settings.train.cuda_graph) graph_.emplace(device);
  const auto& from = settings.optimizer;
  const AdamWOptions options{from.beta1, from.beta2, from.eps, from.weight_decay,
                             from.variant == "torch" ? AdamWVariant::torch : AdamWVariant::transformers};
  std::set<std::string> trained;
  for (const std::string& name : parameters_->names())
    if (is_trained(name, settings.objectives)) trained.insert(name);
  const auto group = [&](const std::string& name, const Variable& parameter) {
    ParameterGroup result = default_group(name, parameter);
    if (name.ends_with("patch_embeddings.projection.weight"))
      result.learning_rate_multiplier = from.patch_projection_factor;
    else if (is_head(name))
      result.learning_rate_multiplier = from.head_factor;
    return result;
  };
  optimizer_ = std::make_unique<AdamW>(*parameters_, options, group, trained);
  schedule_ = {from.learning_rate, std::llround(from.warmup * static_cast<double>(settings.train.steps)),
               settings.train.steps, from.power, from.end_learning_rate};
  schedule_.validate();
}

void Learner::add_micro_batch(const PretrainBatch& batch, const LossDivisors& divisors, TicketSource& tickets,
                              StepReport& report) {
  BlockContext context;
  context.dropout = settings_.model.hidden_dropout_prob;
  context.activation_dropout = settings_.model.dropout_after_activation ? context.dropout : 0;
  context.training = true;
  context.tickets = &tickets;
  context.checkpoint_blocks = settings_.train.checkpoint_blocks;
  const Objectives out = pretrain_objectives(*model_, batch, objectives_, divisors, context);
  if (!out.total.defined()) return;  // nothing was masked in this micro-batch and there are no pairs
  add_losses(batch, out, report);
  out.total.backward();
}

void Learner::add_losses(const PretrainBatch& batch, const Objectives& out, StepReport& report) {
  const auto add_value = [&](const Variable& loss, double& sum, Deferred figure) {
    if (!loss.defined()) return;
    if (figures_)
      figures_->add(figure, loss.value());
    else
      sum += loss.value().item<double>();
  };
  const auto add_correct = [&](const Tensor& logits, const Tensor& labels, int64_t& sum, Deferred figure) {
    const Tensor predicted = ops::argmax(logits, 1, false);
    if (figures_) return figures_->add_matches(figure, predicted, labels);
    const std::vector<int64_t> got = predicted.to_vector<int64_t>(), wanted = labels.to_vector<int64_t>();
    for (size_t i = 0; i < wanted.size(); ++i) sum += got[i] == wanted[i];
  };
  const ObjectiveTables& tables = batch.objectives;
  add_value(out.total, report.loss, kLoss);
  add_value(out.mlm, report.mlm_loss, kMlm);
  add_value(out.itm, report.itm_loss, kItm);
  add_value(out.wpa, report.wpa_loss, kWpa);
  add_value(out.mpp, report.mpp_loss, kMpp);
  if (out.mlm.defined()) {
    report.masked += batch.masked();
    add_correct(out.mlm_logits.value(), tables.masked_labels, report.masked_correct, kMaskedCorrect);
  }
  if (out.itm.defined()) {
    report.pairs += batch.pairs();
    add_correct(out.itm_logits.value(), tables.pair_labels, report.pairs_correct, kPairsCorrect);
  }
  if (out.mpp.defined()) {
    const int64_t colours = tables.target_colours.numel();
    report.colours += colours;
    add_correct(out.mpp_logits.value().view({colours, 256}), tables.target_colours.view({colours}),
                report.colours_correct, kColoursCorrect);
  }
}

void Learner::add_micro_batches(const std::vector<PretrainBatch>& step, const LossDivisors& divisors,
                                StepReport& report) {
  parameters_->clear_gradients();
  TicketSource tickets(static_cast<uint64_t>(settings_.train.seed), static_cast<uint32_t>(report.step - 1));
  for (const PretrainBatch& batch : step) add_micro_batch(batch, divisors, tickets, report);
}

StepReport Learner::update(const std::vector<PretrainBatch>& step) {
  const int64_t finished = optimizer_->updates();
  const LossDivisors divisors = count_divisors(step);
  StepReport report;
  report.step = finished + 1;
  // transformers' scheduler is asked before the update, so under warm-up its first rate is 0.
  report.learning_rate = schedule_.rate(settings_.optimizer.variant == "torch" ? finished + 1 : finished);
  if (figures_) {
    const auto work = [&] { update_on_device(step, divisors, report); };
    graph_ ? graph_->run(work) : work();
    return report;
  }
  add_micro_batches(step, divisors, report);
  report.gradient_norm = parameters_->global_norm();
  if (!std::isfinite(report.loss) || !std::isfinite(report.gradient_norm))
    explain_non_finite(step, {report.step, report.loss, report.gradient_norm});
  optimizer_->step(report.learning_rate, clip_factor(report.gradient_norm, settings_.optimizer.clip));
  return report;
}

void Learner::update_on_device(const std::vector<PretrainBatch>& step, const LossDivisors& divisors,
                               StepReport& report) {
  add_micro_batches(step, divisors, report);
  parameters_->finish_gradients();
  optimizer_->step(report.learning_rate, figures_->finish_step(report.step, kLoss, kNorm, parameters_->gradients(),
                                                               settings_.optimizer.clip));
}

std::optional<FailedStep> Learner::read_figures(StepReport& sum) {
  if (!figures_) return std::nullopt;
  check_device_errors(parameters_->device());
  const ops::StepFigures::Read read = figures_->read();
  if (read.failed_step > 0) return FailedStep{read.failed_step, read.failed_loss, read.failed_norm};
  const auto add = [&](double& to, Deferred figure) { to += read.sums[figure]; };
  const auto count = [&](int64_t& to, Deferred figure) { to += static_cast<int64_t>(read.sums[figure]); };
  add(sum.loss, kLoss);
  add(sum.mlm_loss, kMlm);
  add(sum.itm_loss, kItm);
  add(sum.wpa_loss, kWpa);
  add(sum.mpp_loss, kMpp);
  add(sum.gradient_norm, kNorm);
  count(sum.masked_correct, kMaskedCorrect);
  count(sum.pairs_correct, kPairsCorrect);
  count(sum.colours_correct, kColoursCorrect);
  return std::nullopt;
}

// The same tickets give the same values.
void Learner::explain_non_finite(const std::vector<PretrainBatch>& step, const FailedStep& failed) {
  const LossDivisors divisors = count_divisors(step);
  std::string reason = "no single tensor, only their sum, is not finite";
  for (const ParameterSet::Slot& slot : parameters_->slots()) {
    if (all_finite(slot.parameter.value())) continue;
    reason = "parameter " + slot.name + " is not finite";
    throw NonFinite(text("step ", failed.step, ": ", reason, " (sentences ", sentence_list(step), ")"));
  }
  try {
    const CheckFinite guard;
    StepReport again;
    again.step = failed.step;
    add_micro_batches(step, divisors, again);
  } catch (const NonFinite& error) {
    reason = error.what();
  }
  throw NonFinite(text("step ", failed.step, ": loss ", failed.loss, ", gradient norm ", failed.gradient_norm, ": ",
                       reason, " (sentences ", sentence_list(step), "); nothing was updated"));
}

}  // namespace tessera
