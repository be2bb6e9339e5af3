// Gradient checks of every differentiable op of autograd/functions.h: what `vilt gradcheck` runs. Each op is checked on
// the inputs that could go wrong in a way of their own: strided memory, broadcasting, odd sizes, sequences of length 1
// and 0, rows that do not count, and sizes beyond one tile of a blocked kernel.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "autograd/gradcheck.h"

namespace tessera {

struct OpCheck {
  std::string name;     // of the function in autograd/functions.h, e.g. "layer_norm"
  std::string variant;  // what is special about these inputs, e.g. "strided"
  GradcheckFunction f;
  std::vector<Tensor> inputs;  // f64
  GradcheckOptions options;

  GradcheckReport run() const { return gradcheck(f, inputs, options); }
};

// All checks, in the order of autograd/functions.h. The values of the inputs, the cotangents and the dropout tickets
// are a function of the seed.
std::vector<OpCheck> all_op_checks(uint64_t seed = 1);

// A check that cannot fail proves nothing. These two are the mistakes of hand-written gradients: a factor that is
// slightly wrong everywhere, and a term that is missing in one place.
enum class PlantedError : uint8_t {
  scaled,   // all of the input's gradient is multiplied by 1.01
  dropped,  // the largest element of the input's gradient is 0
};

// The same check with an error in the gradient of one input. It must find it, if the input is one of the following.
OpCheck with_planted_error(const OpCheck& check, size_t input, PlantedError error);

// The inputs in whose gradient an error shows: those with elements, and a gradient that is not zero everywhere.
std::vector<size_t> inputs_with_gradient(const OpCheck& check);

}  // namespace tessera
