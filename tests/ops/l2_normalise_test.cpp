#include "tensor/ops/l2_normalise.h"

#include "tensor/parallel.h"
#include "tests/ops/op_check.h"

namespace tessera::l2_normalise_test {

using namespace tessera::test;

namespace {

// The definition, in long double.
Tensor naive(const Tensor& x, double eps) {
  std::vector<double> values = x.to(DType::f64).to_vector<double>();
  const auto d = static_cast<size_t>(x.size(-1));
  for (size_t row = 0; d > 0 && row < values.size() / d; ++row) {
    long double squares = 0;
    for (size_t i = 0; i < d; ++i) squares += static_cast<long double>(values[row * d + i]) * values[row * d + i];
    const double divisor = std::max(static_cast<double>(std::sqrt(squares)), eps);
    for (size_t i = 0; i < d; ++i) values[row * d + i] /= divisor;
  }
  return Tensor::from(values, x.shape());
}

const auto kUnit = [](std::span<const Variable> in) { return l2_normalise(in[0], 1e-12); };
const auto kPlain = [](std::span<const Variable> in) { return l2_normalise(in[0], 0); };

}  // namespace

// Elements are at most 1; a norm is a sum of at most 771 squares, whose f32 error is a few units in 16 lanes.
TEST_CASE("l2_normalise equals its definition on odd sizes and strided inputs") {
  for (const DType dtype : {DType::f32, DType::f64})
    for (const Shape& shape :
         {Shape{7, 5}, Shape{1, 1}, Shape{3}, Shape{0, 4}, Shape{4, 0}, Shape{2, 3, 33}, Shape{3, 771}})
      for (const double eps : {0.0, 1e-12, 2.0}) {
        CAPTURE(shape);
        const Tensor x = random_normal(shape, 1, dtype);
        for (const Tensor& input : {x, strided(x)})
          CHECK(largest_difference(l2_normalise(Variable(input), eps).value(), naive(x, eps)) <=
                (dtype == DType::f32 ? 1e-6 : 1e-14));
      }
}

TEST_CASE("l2_normalise: in bf16 the arithmetic is f32, and each element is rounded once") {
  const Tensor x = random_normal({5, 37}, 1, DType::f32).to(DType::bf16);
  const Tensor expected = naive(x, 1e-12).to(DType::f32).to(DType::bf16);
  // A neighbour of a bf16 between whose halves the exact quotient lies: 2^-8 of an element, none of which is above 1.
  CHECK(largest_difference(l2_normalise(Variable(x)).value(), expected) <= 0x1p-8);
}

TEST_CASE("l2_normalise: gradients") {
  check_gradients("l2_normalise", kUnit, {random_normal({7, 5}, 1)});
  check_gradients("l2_normalise, long rows", kUnit, {random_normal({3, 70}, 2)});
  check_gradients("l2_normalise, plain", kPlain, {random_normal({2, 3, 4}, 3)});
}

TEST_CASE("l2_normalise: a row of zeros stays one with a floor, and becomes NaN without") {
  const Variable x(Tensor::zeros({2, 3}), true);
  const Variable y = l2_normalise(x, 0.5);
  CHECK(y.value().to_vector<float>() == std::vector<float>(6, 0.0f));
  y.backward(Tensor::full({2, 3}, 1));
  CHECK(x.grad().to_vector<float>() == std::vector<float>(6, 2.0f));  // dy / eps
  for (const float value : l2_normalise(x, 0).value().to_vector<float>()) CHECK(std::isnan(value));
}

TEST_CASE("l2_normalise: the same bits at any number of threads") {
  const int before = thread_count();
  std::vector<float> first, first_gradient;
  for (const int threads : {1, 2, 3}) {
    set_thread_count(threads);
    const Variable x(random_normal({300, 130}, 1, DType::f32), true);
    const Variable y = l2_normalise(x);
    y.backward(random_normal({300, 130}, 2, DType::f32));
    if (threads == 1) first = y.value().to_vector<float>(), first_gradient = x.grad().to_vector<float>();
    CHECK(y.value().to_vector<float>() == first);
    CHECK(x.grad().to_vector<float>() == first_gradient);
  }
  set_thread_count(before);
}

TEST_CASE("l2_normalise: what bad input gets") {
  CHECK_THROWS_WITH(l2_normalise(Variable(Tensor::scalar(1))), "l2_normalise: x is f32 [], expected [..., channels]");
  CHECK_THROWS_WITH(l2_normalise(Variable(Tensor::zeros({2})), -1), "l2_normalise: eps is -1, expected at least 0");
  CHECK_THROWS_WITH(l2_normalise(Variable(Tensor::zeros({2}, DType::i64))),
                    "l2_normalise: dtype is i64, expected f32, f64 or bf16");
}

}  // namespace tessera::l2_normalise_test
