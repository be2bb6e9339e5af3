// What a run's settings of the optimiser mean, for every task on ViLT.
#pragma once

#include <string>

#include "nn/adamw.h"
#include "vilt/tasks/settings.h"

namespace tessera {

// The group of the parameter `name` (Hugging Face's names). Vectors do not decay, but for the weight of the
// classifier's LayerNorm in variant "transformers", which follows ViLT's published code there: that asks whether an
// official name has "LayerNorm.weight", "norm1.weight" and the like in it, and "vqa_classifier.1.weight" has not.
ParameterGroup parameter_group(const OptimizerSettings& settings, const std::string& name, const Variable& parameter);

}  // namespace tessera
