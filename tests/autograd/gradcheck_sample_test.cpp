// Large inputs: what random directions find, and what they say that they do not.
#include <doctest/doctest.h>

#include <cmath>

#include "autograd/functions.h"
#include "autograd/gradcheck.h"
#include "autograd/tape.h"

namespace tessera::gradcheck_sample_test {
namespace {

using Inputs = std::span<const Variable>;

// x² · 3 whose gradient is off by `error` in one element.
auto off_by(double error, int64_t index) {
  return [=](Inputs v) {
    const Tensor x = v[0].value();
    return record("off_by", (square(v[0].detach()) * 3).value(), {v[0]}, [=](const Tensor& dy, GradSlots) -> Grads {
      Tensor dx = (Variable(dy) * Variable(x) * 6).value().clone();
      dx.mutable_data<double>()[index] += error;
      return {dx};
    });
  };
}

GradcheckReport check_with(double error, int64_t index, const Tensor& x, const GradcheckOptions& options) {
  return gradcheck_one(off_by(error, index), {x}, options);
}

}  // namespace

TEST_CASE("gradcheck: an error in one of many elements is found from where the report says, and not far below") {
  struct Case {
    int64_t elements;
    int directions;
  };
  for (const Case& each : {Case{257, 16}, Case{5000, 16}, Case{5000, 3}, Case{5000, 1}, Case{8000, 40}})
    for (uint64_t seed = 1; seed <= 2; ++seed) {
      CAPTURE(each.elements);
      CAPTURE(each.directions);
      CAPTURE(seed);
      GradcheckOptions options;
      options.directions = each.directions;
      options.seed = seed;
      const Tensor x = random_normal({each.elements}, 10 + seed);
      const GradcheckReport right = check_with(0, 0, x, options);
      CHECK_MESSAGE(right.ok, right.message());
      CHECK(right.checked == each.directions);
      REQUIRE(right.samples.size() == 1);
      const GradcheckSample sample = right.samples[0];
      CHECK(sample.input == 0);
      CHECK(sample.elements == each.elements);
      CHECK(sample.directions == each.directions);
      for (const int64_t index : {int64_t{0}, each.elements - 1})
        for (const double sign : {-1.0, 1.0}) {
          CHECK_FALSE(check_with(sign * 1.01 * sample.smallest_error, index, x, options).ok);
          CHECK(check_with(sign * sample.smallest_error / 8, index, x, options).ok);
        }
      // 2 · relative / 10 · 1.53 √(elements of a part) of the root mean square; the largest of several parts.
      const double part = static_cast<double>(each.elements) / std::max(1, each.directions / 2);
      const double expected = 2 * 1e-7 * std::sqrt(7.0 / 3 * part) * sample.root_mean_square;
      CHECK(sample.smallest_error > 0.9 * expected);
      CHECK(sample.smallest_error < 2 * expected);
    }
}

TEST_CASE("gradcheck: the message says what directions cannot find; exhaustive finds it") {
  const Tensor x = random_normal({2000}, 4);
  GradcheckOptions options;
  const GradcheckReport right = check_with(0, 0, x, options);
  REQUIRE(right.samples.size() == 1);
  const GradcheckSample sample = right.samples[0];
  CHECK(right.message().find(text("\ninput 0: with 16 random directions an error in one of its 2000 elements is found "
                                  "from ",
                                  sample.smallest_error, " on (the gradient's root mean square is ",
                                  sample.root_mean_square, "); options.exhaustive compares every element")) !=
        std::string::npos);
  // Below what directions find, and above what elements are told by: a tenth of a millionth of the largest gradient.
  options.directions = 2;
  const double error = check_with(0, 0, x, options).samples[0].smallest_error / 5;
  CHECK(check_with(error, 1234, x, options).ok);
  options.exhaustive = true;
  options.twins = false;
  const GradcheckReport each = check_with(error, 1234, x, options);
  CHECK(each.checked == 2000);
  CHECK(each.samples.empty());
  REQUIRE(each.failures.size() == 1);
  CHECK(each.failures[0].index == 1234);
  const GradcheckReport all_right = check_with(0, 0, x, options);
  CHECK_MESSAGE(all_right.ok, all_right.message());
  CHECK(all_right.message().find("random direction") == std::string::npos);
}

TEST_CASE("gradcheck: one of 10^5 elements wrong by a thousandth is found; right ones pass") {
  const Tensor x = random_normal({100000}, 9);
  const auto scaled = [](double factor) {
    return [factor](Inputs v) {
      const Tensor value = v[0].value();
      return record("scaled", square(v[0].detach()).value(), {v[0]}, [=](const Tensor& dy, GradSlots) -> Grads {
        Tensor dx = (Variable(dy) * Variable(value) * 2).value().clone();
        dx.mutable_data<double>()[77777] *= factor;
        return {dx};
      });
    };
  };
  const GradcheckReport right = gradcheck_one(scaled(1), {x});
  CHECK_MESSAGE(right.ok, right.message());
  REQUIRE(right.samples.size() == 1);
  CHECK(right.samples[0].smallest_error / right.samples[0].root_mean_square == doctest::Approx(3.4e-5).epsilon(0.1));
  for (const double error : {1e-3, -2.0}) {
    CAPTURE(error);
    CHECK_FALSE(gradcheck_one(scaled(1 + error), {x}).ok);
  }
}

TEST_CASE("gradcheck: two equal errors that would cancel under weights ±1 are found") {
  const Tensor x = random_normal({300}, 3);
  for (int64_t second = 1; second < 40; ++second) {
    const auto swapped = [second](Inputs v) {
      const Tensor value = v[0].value();
      return record("swapped", square(v[0].detach()).value(), {v[0]}, [=](const Tensor& dy, GradSlots) -> Grads {
        Tensor dx = (Variable(dy) * Variable(value) * 2).value().clone();
        std::swap(dx.mutable_data<double>()[0], dx.mutable_data<double>()[second]);
        return {dx};
      });
    };
    GradcheckOptions options;
    options.directions = 2;
    CHECK_FALSE(gradcheck_one(swapped, {x}, options).ok);
  }
}

}  // namespace tessera::gradcheck_sample_test
