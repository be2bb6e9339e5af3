#include "tensor/ops/matmul.h"

#include "tests/ops/matrix_reference.h"
#include "tests/ops/reference.h"

namespace tessera::matmul_test {

using namespace tessera::test;

namespace {

struct Case {
  Shape a, b, batch;
};
const std::vector<Case> kCases = {
    {{7, 5}, {5, 3}, {}},        {{1, 1}, {1, 1}, {}},
    {{0, 5}, {5, 3}, {}},        {{4, 0}, {0, 3}, {}},
    {{2, 7, 5}, {2, 5, 3}, {2}}, {{2, 3, 4, 5}, {5, 6}, {2, 3}},
    {{4, 5}, {3, 5, 2}, {3}},    {{2, 1, 4, 5}, {3, 5, 1}, {2, 3}},
    {{0, 4, 5}, {5, 2}, {0}},    {{130, 33}, {33, 65}, {}},
    {{9, 1, 6}, {9, 6, 1}, {9}},
};

}  // namespace

TEST_CASE("matmul: plain, batched and broadcast products equal their reference, whatever the strides") {
  for (const DType dtype : {DType::f32, DType::f64})
    for (const Case& c : kCases) {
      CAPTURE(c.a);
      CAPTURE(c.b);
      const Tensor a = random_normal(c.a, 1, dtype), b = random_normal(c.b, 2, dtype);
      const Tensor expected = reference::matmul(a, b, c.batch);
      // Sums of at most 33 products; single roundings average out far below 33 ε.
      const double bound = dtype == DType::f32 ? 4e-6 : 8e-15;
      for (const Tensor& left : {a, with_gaps(a), by_columns(a), strided(a)})
        for (const Tensor& right : {b, with_gaps(b), by_columns(b), strided(b)})
          CHECK(relative_difference(ops::matmul(left, right), expected) <= bound);
    }
}

TEST_CASE("matmul: operands with repeated rows") {
  const Tensor row = random_normal({1, 4}, 1), b = random_normal({4, 3}, 2);
  CHECK(same_bits(ops::matmul(row.expand({5, 4}), b), ops::matmul(row.expand({5, 4}).clone(), b)));
  const Tensor column = random_normal({5, 1}, 3);
  CHECK(same_bits(ops::matmul(column.expand({5, 4}), b), ops::matmul(column.expand({5, 4}).clone(), b)));
}

TEST_CASE("matmul: gradients") {
  for (const Case& c : kCases) {
    if (c.batch.numel() * c.a.numel() > 1000 || c.a.numel() == 0) continue;
    CAPTURE(c.a);
    CAPTURE(c.b);
    check_gradients("matmul", [](std::span<const Variable> in) { return matmul(in[0], in[1]); },
                    {random_normal(c.a, 3), random_normal(c.b, 4)});
  }
}

TEST_CASE("matmul: gradients of products without elements are zeros of the right shape") {
  const Variable a(Tensor::zeros({4, 0}, DType::f64), true), b(Tensor::zeros({0, 3}, DType::f64), true);
  matmul(a, b).backward(random_normal({4, 3}, 1));
  CHECK(a.grad().shape() == Shape{4, 0});
  CHECK(b.grad().shape() == Shape{0, 3});
}

TEST_CASE("matmul: the same bits on any number of threads") {
  const Tensor a = random_normal({301, 130}, 1, DType::f32), b = random_normal({130, 257}, 2, DType::f32);
  const Tensor c = random_normal({24, 33, 65}, 3, DType::f32), d = random_normal({24, 65, 9}, 4, DType::f32);
  CHECK(same_on_any_number_of_threads([&] { return std::vector{ops::matmul(a, b), ops::matmul(c, d)}; }));
}

TEST_CASE("matmul: what bad operands get") {
  const auto f64 = [](const Shape& shape) { return Tensor::zeros(shape, DType::f64); };
  CHECK_THROWS_WITH_AS(ops::matmul(f64({3}), f64({3, 2})),
                       "matmul: operands are f64 [3] and f64 [3, 2], expected at least 2 dimensions each", Error);
  CHECK_THROWS_WITH_AS(ops::matmul(f64({2, 3}), Tensor::zeros({3, 2})),
                       "matmul: dtypes differ: f64 [2, 3] and f32 [3, 2]", Error);
  CHECK_THROWS_WITH_AS(ops::matmul(f64({2, 3}), f64({4, 2})),
                       "matmul: f64 [2, 3] and f64 [4, 2] do not fit: 3 columns against 4 rows", Error);
  CHECK_THROWS_AS(ops::matmul(f64({2, 2, 3}), f64({3, 3, 2})), Error);
  CHECK_THROWS_WITH_AS(ops::matmul(Tensor::zeros({2, 2}, DType::i64), Tensor::zeros({2, 2}, DType::i64)),
                       "matmul: dtype is i64, expected f32 or f64", Error);
}

}  // namespace tessera::matmul_test
