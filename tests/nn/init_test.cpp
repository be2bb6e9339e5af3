#include "nn/init.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tensor/error.h"
#include "tensor/parallel.h"

namespace tessera::init_test {

namespace {

struct Moments {
  double mean = 0, deviation = 0, kurtosis = 0, largest = 0;
  explicit Moments(const std::vector<double>& x) {
    const auto n = static_cast<double>(x.size());
    mean = std::accumulate(x.begin(), x.end(), 0.0) / n;
    double second = 0, fourth = 0;
    for (const double v : x) {
      const double d = (v - mean) * (v - mean);
      second += d / n;
      fourth += d * d / n;
      largest = std::max(largest, std::abs(v));
    }
    deviation = std::sqrt(second);
    kurtosis = fourth / (second * second);
  }
};

Variable parameter(const Shape& shape, DType dtype = DType::f64) { return Variable(Tensor::zeros(shape, dtype), true); }

}  // namespace

// Bounds: with n = 40,000 draws the standard errors are 0.005 (mean, in deviations), 0.0035 (deviation, relative) and
// 0.024 (kurtosis); the bounds are about five times that.
TEST_CASE("init: normal") {
  Variable p = parameter({200, 200});
  init_normal_(p, "a", 3, 0.02);
  const Moments m(p.value().to_vector<double>());
  CHECK(std::abs(m.mean) < 0.025 * 0.02);
  CHECK(m.deviation == doctest::Approx(0.02).epsilon(0.02));
  CHECK(m.kurtosis == doctest::Approx(3).epsilon(0.04));
  CHECK(m.largest > 3.5 * 0.02);  // 40,000 draws without one beyond have probability 1e-8
}

// Truncated at 2: variance 1 - 4 φ(2) / (2 Φ(2) - 1) = 0.77374, deviation 0.87963.
TEST_CASE("init: truncated normal") {
  Variable p = parameter({200, 200});
  init_truncated_normal_(p, "a", 3, 0.5);
  const Moments m(p.value().to_vector<double>());
  CHECK(std::abs(m.mean) < 0.025 * 0.5);
  CHECK(m.deviation == doctest::Approx(0.5 * 0.87963).epsilon(0.02));
  CHECK(m.largest <= 1.0);
  CHECK(m.largest > 0.99);
}

// The fourth moment of a uniform value is 9/5 of the second squared; its deviation is 1/√3 of the bound.
TEST_CASE("init: uniform") {
  Variable p = parameter({200, 200});
  init_uniform_(p, "a", 3, 0.5);
  const Moments m(p.value().to_vector<double>());
  CHECK(std::abs(m.mean) < 0.025 * 0.5);
  CHECK(m.deviation == doctest::Approx(0.5 / std::sqrt(3.0)).epsilon(0.02));
  CHECK(m.kurtosis == doctest::Approx(1.8).epsilon(0.04));
  CHECK(m.largest <= 0.5);
  CHECK(m.largest > 0.499);
}

TEST_CASE("init: fan-in") {
  Variable p = parameter({400, 4, 25});
  init_fan_in_(p, "a", 3);
  CHECK(Moments(p.value().to_vector<double>()).deviation == doctest::Approx(0.1).epsilon(0.02));
  Variable vector = parameter({4});
  CHECK_THROWS_WITH(init_fan_in_(vector, "a", 3), "init: 'a' is [4]; fan-in needs at least two dimensions");
}

TEST_CASE("init: a function of seed and name alone") {
  const auto draw = [](uint64_t seed, const std::string& name, DType dtype = DType::f64) {
    Variable p = parameter({100, 100}, dtype);
    init_truncated_normal_(p, name, seed, 1);
    return p.value().to(DType::f64).to_vector<double>();
  };
  const auto correlation = [](const std::vector<double>& a, const std::vector<double>& b) {
    return std::inner_product(a.begin(), a.end(), b.begin(), 0.0) / static_cast<double>(a.size());
  };
  const auto first = draw(1, "encoder.0.weight");
  const int threads = thread_count();
  set_thread_count(1);
  CHECK(draw(1, "encoder.0.weight") == first);
  set_thread_count(threads);
  CHECK(std::abs(correlation(first, draw(2, "encoder.0.weight"))) < 0.04);  // four standard errors
  CHECK(std::abs(correlation(first, draw(1, "encoder.1.weight"))) < 0.04);
  const auto single = draw(1, "encoder.0.weight", DType::f32);
  for (size_t i = 0; i < first.size(); ++i) REQUIRE(single[i] == static_cast<double>(static_cast<float>(first[i])));
}

TEST_CASE("init: bad input") {
  Variable undefined, integer(Tensor::zeros({2, 2}, DType::i64)), p = parameter({2, 2});
  CHECK_THROWS_WITH(init_normal_(undefined, "a", 1, 1), "init: 'a' has no value");
  CHECK_THROWS_WITH(init_normal_(integer, "a", 1, 1), "init: dtype is i64, expected f32 or f64");
  CHECK_THROWS_WITH(init_normal_(p, "a", 1, -1), "init: 'a': deviation is -1, expected a number >= 0");
}

}  // namespace tessera::init_test
