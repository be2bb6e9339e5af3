#include "tests/golden/compare.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "tests/temporary_directory.h"

namespace tessera::compare_test {

using namespace tessera::golden;

namespace {

Tensor f64(const std::vector<double>& values) { return Tensor::from(values); }
Tensor f32(const std::vector<double>& values) { return f64(values).to(DType::f32); }

bool passes(const Tensor& actual, const Tensor& expected) {
  Comparison comparison("nowhere/case");
  comparison.compare("x", actual, expected);
  return comparison.outcome().ok;
}

}  // namespace

TEST_CASE("golden comparison: bounds are relative to the largest value") {
  CHECK(passes(f64({1 + 4e-10, 5}), f64({1, 5})));
  CHECK_FALSE(passes(f64({1 + 6e-10, 5}), f64({1, 5})));
  CHECK(passes(f32({1 + 4e-6, 5}), f64({1, 5})));
  CHECK_FALSE(passes(f32({1 + 6e-6, 5}), f64({1, 5})));
}

TEST_CASE("golden comparison: what vanishes is compared absolutely") {
  CHECK(passes(f64({3e-17, -1e-16}), f64({1e-17, 2e-16})));
  CHECK_FALSE(passes(f64({2e-12, 0}), f64({1e-17, 2e-16})));
  CHECK(passes(f32({9e-8, 0}), f64({0, 0})));
  CHECK_FALSE(passes(f32({2e-7, 0}), f64({0, 0})));
}

TEST_CASE("golden comparison: NaN, other shapes, other types and nothing at all fail") {
  CHECK_FALSE(passes(f64({NAN}), f64({1})));
  CHECK_FALSE(passes(f64({1}), f64({NAN})));
  CHECK_FALSE(passes(f64({1, 1}), f64({1})));
  CHECK_FALSE(passes(Tensor(), f64({1})));
  CHECK(passes(Tensor::from(std::vector<int64_t>{3}), Tensor::from(std::vector<int64_t>{3})));
  CHECK_FALSE(passes(Tensor::from(std::vector<int64_t>{3}), Tensor::from(std::vector<int64_t>{4})));
  CHECK_FALSE(Comparison("nowhere/case").outcome().ok);
}

TEST_CASE("golden comparison: measured f32 errors widen the bound of their tensor") {
  const tests::TemporaryDirectory root;
  root.write("f32_errors.json", R"({"ops/case.safetensors": {"a": {"max_abs_err": 1e-3}}})");
  const Comparison comparison(root.path() / "ops");
  CHECK(comparison.bound_for("a", f64({1}), DType::f32) == doctest::Approx(4e-3));
  CHECK(comparison.bound_for("b", f64({1}), DType::f32) == doctest::Approx(1e-6));
  CHECK(comparison.bound_for("a", f64({1}), DType::f64) == doctest::Approx(1e-10));
  CHECK(Comparison(root.path() / "ops/").bound_for("a", f64({1}), DType::f32) == doctest::Approx(4e-3));
}

TEST_CASE("golden comparison: the outcome names the worst tensor, or those that failed") {
  Comparison comparison("nowhere/case");
  comparison.compare("good", f64({1}), f64({1}));
  comparison.compare("near", f64({1 + 5e-11}), f64({1}));
  CHECK(comparison.outcome().detail == "f64: 2 tensors, at most 0.5 of the bound (near)");
  comparison.compare("far", f64({2}), f64({1}));
  comparison.compare("short", f64({2}), f64({1, 2}));
  CHECK(comparison.outcome().detail ==
        "2 tensors differ: f64 far differs by 1, bound 1e-10; f64 short is f64 [1], expected f64 [2]");
}

}  // namespace tessera::compare_test
