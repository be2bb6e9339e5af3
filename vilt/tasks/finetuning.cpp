#include "vilt/tasks/finetuning.h"

#include "nn/precision.h"
#include "tensor/device.h"
#include "vilt/tasks/initial_weights.h"
#include "vilt/tasks/optimizer_settings.h"
#include "vilt/tasks/pretraining.h"

namespace tessera {
namespace {

const DownstreamTask& task_of(const Settings& settings) {
  const DownstreamTask* task = downstream_task(settings.train.task);
  check(task != nullptr, "setting 'train.task': '", settings.train.task, "' is no downstream task");
  return *task;
}

Settings with_task(Settings settings, const std::vector<std::string>& labels) {
  settings.model = downstream_config(task_of(settings), settings.model, labels);
  settings.model.check_trainable();
  return settings;
}

}  // namespace

Finetuning::Finetuning(const Settings& settings, const std::vector<std::string>& labels, const LoadedModel* weights,
                       DType dtype)
    : settings_(with_task(settings, labels)),
      task_(task_of(settings)),
      model_(drawn_model(settings_)),
      parameters_(model_, dtype, "", device_named("train.device", settings.train.device)) {
  const Precision precision = precision_named("train.precision", settings.train.precision);
  if (dtype == DType::f32) context_.activations = use_precision(precision, parameters_.device());
  if (weights) beginnings_ = begin_with(*weights, parameters_, settings_.model);
}

ParameterGroup Finetuning::group(const std::string& name, const Variable& parameter) const {
  return parameter_group(settings_.optimizer, name, parameter);
}

std::set<std::string> Finetuning::trained() const {
  std::set<std::string> out;
  for (const std::string& name : parameters_.names())
    if (is_trained_downstream(name)) out.insert(name);
  return out;
}

Losses Finetuning::losses(const DownstreamBatch& batch, std::span<const int64_t> divisors,
                          TicketSource& tickets) const {
  ForwardContext context = context_;
  context.training = true;
  context.tickets = &tickets;
  context.checkpoint_blocks = settings_.train.checkpoint_blocks;
  Losses out;
  LossTerm& term = out.terms.emplace_back(LossTerm{task_.term.name, {}, {}, {}});
  if (batch.samples == 0) return out;
  task_.compute(term, model_, model_.vilt(batch.packed, context), batch, divisors[0]);
  out.total = term.loss;
  return out;
}

std::string Finetuning::samples(std::span<const DownstreamBatch> step) const {
  std::string out;
  for (const DownstreamBatch& batch : step)
    for (const int64_t id : batch.sample_ids)
      out += (out.empty() ? std::string(task_.samples) + " " : ", ") + std::to_string(id);
  return out;
}

}  // namespace tessera
