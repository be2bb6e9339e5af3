// Kinks: named, and no place to hide.
#include <doctest/doctest.h>

#include <cmath>
#include <set>

#include "autograd/functions.h"
#include "autograd/gradcheck.h"
#include "autograd/tape.h"

namespace tessera::gradcheck_kinks_test {
namespace {

using Inputs = std::span<const Variable>;
using Function = double (*)(double);

// An elementwise function with a derivative to be told.
Variable elementwise(const Variable& x, const std::function<double(double)>& f,
                     const std::function<double(double)>& df) {
  std::vector<double> values = x.value().to_vector<double>(), slopes;
  for (double& value : values) {
    slopes.push_back(df(value));
    value = f(value);
  }
  return record("elementwise", Tensor::from(values, x.shape()), {x}, [slopes](const Tensor& dy, GradSlots) -> Grads {
    std::vector<double> dx = dy.to_vector<double>();
    for (size_t i = 0; i < dx.size(); ++i) dx[i] *= slopes[i];
    return {Tensor::from(dx, dy.shape())};
  });
}

double positive_part(double x) { return x > 0 ? x : 0; }
double step(double x) { return x > 0 ? 1 : 0; }

// relu with this derivative at 0, and with one that is right or wrong elsewhere.
auto relu_with(double at_zero, double factor = 1) {
  return [=](Inputs v) {
    return elementwise(v[0], positive_part, [=](double x) { return x == 0 ? at_zero : factor * step(x); });
  };
}

Tensor of(const std::vector<double>& values) { return Tensor::from(values); }

GradcheckOptions fail_at_kinks() {
  GradcheckOptions options;
  options.kinks = Kinks::fail;
  return options;
}

}  // namespace

TEST_CASE("gradcheck kinks: relu at 0 is right, named and counted; a failure where that is asked for") {
  const auto f = [](Inputs v) { return relu(v[0]); };
  const Tensor x = of({-1, 0, 2, 0});
  const GradcheckReport report = gradcheck_one(f, {x});
  CHECK_MESSAGE(report.ok, report.message());
  CHECK(report.checked == 4);
  CHECK(report.kinks == 2);
  REQUIRE(report.first_kinks.size() == 2);
  CHECK(report.first_kinks[0].index == 1);
  CHECK(report.first_kinks[1].index == 3);
  const GradcheckKink kink = report.first_kinks[0];
  CHECK(kink.analytic == 0);
  CHECK(std::min(std::abs(kink.lowest), std::abs(kink.highest)) == 0);
  CHECK(kink.highest - kink.lowest > 1e-3);
  CHECK(report.message().find(text("\ninput 0, element 1: a kink: backward gives 0, one-sided differences ",
                                   kink.lowest, " and ", kink.highest, "\n")) != std::string::npos);
  const GradcheckReport strict = gradcheck_one(f, {x}, fail_at_kinks());
  CHECK_FALSE(strict.ok);
  REQUIRE(strict.failures.size() == 2);
  CHECK(strict.failures[0].at_kink);
  CHECK(strict.message().find("input 0, element 1: a kink, which options.kinks makes a failure\n") == 0);
  CHECK(gradcheck_one(f, {of({-1, 2})}, fail_at_kinks()));
}

TEST_CASE("gradcheck kinks: what backward gives must lie between the one-sided derivatives") {
  const Tensor x = of({0, 1, -1});
  for (const double inside : {0.0, 0.3, 1.0}) CHECK(gradcheck_one(relu_with(inside), {x}).ok);
  for (const double outside : {-0.001, 1.001, -1.0, 7.0, double(NAN)}) {
    CAPTURE(outside);
    const GradcheckReport report = gradcheck_one(relu_with(outside), {x});
    REQUIRE(report.failures.size() == 1);
    CHECK(report.failures[0].index == 0);
    CHECK(report.failures[0].at_kink);
  }
}

TEST_CASE("gradcheck kinks: a wrong gradient beside a kink is no kink") {
  const GradcheckReport report = gradcheck_one(relu_with(0, 1.001), {of({0, 1, -1, 1e-4})});
  CHECK(report.kinks == 1);
  REQUIRE(report.failures.size() == 2);
  CHECK(report.failures[0].index == 1);
  CHECK_FALSE(report.failures[0].at_kink);
  CHECK(report.failures[1].index == 3);
}

TEST_CASE("gradcheck kinks: one within the step of an element is named; its gradient has one right value") {
  for (const double steps : {0.02, 0.1, 0.2, 0.25, 0.3, 1.0 / 3, 0.36, 0.5, 0.75, 0.9, 0.999}) {
    for (const double sign : {-1.0, 1.0}) {
      CAPTURE(sign * steps);
      const Tensor x = of({sign * steps * 1e-6});
      const GradcheckReport right = gradcheck_one([](Inputs v) { return relu(v[0]); }, {x});
      CHECK_MESSAGE(right.ok, right.message());
      CHECK(right.kinks == 1);
      if (steps < 0.25) continue;  // there the smallest step reaches across, too
      const auto wrong = [&](Inputs v) {
        return elementwise(v[0], positive_part, [](double at) { return step(at) == 1 ? 0.5 : 0.4; });
      };
      CHECK_FALSE(gradcheck_one(wrong, {x}).ok);
    }
  }
}

TEST_CASE("gradcheck kinks: smooth functions have none, neither where they are level nor where they bend") {
  const std::pair<Function, Function> smooth[] = {
      {[](double x) { return x * x; }, [](double x) { return 2 * x; }},
      {[](double x) { return 1 + x * x; }, [](double x) { return 2 * x; }},
      {[](double x) { return x * x * x * x; }, [](double x) { return 4 * x * x * x; }},
      {[](double x) { return std::cos(x); }, [](double x) { return -std::sin(x); }},
      {[](double x) { return std::exp(30 * x); }, [](double x) { return 30 * std::exp(30 * x); }},
      {[](double) { return 3.0; }, [](double) { return 0.0; }}};
  const Tensor x = of({0, 1e-9, 1e-6, -1e-5, 1e-4, 0.3, -2e-7});
  for (size_t i = 0; i < std::size(smooth); ++i) {
    CAPTURE(i);
    const auto& [f, df] = smooth[i];
    const GradcheckReport report = gradcheck_one([&](Inputs v) { return elementwise(v[0], f, df); }, {x});
    CHECK_MESSAGE(report.ok, report.message());
    CHECK(report.kinks == 0);
  }
}

TEST_CASE("gradcheck kinks: small slopes have kinks, too, and a jump is none") {
  const auto small = [](Inputs v) { return relu(v[0]) * 1e-4 + v[0] * v[1]; };
  const GradcheckReport report = gradcheck_one(small, {of({0, 1}), of({1, 2})});
  CHECK_MESSAGE(report.ok, report.message());
  CHECK(report.kinks == 1);
  const GradcheckReport jump =
      gradcheck_one([](Inputs v) { return elementwise(v[0], step, [](double) { return 0.0; }); }, {of({0, 1})});
  CHECK(jump.kinks == 0);
  REQUIRE(jump.failures.size() == 1);
  CHECK(jump.failures[0].index == 0);
}

TEST_CASE("gradcheck kinks: equal maxima; outputs with opposite kinks; |x|") {
  const GradcheckReport maxima = gradcheck_one([](Inputs v) { return max(v[0], -1); }, {of({1, 3, 3, 2})});
  CHECK_MESSAGE(maxima.ok, maxima.message());
  CHECK(maxima.kinks == 2);
  // With cotangents of opposite signs both one-sided derivatives of L are alike, and neither is backward's.
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    GradcheckOptions options;
    options.seed = seed;
    const GradcheckFunction both = [](Inputs v) { return std::vector<Variable>{relu(v[0]), relu(v[0] * -1)}; };
    const GradcheckReport report = gradcheck(both, {of({0})}, options);
    CHECK_MESSAGE(report.ok, report.message());
    CHECK(report.kinks == 1);
  }
  const auto absolute = [](double at_zero) {
    return [at_zero](Inputs v) {
      return elementwise(
          v[0], [](double x) { return std::abs(x); },
          [at_zero](double x) { return x == 0 ? at_zero : std::copysign(1.0, x); });
    };
  };
  CHECK(gradcheck_one(absolute(0), {of({0, 1})}).kinks == 1);  // also where it is the central difference
  CHECK(gradcheck_one(absolute(-1), {of({0, 1})}).ok);
  CHECK_FALSE(gradcheck_one(absolute(1.01), {of({0, 1})}).ok);
}

TEST_CASE("gradcheck kinks: directions are halved until a kink has an element of its own") {
  std::vector<double> values = random_normal({1000}, 5).to_vector<double>();
  CHECK(gradcheck_one(relu_with(0), {of(values)}).kinks == 0);
  values[411] = values[412] = values[7] = 0;
  const Tensor x = of(values);
  const GradcheckReport report = gradcheck_one(relu_with(0), {x});
  CHECK_MESSAGE(report.ok, report.message());
  CHECK(report.kinks == 3);
  std::set<int64_t> found;
  for (const GradcheckKink& kink : report.first_kinks) found.insert(kink.index);
  CHECK(found == std::set<int64_t>{7, 411, 412});
  CHECK(report.samples[0].smallest_error < 1e-4);
  CHECK_FALSE(gradcheck_one(relu_with(0), {x}, fail_at_kinks()).ok);
  // Neither at the kinks nor beside them does an error hide.
  CHECK_FALSE(gradcheck_one(relu_with(1.01), {x}).ok);
  CHECK_FALSE(gradcheck_one(relu_with(0, 1.001), {x}).ok);
  // Kinks that meet in one output.
  const GradcheckReport met = gradcheck_one([](Inputs v) { return sum(relu(v[0])); }, {x});
  CHECK_MESSAGE(met.ok, met.message());
  CHECK(met.kinks == 3);
}

TEST_CASE("gradcheck kinks: at most ten are listed; of very many some stay in their directions, which is told") {
  std::vector<double> values = random_normal({600}, 5).to_vector<double>();
  for (size_t i = 0; i < values.size(); i += 2) values[i] = 0;
  const Tensor x = of(values);
  const GradcheckReport report = gradcheck_one(relu_with(0), {x});
  CHECK_MESSAGE(report.ok, report.message());
  CHECK(report.kinks > 16);
  CHECK(report.kinks < 300);
  CHECK(report.first_kinks.size() == 10);
  CHECK(report.message().find(text("\n", report.kinks, " kinks in all\n")) != std::string::npos);
  CHECK(report.samples[0].smallest_error > 1);
  CHECK_FALSE(gradcheck_one(relu_with(40), {x}).ok);
  GradcheckOptions options;
  options.exhaustive = true;
  CHECK(gradcheck_one(relu_with(0), {x}, options).kinks == 300);
}

}  // namespace tessera::gradcheck_kinks_test
