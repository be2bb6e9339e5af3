#include "vilt/tasks/optimizer_settings.h"

#include "vilt/heads.h"

namespace tessera {

AdamWOptions adamw_options(const Settings::Optimizer& settings) {
  return {settings.beta1, settings.beta2, settings.eps, settings.weight_decay,
          settings.variant == "torch" ? AdamWVariant::torch : AdamWVariant::transformers};
}

PolynomialSchedule schedule_of(const Settings::Optimizer& settings, int64_t steps) {
  const auto warmup = static_cast<int64_t>(settings.warmup * static_cast<double>(steps));
  return {settings.learning_rate, warmup, steps, settings.power, settings.end_learning_rate};
}

ParameterGroup parameter_group(const Settings::Optimizer& settings, const std::string& name,
                               const Variable& parameter) {
  ParameterGroup group = default_group(name, parameter);
  if (name.ends_with("patch_embeddings.projection.weight"))
    group.learning_rate_multiplier = settings.patch_projection_factor;
  const HeadInfo* head = head_of(name);
  if (head == nullptr) return group;
  if (head->own_rate) group.learning_rate_multiplier = settings.head_factor;
  if (head->norm_decays && settings.variant == "transformers" && name.ends_with(".weight")) group.decay = true;
  return group;
}

}  // namespace tessera
