// Checks backward against central differences in f64.
//
// For outputs y = f(x) and a random cotangent u, let L(x) = Σ u·f(x). Backward gives dL/dx at once; each element x_i
// (or, on large inputs, each random direction v) is then compared with [L(x + h e_i) - L(x - h e_i)] / 2h. A random
// cotangent matters: a sum hides errors, since the rows of a softmax or a plain LayerNorm sum to constants, and a
// backward that returned zeros would pass.
//
// Bound. The central difference has truncation error O(h²) and rounding error O(ε_f64 |f| / h), and outputs are
// subtracted before they are summed, so that those which do not move add nothing. With h = 1e-6 · max(1, |x|) and
// values of order one both lie near 1e-10, so a relative tolerance of 1e-6 has four digits to spare while any wrong
// term in a formula shows. Where values are much larger than slopes four roundings of each are added to the bound.
//
// The contract of `record` (autograd/tape.h) has more than values, so backward runs again: twice into gradients that
// are there already, which have to be added to; once for each input that needs none, which must not change the others';
// and on twins of each input, which hold the same values in other memory:
//
//   strided      a step of two between elements, the first of them not at the start, NaN between them
//   transposed   dimensions in memory the other way round       (two dimensions of more than one element)
//   padded       a NaN behind each row                          (more than one row)
//   expanded     stride 0 along one dimension, each in turn     (of more than one element)
//   contiguous   where the input given is not
//
// Values and gradients must be the same but for the order of sums. An input whose values differ along a dimension has
// no expanded twin there: its first slice is expanded instead, and the outcome compared with that of a contiguous copy.
//
// Kinks (relu at 0, equal maxima). There a right backward may give any value between the one-sided derivatives; a
// central difference is their mean. Let s(h) be the difference of an output's two one-sided differences with step h:
// where f is smooth it is O(h), at a kink O(1). Where s exceeds √h of the slopes, halfway between the two, or the
// central difference does not agree, s is measured at h/2 and h/4, too: of a smooth function it is a half and a fourth
// then. What is not, and exceeds the bound, is a kink, at the element or within its step (what grows like 1/h is a
// jump, and fails). It is counted, and what backward gives must lie between the one-sided differences of the smallest
// step, summed over the outputs, within the bound.
//
// Large inputs. Of an input with more than `elementwise_limit` elements N = `directions` directions are compared. They
// cover its n elements in two rounds, each a random partition into N/2 parts, with weights ±[1, 2), so that no error is
// scaled down and equal ones do not cancel. The bound of a direction v is a tenth of `relative` (roundings of many
// elements average out) times √(Σ v_i² g_i²), which is about 1.5 √(2n/N) of the root mean square of the gradient g. An
// error in one element is found for certain wherever it exceeds twice that, whatever the element's own gradient is: for
// 16 directions and 10⁵ elements, from 3.4e-5 of the root mean square on. The report has the number as computed
// (`samples`); below it errors may pass, and `exhaustive` compares each element. A direction that meets a kink is
// halved until the kink has an element of its own, `elementwise_limit` times at most; the kinks that are left in
// directions make them blunt (`samples` says how much), and where several meet in one output, as in Σ relu(x_i), they
// may hide from each other and a right backward fail: such inputs need `exhaustive`.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "autograd/variable.h"

namespace tessera {

// What a kink is to the check: a number in the report, or a failure.
enum class Kinks : uint8_t { count, fail };

struct GradcheckOptions {
  double step = 1e-6;               // h, relative to max(1, |x|)
  double relative = 1e-6;           // of the larger of both values and of a tenth of the input's largest gradient
  double absolute = 1e-9;           // below which a difference never counts
  int64_t elementwise_limit = 256;  // inputs with more elements are checked along random directions
  int directions = 16;
  bool exhaustive = false;     // every element of every input, however large
  bool twins = true;           // false for functions that take contiguous inputs alone
  Kinks kinks = Kinks::count;  // fail: a kink is a failure, whatever backward gives there
  uint64_t seed = 1;           // of the cotangent and the directions
};

struct GradcheckFailure {
  size_t input = 0;     // whose gradient is wrong; of a value or an error, whose twin it was
  int64_t index = -1;   // row-major element, or -1 for a random direction
  double analytic = 0;  // what backward gives
  double numeric = 0;   // what it should be: the central difference; at a kink, the nearer one-sided difference
  double bound = 0;     // of |analytic - numeric|
  std::string when;     // "with the strided twin of input 1"; empty: against differences
  int output = -1;      // the value of this output's element `index` is wrong, not a gradient
  std::string error;    // what the function said instead of an outcome
  bool at_kink = false;
};

struct GradcheckKink {
  size_t input = 0;
  int64_t index = -1;  // row-major element, or -1 for a random direction
  double analytic = 0;
  double lowest = 0, highest = 0;  // the one-sided derivatives
};

// What directions can find in an input that was too large for elements.
struct GradcheckSample {
  size_t input = 0;
  int64_t elements = 0;
  int directions = 0;
  double smallest_error = 0;    // an error in one element of the gradient is found from here on
  double root_mean_square = 0;  // of the gradient's elements: what smallest_error is to be compared with
};

struct GradcheckReport {
  bool ok = true;
  double worst_fraction = 0;               // the largest |analytic - numeric| / bound
  int64_t checked = 0;                     // elements and directions compared
  int64_t twins = 0;                       // other memory layouts compared
  int64_t kinks = 0;                       // elements and directions where one-sided differences disagree
  std::vector<GradcheckKink> first_kinks;  // at most ten
  std::vector<GradcheckSample> samples;    // one for each input that was not compared element by element
  std::vector<GradcheckFailure> failures;  // at most ten; of another backward the first of each tensor
  // Names input, index, both values and the bound of each failure; then the kinks, and what directions cannot find.
  std::string message() const;
  std::string kinks_message() const;  // a line for each of first_kinks

  explicit operator bool() const { return ok; }
};

using GradcheckFunction = std::function<std::vector<Variable>(std::span<const Variable>)>;

// `inputs` are f64 tensors (any strides); f must be deterministic, take inputs of any strides, and is called twice for
// each element or direction (six times at a kink) and some ten times for each input. An error where there is no input
// or no output.
GradcheckReport gradcheck(const GradcheckFunction& f, const std::vector<Tensor>& inputs,
                          const GradcheckOptions& options = {});
// For functions with one output.
GradcheckReport gradcheck_one(const std::function<Variable(std::span<const Variable>)>& f,
                              const std::vector<Tensor>& inputs, const GradcheckOptions& options = {});

// f64 standard normal values from Philox, for tests.
Tensor random_normal(const Shape& shape, uint64_t seed, DType dtype = DType::f64);

}  // namespace tessera
