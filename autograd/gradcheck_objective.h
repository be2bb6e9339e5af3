// The function L(x) = Σ u·f(x) of autograd/gradcheck.h: its gradient by backward, its slopes by differences.
#pragma once

#include <cmath>
#include <utility>
#include <vector>

#include "autograd/gradcheck.h"
#include "tensor/eigen.h"
#include "tensor/philox.h"

namespace tessera::gradcheck_detail {

// All elements of a tensor in row-major order; of several, one after the other.
using Vector = ColumnVector<double>;

Vector vector_of(const Tensor& x);
Tensor tensor_of(const Vector& values, const Shape& shape);
Vector normals(int64_t count, Random& random);
// By a loop: the order of Eigen's sums is its own affair.
double dot(const Vector& a, const Vector& b);
inline double norm(const Vector& a) { return std::sqrt(dot(a, a)); }

// Forward and backward once.
struct Pass {
  Vector values;                  // of all outputs
  std::vector<Vector> gradients;  // of L
};

// One-sided differences u_j [f_j(x + h v) - f_j(x)] / h and u_j [f_j(x) - f_j(x - h v)] / h of each element j of the
// outputs, and what four roundings of f_j make of each.
struct OneSided {
  Vector below, above, rounding;
};

// The derivative of L along a direction: one value, or anything between two at a kink.
struct Slope {
  double lowest = 0, highest = 0;
  double rounding = 0;
  bool kink = false;
};

class Objective {
 public:
  // Runs f, and draws the cotangents.
  Objective(const GradcheckFunction& f, const std::vector<Tensor>& inputs, const GradcheckOptions& options);

  // Of the inputs themselves.
  const Pass& pass() const { return pass_; }
  // Of others with the same shapes.
  Pass pass(const std::vector<Tensor>& inputs) const;
  // The gradients that `times` backwards give one after the other, added up in memory that the leaves were given, with
  // no gradient for input `without` (-1: for all), whose entry is empty then.
  std::vector<Vector> gradients_again(int times, int without) const;

  OneSided one_sided(size_t input, const Vector& direction, double h) const;
  // Central differences.
  Slope slope(const OneSided& at) const;
  // Whether one-sided differences differ by more than a smooth function's should, and by more than `bound`: what is
  // smaller makes no difference to a comparison.
  bool suspicious(const OneSided& at, double bound) const;
  // The same slope told by smaller steps, too.
  Slope closer(const OneSided& at, size_t input, const Vector& direction, double h, double bound) const;

  // Which output has this element of Pass::values, and where.
  std::pair<int, int64_t> place(int64_t index) const;

  Random& random() { return random_; }

 private:
  Vector values(const std::vector<Tensor>& inputs) const;
  void run_backward(const std::vector<Variable>& outputs) const;

  const GradcheckFunction& f_;
  const std::vector<Tensor>& inputs_;
  const GradcheckOptions& options_;
  Random random_;
  std::vector<Tensor> cotangents_;
  Vector weights_;  // the cotangents, one after the other
  Pass pass_;
  Vector unmoved_;  // values without recording, as those of moved inputs are
};

}  // namespace tessera::gradcheck_detail
