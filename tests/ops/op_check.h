// What the tests of ops share: strided twins of inputs, comparison, gradient checks with their planted errors.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "autograd/functions.h"
#include "autograd/gradcheck.h"
#include "autograd/tape.h"

namespace tessera::test {

// The same elements in memory with gaps (one dimension) or in another order.
inline Tensor strided(const Tensor& t) {
  if (t.dim() == 0) return t;
  if (t.dim() > 1 && t.size(0) > 1 && t.size(-1) > 1) return t.transpose(0, -1).clone().transpose(0, -1);
  Shape twice = t.shape();
  twice.push_back(2);
  Tensor holder = Tensor::full(twice, 777, t.dtype());
  Tensor view = holder.select(-1, 1);
  view.copy_(t);
  return view;
}

// The largest absolute difference; infinite if shapes differ or a NaN stands on one side only.
inline double largest_difference(const Tensor& a, const Tensor& b) {
  if (!(a.shape() == b.shape())) return INFINITY;
  const std::vector<double> u = a.to(DType::f64).to_vector<double>(), v = b.to(DType::f64).to_vector<double>();
  double largest = 0;
  for (size_t i = 0; i < u.size(); ++i) {
    if (u[i] == v[i] || (std::isnan(u[i]) && std::isnan(v[i]))) continue;
    const double difference = std::abs(u[i] - v[i]);
    largest = std::isnan(difference) ? INFINITY : std::max(largest, difference);
  }
  return largest;
}

// The identity, whose backward is wrong by one part in a thousand.
inline Variable with_wrong_gradient(const Variable& x) {
  return record("planted", x.value(), {x}, [](const Tensor& dy, GradSlots) -> Grads {
    std::vector<double> wrong = dy.to_vector<double>();
    for (double& value : wrong) value *= 1.001;
    return {Tensor::from(wrong, dy.shape())};
  });
}

using OpFunction = std::function<Variable(std::span<const Variable>)>;

// The gradients of f are right, also for strided inputs; with an error of 1e-3 planted into the gradient of any one
// input the check fails and names that input.
inline void check_gradients(const std::string& name, const OpFunction& f, const std::vector<Tensor>& inputs) {
  CAPTURE(name);
  const GradcheckReport report = gradcheck_one(f, inputs);
  CHECK_MESSAGE(report.ok, report.message());
  std::vector<Tensor> views;
  for (const Tensor& input : inputs) views.push_back(strided(input));
  const GradcheckReport strided_report = gradcheck_one(f, views);
  CHECK_MESSAGE(strided_report.ok, strided_report.message());
  for (size_t wrong = 0; wrong < inputs.size(); ++wrong) {
    const GradcheckReport planted = gradcheck_one(
        [&](std::span<const Variable> x) {
          std::vector<Variable> changed(x.begin(), x.end());
          changed[wrong] = with_wrong_gradient(changed[wrong]);
          return f(changed);
        },
        inputs);
    CHECK_FALSE(planted.ok);
    for (const GradcheckFailure& failure : planted.failures) CHECK(failure.input == wrong);
  }
}

}  // namespace tessera::test
