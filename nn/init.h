// Initialisation. A value is a function of (seed, parameter name, element index) and of nothing else, so parameters may
// be initialised in any order, and a model that gains a parameter keeps the others.
#pragma once

#include <string>

#include "autograd/variable.h"

namespace tessera {

// Each overwrites the parameter (f32 or f64; both get the same draws).
void init_normal_(Variable& parameter, const std::string& name, uint64_t seed, double deviation);
// Normal with values beyond two deviations drawn again. The deviation of the result is 0.88 of `deviation`.
void init_truncated_normal_(Variable& parameter, const std::string& name, uint64_t seed, double deviation);
// Uniform in [-bound, bound).
void init_uniform_(Variable& parameter, const std::string& name, uint64_t seed, double bound);
// Normal with deviation 1 / sqrt(inputs): keeps the variance of a linear map's output at its input's. `inputs` is the
// product of all sizes but the first.
void init_fan_in_(Variable& parameter, const std::string& name, uint64_t seed);

}  // namespace tessera
