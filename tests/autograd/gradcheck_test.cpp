#include "autograd/gradcheck.h"

#include <doctest/doctest.h>

#include <cmath>

#include "autograd/functions.h"
#include "autograd/tape.h"

namespace tessera::gradcheck_test {

namespace {

// x³ elementwise, whose backward multiplies the right gradient of element `index` by `factor`.
Variable cube(const Variable& x, int64_t index = -1, double factor = 1) {
  std::vector<double> values = x.value().to_vector<double>();
  std::vector<double> derivative(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    derivative[i] = 3 * values[i] * values[i] * (static_cast<int64_t>(i) == index ? factor : 1.0);
    values[i] = values[i] * values[i] * values[i];
  }
  return record("cube", Tensor::from(values, x.shape()), {x}, [derivative](const Tensor& dy, GradSlots) -> Grads {
    std::vector<double> dx = dy.to_vector<double>();
    for (size_t i = 0; i < dx.size(); ++i) dx[i] *= derivative[i];
    return {Tensor::from(dx, dy.shape())};
  });
}

}  // namespace

TEST_CASE("gradcheck: passes what is right, with room to spare") {
  const GradcheckReport report = gradcheck_one([](std::span<const Variable> x) { return cube(x[0]) * x[1]; },
                                               {random_normal({3, 4}, 1), random_normal({4}, 2)});
  CHECK(report.ok);
  CHECK(report.checked == 16);
  CHECK(report.worst_fraction < 0.1);
  CHECK(report.failures.empty());
  CHECK(report.message().substr(0, 29) == "gradients agree: 16 compared,");
}

TEST_CASE("gradcheck: several outputs, an input that is not used, strided inputs, constants") {
  const GradcheckFunction f = [](std::span<const Variable> x) {
    return std::vector<Variable>{exp(x[0]), sum(square(x[0])), Variable(Tensor::from(std::vector<double>{1, 2}))};
  };
  CHECK(gradcheck(f, {random_normal({5, 3}, 1).transpose(0, 1), random_normal({2}, 2)}).ok);
}

TEST_CASE("gradcheck: a planted error is named: input, index, both values and the bound") {
  const Tensor a = random_normal({2, 3}, 3), b = Tensor::from(std::vector<double>{0.5, -1.5, 2, 1}, {2, 2});
  const GradcheckReport report =
      gradcheck_one([](std::span<const Variable> x) { return sum(x[0]) + cube(x[1], 3, 1.01); }, {a, b});
  REQUIRE_FALSE(report.ok);
  REQUIRE(report.failures.size() == 1);
  const GradcheckFailure& failure = report.failures[0];
  CHECK(failure.input == 1);
  CHECK(failure.index == 3);
  CHECK(failure.analytic == doctest::Approx(1.01 * failure.numeric));
  CHECK(failure.bound > 0);
  CHECK(failure.bound < std::abs(failure.analytic - failure.numeric));
  CHECK(report.worst_fraction > 1);
  CHECK(report.message() == text("input 1, element 3: backward gives ", failure.analytic, ", central difference ",
                                 failure.numeric, ", bound ", failure.bound, "\n"));
}

TEST_CASE("gradcheck: errors of one part in ten thousand are seen") {
  const auto f = [](double factor) { return [factor](std::span<const Variable> x) { return cube(x[0], 1, factor); }; };
  const std::vector<Tensor> x = {Tensor::from(std::vector<double>{1, 2, 0.5})};
  CHECK(gradcheck_one(f(1), x).ok);
  CHECK_FALSE(gradcheck_one(f(1.0001), x).ok);
  CHECK_FALSE(gradcheck_one(f(0), x).ok);
  for (const double factor : {double(NAN), double(INFINITY)}) {
    const GradcheckReport report = gradcheck_one(f(factor), x);
    REQUIRE(report.failures.size() == 1);
    CHECK(report.failures[0].index == 1);
    GradcheckOptions directions;
    directions.elementwise_limit = 1;
    directions.directions = 2;
    CHECK_FALSE(gradcheck_one(f(factor), x, directions).ok);
  }
  // A function that leaves its domain within the step: log at 0.
  CHECK_FALSE(
      gradcheck_one([](std::span<const Variable> v) { return log(v[0]); }, {Tensor::zeros({1}, DType::f64)}).ok);
}

TEST_CASE("gradcheck: large inputs go by random directions") {
  const std::vector<Tensor> x = {random_normal({20, 30}, 4)};
  const GradcheckReport right = gradcheck_one([](std::span<const Variable> v) { return cube(v[0]); }, x);
  CHECK(right.ok);
  CHECK(right.checked == 16);
  const GradcheckReport wrong = gradcheck_one([](std::span<const Variable> v) { return cube(v[0], 411, 1.1); }, x);
  REQUIRE_FALSE(wrong.ok);
  CHECK(wrong.failures[0].index == -1);
  CHECK(wrong.message().find("input 0, random direction: backward gives") == 0);
  GradcheckOptions options;
  options.elementwise_limit = 600;
  const GradcheckReport each =
      gradcheck_one([](std::span<const Variable> v) { return cube(v[0], 411, 1.1); }, x, options);
  REQUIRE(each.failures.size() == 1);
  CHECK(each.failures[0].index == 411);
}

TEST_CASE("gradcheck: at most ten failures are kept") {
  const GradcheckReport report = gradcheck_one(
      [](std::span<const Variable> x) {
        return record("halved", x[0].value(), {x[0]},
                      [](const Tensor& dy, GradSlots) -> Grads { return {cube(Variable(dy)).value()}; });
      },
      {random_normal({40}, 5)});
  CHECK_FALSE(report.ok);
  CHECK(report.checked == 40);
  CHECK(report.failures.size() == 10);
}

TEST_CASE("gradcheck: errors") {
  GradcheckOptions none;
  none.directions = 0;
  CHECK_THROWS_WITH_AS(
      gradcheck_one([](std::span<const Variable> x) { return exp(x[0]); }, {random_normal({2}, 1)}, none),
      "gradcheck: 0 directions, expected one or more", Error);
  CHECK_THROWS_WITH_AS(gradcheck_one([](std::span<const Variable> x) { return exp(x[0]); }, {Tensor::zeros({2})}),
                       "gradcheck: input has dtype f32, expected f64", Error);
  CHECK_THROWS_WITH_AS(gradcheck_one([](std::span<const Variable> x) { return cast(x[0], DType::f32); },
                                     {Tensor::zeros({2}, DType::f64)}),
                       "gradcheck: output has dtype f32, expected f64", Error);
}

TEST_CASE("gradcheck: the cotangent is not the input that was drawn with the same seed") {
  // x / |x| does not change along x: with a cotangent parallel to x every gradient would be 0, right or wrong.
  const auto unit_vector_without_gradient = [](std::span<const Variable> x) {
    const Tensor norm = sqrt(sum(square(x[0]))).value();
    const Tensor y = (x[0].detach() / Variable(norm)).value();
    return record("unit", y, {x[0]}, [](const Tensor& dy, GradSlots) -> Grads { return {Tensor::zeros_like(dy)}; });
  };
  GradcheckOptions options;
  options.seed = 5;
  CHECK_FALSE(gradcheck_one(unit_vector_without_gradient, {random_normal({4}, 5)}, options).ok);
}

}  // namespace tessera::gradcheck_test
