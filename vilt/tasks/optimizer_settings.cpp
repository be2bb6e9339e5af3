#include "vilt/tasks/optimizer_settings.h"

#include "vilt/heads.h"

namespace tessera {

ParameterGroup parameter_group(const OptimizerSettings& settings, const std::string& name, const Variable& parameter) {
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
