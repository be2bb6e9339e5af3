#include "nn/schedule.h"

#include <doctest/doctest.h>

#include <cmath>

#include "nn/gradient_clipping.h"
#include "tensor/error.h"

namespace tessera::schedule_test {

TEST_CASE("schedule: warm-up, decay, end") {
  const PolynomialSchedule linear{.peak = 0.01, .warmup = 5, .total = 25};
  linear.validate();
  CHECK(linear.rate(0) == 0);
  CHECK(linear.rate(1) == doctest::Approx(0.002).epsilon(1e-15));
  CHECK(linear.rate(5) == 0.01);
  CHECK(linear.rate(15) == doctest::Approx(0.005).epsilon(1e-15));
  CHECK(linear.rate(25) == 0);
  CHECK(linear.rate(1000) == 0);

  const PolynomialSchedule square{.peak = 1, .warmup = 0, .total = 10, .power = 2, .end = 0.2};
  CHECK(square.rate(0) == 1);
  CHECK(square.rate(5) == doctest::Approx(0.8 * 0.25 + 0.2).epsilon(1e-15));
  CHECK(square.rate(10) == doctest::Approx(0.2).epsilon(1e-15));
  CHECK(square.rate(11) == 0.2);

  const PolynomialSchedule only_warmup{.peak = 1, .warmup = 4, .total = 4};
  CHECK(only_warmup.rate(3) == 0.75);
  CHECK(only_warmup.rate(4) == 1);
}

TEST_CASE("schedule: settings that make no sense") {
  const auto refuses = [](const PolynomialSchedule& schedule, const char* message) {
    CHECK_THROWS_WITH_AS(schedule.validate(), message, Error);
  };
  refuses({.peak = -1, .total = 5}, "schedule: learning rate is -1, expected a number >= 0");
  refuses({.peak = INFINITY, .total = 5}, "schedule: learning rate is inf, expected a number >= 0");
  refuses({.peak = 1, .total = 5, .end = -2}, "schedule: end learning rate is -2, expected a number >= 0");
  refuses({.peak = 1, .total = 5, .power = 0}, "schedule: power is 0, expected a number > 0");
  refuses({.peak = 1, .total = -1}, "schedule: -1 updates, expected at least 0");
  refuses({.peak = 1, .warmup = 6, .total = 5}, "schedule: 6 warm-up updates, expected 0 to 5 (all updates)");
}

TEST_CASE("clip: the factor brings the norm to the bound and never enlarges") {
  CHECK(clip_factor(4, 1) * 4 == doctest::Approx(1).epsilon(1e-6));  // torch's 1e-6 in the denominator
  CHECK(clip_factor(4, 1) * 4 <= 1);
  CHECK(clip_factor(0.5, 1) == 1);
  CHECK(clip_factor(0, 1) == 1);
  CHECK(clip_factor(1e9, 0) == 1);
}

}  // namespace tessera::schedule_test
