// Checks backward against central differences in f64.
//
// For outputs y = f(x) and a random cotangent u, let L(x) = Σ u·f(x). Backward gives dL/dx at once; each element x_i
// (or, on large inputs, each random direction v) is then compared with [L(x + h e_i) - L(x - h e_i)] / 2h. A random
// cotangent matters: a sum hides errors, since the rows of a softmax or a plain LayerNorm sum to constants, and a
// backward that returned zeros would pass.
//
// Bound. The central difference has truncation error O(h²) and rounding error O(ε_f64 |L| / h); with h = 1e-6 · max(1,
// |x|) and values of order one both lie near 1e-10, so a relative tolerance of 1e-6 has four digits to spare while any
// wrong term in a formula shows.
//
// The contract of `record` (autograd/tape.h) has more than values, so backward runs again: twice into gradients that
// are there already, which have to be added to, and once for each input that needs none, which must not change the
// others'.
//
// What it cannot see: of an input with more than `elementwise_limit` elements it compares `directions` random
// directions. In n dimensions an error in one element of relative size e changes such a derivative by about e/√n of its
// size, so that of 10⁵ elements a single wrong one shows from about 0.3 % on. At a kink (relu at 0, equal maxima) the
// central difference is neither one-sided derivative: right functions fail there, and inputs should keep away from it.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "autograd/variable.h"

namespace tessera {

struct GradcheckOptions {
  double step = 1e-6;               // h, relative to max(1, |x|)
  double relative = 1e-6;           // of the larger of both values and of this input's largest gradient element
  double absolute = 1e-9;           // below which a difference never counts
  int64_t elementwise_limit = 256;  // inputs with more elements are checked along random directions
  int directions = 16;
  uint64_t seed = 1;  // of the cotangent and the directions
};

struct GradcheckFailure {
  size_t input = 0;
  int64_t index = -1;  // row-major element, or -1 for a random direction
  double analytic = 0, numeric = 0, bound = 0;
  std::string when;  // empty: against the central difference; else which other backward should have given `numeric`
};

struct GradcheckReport {
  bool ok = true;
  double worst_fraction = 0;               // the largest |analytic - numeric| / bound
  int64_t checked = 0;                     // elements and directions compared
  std::vector<GradcheckFailure> failures;  // at most ten
  std::string message() const;             // names input, index, both values and the bound of each failure

  explicit operator bool() const { return ok; }
};

using GradcheckFunction = std::function<std::vector<Variable>(std::span<const Variable>)>;

// `inputs` are f64 tensors (any strides); f must be deterministic and is called 2 · elements + 4 times or so. An error
// where there is no input or no output.
GradcheckReport gradcheck(const GradcheckFunction& f, const std::vector<Tensor>& inputs,
                          const GradcheckOptions& options = {});
// For functions with one output.
GradcheckReport gradcheck_one(const std::function<Variable(std::span<const Variable>)>& f,
                              const std::vector<Tensor>& inputs, const GradcheckOptions& options = {});

// f64 standard normal values from Philox, for tests.
Tensor random_normal(const Shape& shape, uint64_t seed, DType dtype = DType::f64);

}  // namespace tessera
