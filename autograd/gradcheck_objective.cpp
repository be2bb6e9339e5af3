#include "autograd/gradcheck_objective.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "autograd/tape.h"

namespace tessera::gradcheck_detail {
namespace {

// Keeps the cotangent apart from an input that was drawn with the same seed: along a cotangent equal to x, the
// derivative of anything that only depends on the direction of x vanishes.
constexpr uint64_t kStream = 1;

// Fresh memory with the same order of dimensions, so that a strided input stays strided when it is moved.
Tensor strided_like(const Tensor& original) {
  std::vector<int> order(static_cast<size_t>(original.dim()));
  for (int i = 0; i < original.dim(); ++i) order[static_cast<size_t>(i)] = i;
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return original.stride(a) > original.stride(b); });
  Shape shape;
  for (const int d : order) shape.push_back(original.size(d));
  std::vector<int> inverse(order.size());
  for (size_t i = 0; i < order.size(); ++i) inverse[static_cast<size_t>(order[i])] = static_cast<int>(i);
  return Tensor::empty(shape, DType::f64).permute(inverse);
}

Tensor moved(const Tensor& original, const Vector& direction, double amount) {
  Tensor t = original.strides() == contiguous_strides(original.shape()) ? Tensor::empty(original.shape(), DType::f64)
                                                                        : strided_like(original);
  t.copy_(tensor_of(vector_of(original) + amount * direction, original.shape()));
  return t;
}

Vector joined(const std::vector<Variable>& outputs) {
  int64_t count = 0;
  for (const Variable& output : outputs) count += output.value().numel();
  Vector all(count);
  int64_t start = 0;
  for (const Variable& output : outputs) {
    all.segment(start, output.value().numel()) = vector_of(output.value());
    start += output.value().numel();
  }
  return all;
}

std::vector<Variable> leaves_of(const std::vector<Tensor>& inputs, bool requires_grad) {
  std::vector<Variable> leaves;
  for (const Tensor& input : inputs) leaves.emplace_back(input, requires_grad);
  return leaves;
}

Vector gradient_of(const Variable& leaf) {
  return leaf.grad_is_empty() ? Vector::Zero(leaf.value().numel()) : vector_of(leaf.grad());
}

}  // namespace

Vector vector_of(const Tensor& x) { return array_map<double>(x.contiguous()); }

Tensor tensor_of(const Vector& values, const Shape& shape) {
  return Tensor::from(std::span(values.data(), static_cast<size_t>(values.size())), shape);
}

Vector normals(int64_t count, Random& random) {
  Vector values(count);
  for (double& value : values) value = random.normal();
  return values;
}

double dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (int64_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

Objective::Objective(const GradcheckFunction& f, const std::vector<Tensor>& inputs, const GradcheckOptions& options)
    : f_(f), inputs_(inputs), options_(options), random_(options.seed, kStream) {
  const std::vector<Variable> leaves = leaves_of(inputs, true), outputs = f_(leaves);
  std::vector<Variable> cotangents;
  for (const Variable& output : outputs) {
    check(output.dtype() == DType::f64, "gradcheck: output has dtype ", output.dtype(), ", expected f64");
    cotangents_.push_back(tensor_of(normals(output.value().numel(), random_), output.shape()));
    cotangents.emplace_back(cotangents_.back());
  }
  check(!outputs.empty(), "gradcheck: no outputs, so that nothing can be compared");
  weights_ = joined(cotangents);
  pass_.values = joined(outputs);
  run_backward(outputs);
  for (const Variable& leaf : leaves) pass_.gradients.push_back(gradient_of(leaf));
  unmoved_ = values(inputs);
}

void Objective::run_backward(const std::vector<Variable>& outputs) const {
  std::vector<Variable> recorded;
  std::vector<Tensor> dys;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (!outputs[i].requires_grad()) continue;
    recorded.push_back(outputs[i]);
    dys.push_back(cotangents_[i]);
  }
  if (!recorded.empty()) backward(recorded, dys);
}

Pass Objective::pass(const std::vector<Tensor>& inputs) const {
  const std::vector<Variable> leaves = leaves_of(inputs, true), outputs = f_(leaves);
  check(outputs.size() == cotangents_.size(), "gradcheck: ", outputs.size(), " outputs, expected ", cotangents_.size());
  for (size_t i = 0; i < outputs.size(); ++i)
    check(outputs[i].shape() == cotangents_[i].shape(), "gradcheck: output ", i, " is ", describe(outputs[i].value()),
          ", expected ", describe(cotangents_[i]));
  Pass pass{joined(outputs), {}};
  run_backward(outputs);
  for (const Variable& leaf : leaves) pass.gradients.push_back(gradient_of(leaf));
  return pass;
}

std::vector<Vector> Objective::gradients_again(int times, int without) const {
  std::vector<Variable> leaves;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const bool needed = static_cast<int>(i) != without;
    leaves.emplace_back(inputs_[i], needed);
    if (needed) leaves.back().set_grad_storage(Tensor::zeros(inputs_[i].shape(), DType::f64));
  }
  for (int k = 0; k < times; ++k) run_backward(f_(leaves));
  std::vector<Vector> gradients;
  for (const Variable& leaf : leaves) gradients.push_back(leaf.requires_grad() ? gradient_of(leaf) : Vector());
  return gradients;
}

Vector Objective::values(const std::vector<Tensor>& inputs) const {
  const NoGrad guard;
  Vector all = joined(f_(leaves_of(inputs, false)));
  check(all.size() == weights_.size(), "gradcheck: ", all.size(), " elements of outputs where an input is moved by a ",
        "step, ", weights_.size(), " before: the function's shapes depend on its values");
  return all;
}

OneSided Objective::one_sided(size_t input, const Vector& direction, double h) const {
  constexpr double kRoundings = 4 * std::numeric_limits<double>::epsilon();
  std::vector<Tensor> inputs = inputs_;
  inputs[input] = moved(inputs_[input], direction, h);
  const Vector up = values(inputs);
  inputs[input] = moved(inputs_[input], direction, -h);
  const Vector down = values(inputs), &here = unmoved_;
  const int64_t count = here.size();
  OneSided at{Vector(count), Vector(count), Vector(count)};
  for (int64_t j = 0; j < count; ++j) {
    at.above[j] = weights_[j] * (up[j] - here[j]) / h;
    at.below[j] = weights_[j] * (here[j] - down[j]) / h;
    const bool still = up[j] == here[j] && down[j] == here[j];
    at.rounding[j] = still ? 0 : kRoundings * std::abs(weights_[j] * here[j]) / h;
  }
  return at;
}

Slope Objective::slope(const OneSided& at) const {
  double sum = 0;
  for (int64_t j = 0; j < at.above.size(); ++j) sum += (at.below[j] + at.above[j]) / 2;
  return {sum, sum, norm(at.rounding), false};
}

bool Objective::suspicious(const OneSided& at, double bound) const {
  const double threshold = std::sqrt(options_.step);
  for (int64_t j = 0; j < at.above.size(); ++j)
    if (std::abs(at.above[j] - at.below[j]) >
        threshold * std::max(std::abs(at.above[j]), std::abs(at.below[j])) + bound)
      return true;
  return false;
}

Slope Objective::closer(const OneSided& at, size_t input, const Vector& direction, double h, double bound) const {
  const OneSided half = one_sided(input, direction, h / 2), quarter = one_sided(input, direction, h / 4);
  // Between the shares of a smooth function (1/2 and 1/4) and those of a kink at x (1 and 1), or one beside it: at
  // distance t h the differences are (1-t), (1-2t) and (1-4t), or 0 below that, and never near 1 : 1/2 : 1/4.
  constexpr double kTolerance = 0.1, kJump = 1.7;
  Slope slope{0, 0, norm(at.rounding), false};
  for (int64_t j = 0; j < at.above.size(); ++j) {
    const double whole = at.above[j] - at.below[j], middle = half.above[j] - half.below[j],
                 last = quarter.above[j] - quarter.below[j], noise = at.rounding[j] + options_.absolute;
    const bool smooth = std::abs(middle - whole / 2) <= kTolerance * std::abs(whole) + 2 * noise &&
                        std::abs(last - whole / 4) <= kTolerance * std::abs(whole) + 4 * noise;
    if (std::abs(whole) > bound && !smooth && std::abs(middle) < kJump * std::abs(whole)) {
      slope.kink = true;
      slope.rounding = 4 * norm(at.rounding);  // of the quarter of the step
      slope.lowest += std::min(quarter.below[j], quarter.above[j]);
      slope.highest += std::max(quarter.below[j], quarter.above[j]);
    } else {
      slope.lowest += (at.below[j] + at.above[j]) / 2;
      slope.highest += (at.below[j] + at.above[j]) / 2;
    }
  }
  return slope;
}

std::pair<int, int64_t> Objective::place(int64_t index) const {
  int output = 0;
  while (index >= cotangents_[static_cast<size_t>(output)].numel())
    index -= cotangents_[static_cast<size_t>(output++)].numel();
  return {output, index};
}

}  // namespace tessera::gradcheck_detail
