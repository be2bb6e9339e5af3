// What a run's settings of the optimiser mean, for every task on ViLT.
#pragma once

#include <string>

#include "nn/adamw.h"
#include "nn/schedule.h"
#include "vilt/tasks/settings.h"

namespace tessera {

AdamWOptions adamw_options(const Settings::Optimizer& settings);

// Warm-up is a share of the steps; what is left of a step is cut off, as in ViLT's published code: 0.1 of 29 are 2.
PolynomialSchedule schedule_of(const Settings::Optimizer& settings, int64_t steps);

// The group of the parameter `name` (Hugging Face's names). Vectors do not decay, but for the weight of the
// classifier's LayerNorm in variant "transformers", which follows ViLT's published code there: that asks whether an
// official name has "LayerNorm.weight", "norm1.weight" and the like in it, and "vqa_classifier.1.weight" has not.
ParameterGroup parameter_group(const Settings::Optimizer& settings, const std::string& name, const Variable& parameter);

}  // namespace tessera
