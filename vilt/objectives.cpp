#include "vilt/objectives.h"

#include "autograd/finite.h"
#include "autograd/functions.h"
#include "tensor/ops/ipot.h"
#include "vilt/tasks/task_losses.h"

namespace tessera {

// What a micro-batch gives to each objective.
struct ObjectiveInput {
  const ViltWithHeads& model;
  const ObjectiveTables& tables;
  const ObjectiveOptions& options;
  const Tensor& frozen_plan;
};

namespace {

void masked_words(LossTerm& term, Objectives& out, const ObjectiveInput& in, int64_t masked) {
  term.logits = in.model.masked_word_logits(out.hidden, in.tables.masked_rows);
  term.labels = in.tables.masked_labels;
  term.loss = cross_entropy(term.logits, term.labels, Reduction::sum) * (1.0 / static_cast<double>(masked));
}

void matching(LossTerm& term, Objectives& out, const ObjectiveInput& in, int64_t pairs) {
  term.logits = in.model.matching_logits(out.hidden, in.tables.pair_rows);
  term.labels = in.tables.pair_labels;
  term.loss = cross_entropy(term.logits, term.labels, Reduction::sum) * (1.0 / static_cast<double>(pairs));
}

// +1 for a true pair, -1 for a false one.
Tensor signs(const Tensor& labels) {
  std::vector<double> values;
  for (const int64_t label : labels.to_vector<int64_t>()) values.push_back(label == 1 ? 1 : -1);
  return Tensor::from(values);
}

void alignment(LossTerm& term, Objectives& out, const ObjectiveInput& in, int64_t pairs) {
  const NameScope scope("wpa");
  const Vilt& vilt = in.model.vilt;
  const Variable cost = alignment_cost(vilt, out.hidden, in.tables);
  out.cost = cost.value();
  out.plan = in.frozen_plan.defined() ? in.frozen_plan
                                      : ops::ipot(out.cost, in.tables.cu_words, in.tables.cu_patches,
                                                  in.options.ipot_beta, in.options.ipot_iterations);
  // The loss is a small difference of distances near one, which would leave f32 few digits.
  out.distance =
      transport_distance(cast(cost, DType::f64), out.plan.to(DType::f64), in.tables.cu_words, in.tables.cu_patches);
  const Variable sign(signs(in.tables.pair_labels).to(vilt.device()));
  term.loss = cast(sum(out.distance * sign) * (1.0 / static_cast<double>(pairs)), cost.dtype());
}

void masked_patches(LossTerm& term, Objectives& out, const ObjectiveInput& in, int64_t patches) {
  const Variable logits = in.model.masked_patch_logits(out.hidden, in.tables.target_rows);
  const int64_t colours = in.tables.target_colours.numel();
  term.loss = patch_loss(logits, in.tables.target_colours, patches);
  term.logits = reshape(logits, {colours, logits.value().numel() / colours});
  term.labels = in.tables.target_colours.view({colours});
}

const Objective kObjectives[] = {
    {{"mlm", "masked"},
     &ObjectiveOptions::mlm_weight,
     "mean over masked tokens",
     nullptr,
     nullptr,
     true,
     &PretrainBatch::masked,
     masked_words},
    {{"itm", "pairs"},
     &ObjectiveOptions::itm_weight,
     "mean over pairs",
     nullptr,
     nullptr,
     true,
     &PretrainBatch::pairs,
     matching},
    {{"wpa", ""},
     &ObjectiveOptions::wpa_weight,
     "(matched - unmatched distances) / pairs",
     "Word–patch alignment",
     "Transport distance, matched minus unmatched pairs; lower is better.",
     true,
     &PretrainBatch::pairs,
     alignment},
    {{"mpp", "colours"},
     &ObjectiveOptions::mpp_weight,
     "mean over the channels of masked patches",
     "Masked patches",
     "Cross-entropy of a channel's mean level; guessing among 256 costs 5.5.",
     false,
     &PretrainBatch::masked_patches,
     masked_patches},
};

bool has_weight(std::string_view name, const ObjectiveOptions& options) {
  for (const Objective& objective : kObjectives)
    if (objective.term.name == name) return options.*objective.weight != 0;
  return false;
}

}  // namespace

std::span<const Objective> all_objectives() { return kObjectives; }

bool is_logged(const Objective& objective, const ObjectiveOptions& options) {
  return objective.always_logged || options.*objective.weight != 0;
}

FigureTable objective_table(const ObjectiveOptions& options) {
  FigureTable table;
  for (const Objective& objective : kObjectives)
    if (is_logged(objective, options)) table.push_back(objective.term);
  return table;
}

bool is_reached(const std::string& parameter, const ObjectiveOptions& options) {
  if (parameter.ends_with("embeddings.mask_token")) return has_weight("mpp", options);
  if (parameter.starts_with("vilt.pooler.")) return has_weight("itm", options);
  const HeadInfo* head = head_of(parameter);
  return head == nullptr || head->objective == nullptr || has_weight(head->objective, options);
}

Variable alignment_cost(const Vilt& model, const Variable& hidden, const ObjectiveTables& tables) {
  const auto rows = [&](const Tensor& index) { return model.in_parameter_type(gather_rows({hidden}, index)); };
  return cosine_cost(rows(tables.word_rows), rows(tables.patch_rows), tables.cu_words, tables.cu_patches);
}

std::vector<int64_t> count_divisors(std::span<const PretrainBatch> step) {
  std::vector<int64_t> divisors;
  for (const Objective& objective : kObjectives) {
    int64_t& count = divisors.emplace_back(0);
    for (const PretrainBatch& batch : step) count += (batch.*objective.count)();
  }
  return divisors;
}

Objectives pretrain_objectives(const ViltWithHeads& model, const PretrainBatch& batch, const ObjectiveOptions& options,
                               std::span<const int64_t> divisors, const ForwardContext& context,
                               const Tensor& frozen_plan) {
  Objectives out;
  out.hidden = model.vilt(batch.packed, context);
  const ObjectiveInput in{model, batch.objectives, options, frozen_plan};
  size_t place = 0;
  for (const Objective& objective : kObjectives) {
    const int64_t divisor = divisors[place++];
    if (!is_logged(objective, options)) continue;
    LossTerm& term = out.terms.emplace_back(LossTerm{objective.term.name, {}, {}, {}});
    const double weight = options.*objective.weight;
    if (weight == 0 || (batch.*objective.count)() == 0) continue;
    objective.compute(term, out, in, divisor);
    const Variable weighted = term.loss * weight;
    out.total = out.total.defined() ? out.total + weighted : weighted;
  }
  return out;
}

std::string loss_equation(const ObjectiveOptions& options) {
  std::string out = "loss =";
  for (const Objective& objective : kObjectives)
    if (const double weight = options.*objective.weight; weight != 0)
      out += text(out.back() == '=' ? " " : " + ", weight, " · ", objective.term.name, " (", objective.mean, ")");
  return out;
}

}  // namespace tessera
