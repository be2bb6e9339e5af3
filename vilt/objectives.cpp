#include "vilt/objectives.h"

#include "autograd/functions.h"
#include "autograd/finite.h"
#include "tensor/ops/ipot.h"
#include "vilt/tasks/task_losses.h"

namespace tessera {
namespace {

// +1 for a true pair, -1 for a false one.
Tensor signs(const Tensor& labels) {
  std::vector<double> values;
  for (const int64_t label : labels.to_vector<int64_t>()) values.push_back(label == 1 ? 1 : -1);
  return Tensor::from(values);
}

void add_term(Variable& total, const Variable& term, double weight) {
  const Variable weighted = term * weight;
  total = total.defined() ? total + weighted : weighted;
}

void align(Objectives& out, const Vilt& model, const PretrainBatch& batch, const ObjectiveOptions& options,
           const LossDivisors& divisors, const Tensor& frozen_plan) {
  const NameScope scope("wpa");
  const ObjectiveTables& tables = batch.objectives;
  const Variable cost = alignment_cost(model, out.hidden, tables);
  out.cost = cost.value();
  out.plan = frozen_plan.defined() ? frozen_plan
                                   : ops::ipot(out.cost, tables.cu_words, tables.cu_patches, options.ipot_beta,
                                               options.ipot_iterations);
  // The loss is a small difference of distances near one, which would leave f32 few digits.
  out.distance = transport_distance(cast(cost, DType::f64), out.plan.to(DType::f64), tables.cu_words, tables.cu_patches);
  const Variable sign(signs(tables.pair_labels).to(model.device()));
  out.wpa = cast(sum(out.distance * sign) * (1.0 / static_cast<double>(divisors.pairs)), cost.dtype());
}

}  // namespace

Variable alignment_cost(const Vilt& model, const Variable& hidden, const ObjectiveTables& tables) {
  const auto rows = [&](const Tensor& index) { return model.in_parameter_type(gather_rows({hidden}, index)); };
  return cosine_cost(rows(tables.word_rows), rows(tables.patch_rows), tables.cu_words, tables.cu_patches);
}

LossDivisors count_divisors(const std::vector<PretrainBatch>& step) {
  LossDivisors divisors;
  for (const PretrainBatch& batch : step) {
    divisors.masked += batch.masked();
    divisors.pairs += batch.pairs();
    divisors.patches += batch.masked_patches();
  }
  return divisors;
}

Objectives pretrain_objectives(const ViltWithHeads& model, const PretrainBatch& batch, const ObjectiveOptions& options,
                               const LossDivisors& divisors, const BlockContext& context, const Tensor& frozen_plan) {
  Objectives out;
  out.hidden = model.vilt(batch.packed, context);
  const ObjectiveTables& tables = batch.objectives;
  if (options.mlm_weight != 0 && batch.masked() > 0) {
    out.mlm_logits = model.masked_word_logits(out.hidden, tables.masked_rows);
    out.mlm = cross_entropy(out.mlm_logits, tables.masked_labels, Reduction::sum) *
              (1.0 / static_cast<double>(divisors.masked));
    add_term(out.total, out.mlm, options.mlm_weight);
  }
  if (options.itm_weight != 0 && batch.pairs() > 0) {
    out.itm_logits = model.matching_logits(out.hidden, tables.pair_rows);
    out.itm = cross_entropy(out.itm_logits, tables.pair_labels, Reduction::sum) *
              (1.0 / static_cast<double>(divisors.pairs));
    add_term(out.total, out.itm, options.itm_weight);
  }
  if (options.wpa_weight != 0 && batch.pairs() > 0) {
    align(out, model.vilt, batch, options, divisors, frozen_plan);
    add_term(out.total, out.wpa, options.wpa_weight);
  }
  if (options.mpp_weight != 0 && batch.masked_patches() > 0) {
    out.mpp_logits = model.masked_patch_logits(out.hidden, tables.target_rows);
    out.mpp = patch_loss(out.mpp_logits, tables.target_colours, divisors.patches);
    add_term(out.total, out.mpp, options.mpp_weight);
  }
  return out;
}

std::string loss_equation(const ObjectiveOptions& options) {
  std::string out = "loss =";
  const auto term = [&](double weight, const char* name) {
    if (weight != 0) out += text(out.back() == '=' ? " " : " + ", weight, " · ", name);
  };
  term(options.mlm_weight, "mlm (mean over masked tokens)");
  term(options.itm_weight, "itm (mean over pairs)");
  term(options.wpa_weight, "wpa ((matched - unmatched distances) / pairs)");
  term(options.mpp_weight, "mpp (mean over the channels of masked patches)");
  return out;
}

}  // namespace tessera
