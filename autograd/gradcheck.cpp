#include "autograd/gradcheck.h"

#include <algorithm>
#include <cmath>

#include "autograd/tape.h"
#include "tensor/eigen.h"
#include "tensor/philox.h"

namespace tessera {
namespace {

// Inputs, gradients and directions, all their elements in row-major order.
using Vector = ColumnVector<double>;

Vector vector_of(const Tensor& x) { return array_map<double>(x.contiguous()); }

Tensor tensor_of(const Vector& values, const Shape& shape) {
  return Tensor::from(std::span(values.data(), static_cast<size_t>(values.size())), shape);
}

Vector normals(int64_t count, Random& random) {
  Vector values(count);
  for (double& value : values) value = random.normal();
  return values;
}

// By a loop: the order of Eigen's sums is its own affair.
double dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (int64_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// L(x) = Σ cotangent · f(x), without recording.
class Objective {
 public:
  // The stream of its own keeps the cotangent apart from an input that was drawn with the same seed: along a cotangent
  // equal to x, the derivative of anything that only depends on the direction of x vanishes.
  Objective(const GradcheckFunction& f, uint64_t seed) : f_(f), random_(seed, kStream) {}

  // Runs f with the tape on; returns the gradients of L. Draws the cotangents.
  std::vector<Vector> gradients(const std::vector<Tensor>& inputs) {
    std::vector<Variable> leaves;
    for (const Tensor& input : inputs) leaves.emplace_back(input, true);
    const std::vector<Variable> outputs = f_(leaves);
    std::vector<Tensor> dys;
    for (const Variable& output : outputs) {
      check(output.dtype() == DType::f64, "gradcheck: output has dtype ", output.dtype(), ", expected f64");
      cotangents_.push_back(normals(output.value().numel(), random_));
      dys.push_back(tensor_of(cotangents_.back(), output.shape()));
    }
    check(!outputs.empty(), "gradcheck: no outputs, so that nothing can be compared");
    backward(outputs, dys);
    std::vector<Vector> grads;
    for (const Variable& leaf : leaves)
      grads.push_back(leaf.grad().defined() ? vector_of(leaf.grad()) : Vector::Zero(leaf.value().numel()));
    return grads;
  }

  // The gradients that `times` backwards give one after the other, added up in memory that the leaves were given, with
  // no gradient for input `without` (-1: for all), whose entry is empty then.
  std::vector<Vector> gradients_again(const std::vector<Tensor>& inputs, int times, int without) const {
    std::vector<Variable> leaves;
    for (size_t i = 0; i < inputs.size(); ++i) {
      const bool needed = static_cast<int>(i) != without;
      leaves.emplace_back(inputs[i], needed);
      if (needed) leaves.back().set_grad_storage(Tensor::zeros(inputs[i].shape(), DType::f64));
    }
    for (int k = 0; k < times; ++k) {
      const std::vector<Variable> outputs = f_(leaves);
      std::vector<Variable> recorded;
      std::vector<Tensor> dys;
      for (size_t o = 0; o < outputs.size(); ++o) {
        if (!outputs[o].requires_grad()) continue;
        recorded.push_back(outputs[o]);
        dys.push_back(tensor_of(cotangents_[o], outputs[o].shape()));
      }
      if (!recorded.empty()) backward(recorded, dys);
    }
    std::vector<Vector> grads;
    for (size_t i = 0; i < leaves.size(); ++i) {
      const bool needed = static_cast<int>(i) != without;
      if (!needed)
        grads.emplace_back();
      else
        grads.push_back(leaves[i].grad_is_empty() ? Vector::Zero(inputs[i].numel()) : vector_of(leaves[i].grad()));
    }
    return grads;
  }

  double value(const std::vector<Tensor>& inputs) const {
    const NoGrad guard;
    std::vector<Variable> leaves;
    for (const Tensor& input : inputs) leaves.emplace_back(input);
    const std::vector<Variable> outputs = f_(leaves);
    double sum = 0;
    for (size_t i = 0; i < outputs.size(); ++i) sum += dot(vector_of(outputs[i].value()), cotangents_[i]);
    return sum;
  }

  // Central difference of L along `direction` of input `which`.
  double difference(std::vector<Tensor> inputs, size_t which, const Vector& direction, double h) const {
    const Tensor original = inputs[which];
    const Vector x = vector_of(original);
    const auto moved = [&](double amount) {
      Tensor t = original.strides() == contiguous_strides(original.shape())
                     ? Tensor::empty(original.shape(), DType::f64)
                     : strided_like(original);
      t.copy_(tensor_of(x + amount * direction, original.shape()));
      return t;
    };
    inputs[which] = moved(h);
    const double above = value(inputs);
    inputs[which] = moved(-h);
    return (above - value(inputs)) / (2 * h);
  }

  Random& random() { return random_; }

 private:
  static constexpr uint64_t kStream = 1;

  // Fresh memory with the same order of dimensions, so that a strided input stays strided when it is moved.
  static Tensor strided_like(const Tensor& original) {
    std::vector<int> order(static_cast<size_t>(original.dim()));
    for (int i = 0; i < original.dim(); ++i) order[static_cast<size_t>(i)] = i;
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return original.stride(a) > original.stride(b); });
    Shape shape;
    for (const int d : order) shape.push_back(original.size(d));
    std::vector<int> inverse(order.size());
    for (size_t i = 0; i < order.size(); ++i) inverse[static_cast<size_t>(order[i])] = static_cast<int>(i);
    return Tensor::empty(shape, DType::f64).permute(inverse);
  }

  const GradcheckFunction& f_;
  Random random_;
  std::vector<Vector> cotangents_;
};

class Comparison {
 public:
  explicit Comparison(const GradcheckOptions& options) : options_(options) {}

  void compare(size_t input, int64_t index, double analytic, double numeric, double scale) {
    const double bound =
        options_.absolute + options_.relative * std::max({std::abs(analytic), std::abs(numeric), scale});
    const double difference = std::abs(analytic - numeric);
    ++report.checked;
    report.worst_fraction = std::max(report.worst_fraction, difference / bound);
    if (difference <= bound) return;  // a NaN fails
    report.ok = false;
    if (report.failures.size() < 10) report.failures.push_back({input, index, analytic, numeric, bound, ""});
  }

  // Of one backward's gradient with another's, times `factor`: the same formula, so that they differ by roundings
  // alone.
  void same(const std::vector<Vector>& once, const std::vector<Vector>& again, double factor, const std::string& when) {
    constexpr double kRoundings = 1e-12;
    for (size_t input = 0; input < again.size(); ++input) {
      const double largest = once[input].size() > 0 ? once[input].lpNorm<Eigen::Infinity>() : 0;
      for (int64_t i = 0; i < again[input].size(); ++i) {
        const double expected = factor * once[input][i], bound = kRoundings * (1 + factor * largest);
        if (std::abs(again[input][i] - expected) <= bound) continue;
        report.ok = false;
        if (report.failures.size() < 10) report.failures.push_back({input, i, again[input][i], expected, bound, when});
      }
    }
  }

  GradcheckReport report;

 private:
  const GradcheckOptions& options_;
};

}  // namespace

Tensor random_normal(const Shape& shape, uint64_t seed, DType dtype) {
  Random random(seed);
  return tensor_of(normals(shape.numel(), random), shape).to(dtype);
}

GradcheckReport gradcheck(const GradcheckFunction& f, const std::vector<Tensor>& inputs,
                          const GradcheckOptions& options) {
  for (const Tensor& input : inputs)
    check(input.dtype() == DType::f64, "gradcheck: input has dtype ", input.dtype(), ", expected f64");
  Objective objective(f, options.seed);
  check(!inputs.empty(), "gradcheck: no inputs, so that nothing can be compared");
  const std::vector<Vector> grads = objective.gradients(inputs);
  Comparison comparison(options);
  comparison.same(grads, objective.gradients_again(inputs, 2, -1), 2, "where gradients are there already");
  if (inputs.size() > 1)
    for (size_t which = 0; which < inputs.size(); ++which)
      comparison.same(grads, objective.gradients_again(inputs, 1, static_cast<int>(which)), 1,
                      text("where input ", which, " needs no gradient"));
  for (size_t which = 0; which < inputs.size(); ++which) {
    const Vector x = vector_of(inputs[which]);
    const Vector& gradient = grads[which];
    const double largest = gradient.lpNorm<Eigen::Infinity>();
    if (x.size() <= options.elementwise_limit) {
      for (int64_t i = 0; i < x.size(); ++i) {
        const double h = options.step * std::max(1.0, std::abs(x[i]));
        comparison.compare(which, i, gradient[i], objective.difference(inputs, which, Vector::Unit(x.size(), i), h),
                           largest);
      }
      continue;
    }
    for (int k = 0; k < options.directions; ++k) {
      Vector direction = normals(x.size(), objective.random());
      direction /= std::sqrt(dot(direction, direction));
      comparison.compare(which, -1, dot(direction, gradient),
                         objective.difference(inputs, which, direction, options.step * 10), largest);
    }
  }
  return comparison.report;
}

GradcheckReport gradcheck_one(const std::function<Variable(std::span<const Variable>)>& f,
                              const std::vector<Tensor>& inputs, const GradcheckOptions& options) {
  return gradcheck([&](std::span<const Variable> x) { return std::vector<Variable>{f(x)}; }, inputs, options);
}

std::string GradcheckReport::message() const {
  if (ok) return text("gradients agree: ", checked, " compared, worst at ", worst_fraction, " of its bound");
  std::string out;
  for (const GradcheckFailure& failure : failures) {
    if (!failure.when.empty()) {
      out += text("input ", failure.input, ", element ", failure.index, ": ", failure.when, ", backward gives ",
                  failure.analytic, ", expected ", failure.numeric, ", bound ", failure.bound, "\n");
      continue;
    }
    out +=
        text("input ", failure.input, ", ",
             failure.index < 0 ? std::string("random direction") : text("element ", failure.index), ": backward gives ",
             failure.analytic, ", central difference ", failure.numeric, ", bound ", failure.bound, "\n");
  }
  return out;
}

}  // namespace tessera
