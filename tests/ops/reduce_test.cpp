#include "tensor/ops/reduce.h"

#include "tensor/ops/accumulate.h"
#include "tensor/parallel.h"
#include "tests/ops/op_check.h"
#include "tests/ops/reference.h"

namespace tessera::reduce_test {

using namespace tessera::test;

namespace {

const Shape kShapes[] = {{1},       {3},        {1000},       {100003},   {4, 5},    {3, 0, 2},    {0, 3},
                         {7, 1, 9}, {5, 67, 3}, {2, 3, 4, 5}, {1031, 65}, {9, 2500}, {3, 1100, 20}};

}  // namespace

// A sum of n normal values is of size √n and passes through at most about 100 additions on its way (lanes, chunks),
// each of which rounds by 6e-8 of it: √n · 1e-6 leaves room for their random walk. In f64 that is 1e-12.
TEST_CASE("reduce: sums and means over each dimension and over all") {
  for (const Shape& shape : kShapes) {
    CAPTURE(shape.numel());
    const Tensor x = random_normal(shape, 9), x32 = x.to(DType::f32);
    for (int d = 0; d < shape.dim(); ++d) {
      const double bound = 1e-6 * (1 + std::sqrt(static_cast<double>(shape[d])));
      const Tensor expected = reference::sum(x, d);
      CHECK(largest_difference(ops::sum(x, d), expected) <= 1e-10);
      CHECK(largest_difference(ops::sum(strided(x), d), expected) <= 1e-10);
      CHECK(largest_difference(ops::sum(x32, d - shape.dim()), reference::sum(x32, d)) <= bound);
      Shape kept = shape;
      kept[d] = 1;
      CHECK(ops::sum(x, d, true).shape() == kept);
      if (shape[d] == 0) continue;
      CHECK(ops::mean(x, d, true).shape() == kept);
      const Tensor mean = ops::mean(x, d);
      CHECK(largest_difference(ops::sum(mean),
                               Tensor::scalar(ops::sum(x).item() / static_cast<double>(shape[d]), DType::f64)) <= 1e-9);
    }
    const double total = reference::sum(x.view({x.numel()}), 0).item();
    CHECK(ops::sum(x).item() == doctest::Approx(total).epsilon(1e-10));
    CHECK(std::abs(ops::sum(x32).item() - total) <= 1e-6 * (1 + std::sqrt(static_cast<double>(x.numel()))));
    if (x.numel() > 0)
      CHECK(ops::mean(x).item() == doctest::Approx(total / static_cast<double>(x.numel())).epsilon(1e-10));
  }
  CHECK(ops::sum(Tensor::zeros({0, 3})).item() == 0);
  CHECK(ops::sum(Tensor::zeros({2, 0}), 1).to_vector<float>() == std::vector<float>{0, 0});
  CHECK(ops::mean(Tensor::zeros({0, 3}), 1).shape() == Shape{0});
}

TEST_CASE("reduce: maxima") {
  for (const Shape& shape : kShapes) {
    CAPTURE(shape.numel());
    const Tensor x = random_normal(shape, 10, DType::f32);
    for (int d = 0; d < shape.dim(); ++d) {
      if (shape[d] == 0) continue;
      const reference::Maximum expected = reference::max(x, d);
      CHECK(largest_difference(ops::max(x, d).value, expected.value) == 0);
      CHECK(largest_difference(ops::argmax(strided(x), d), expected.index) == 0);
    }
  }
  const Tensor ties = Tensor::from(std::vector<float>{1, 3, 3, -1, NAN, 7}, {2, 3});
  CHECK(ops::argmax(ties, 1, true).to_vector<int64_t>() == std::vector<int64_t>{1, 1});  // the first; NaN is largest
  CHECK(ops::argmax(ties).item<int64_t>() == 4);
  CHECK(std::isnan(ops::max(ties).item()));
}

TEST_CASE("reduce: sum_to undoes a broadcast") {
  const Shape full{3, 4, 5, 6};
  const Tensor x = random_normal(full, 11);
  for (const Shape& shape :
       {Shape{}, Shape{1}, Shape{6}, Shape{5, 1}, Shape{4, 1, 6}, Shape{3, 1, 1, 6}, Shape{1, 4, 5, 1}, full}) {
    Shape padded = shape;
    while (padded.dim() < 4) padded.insert(0, 1);
    Tensor expected = x;
    for (int d = 0; d < 4; ++d)
      if (padded[d] == 1 && full[d] > 1) expected = reference::sum(expected, d).unsqueeze(d);
    CHECK(largest_difference(ops::sum_to(x, shape), expected.reshape(shape)) <= 1e-12);
  }
  CHECK_THROWS_WITH_AS(ops::sum_to(x, {5}), "sum_to: [3, 4, 5, 6] cannot be the broadcast of [5]", Error);
  CHECK_THROWS_WITH_AS(ops::sum_to(Tensor::zeros({2}), {1, 2}), "sum_to: [2] cannot be the broadcast of [1, 2]", Error);
}

TEST_CASE("reduce: the same bits with one, two and three threads") {
  const int before = thread_count();
  const Tensor x = random_normal({5000, 70}, 12, DType::f32);
  std::vector<std::vector<float>> rows, all, columns;
  for (const int threads : {1, 2, 3}) {
    set_thread_count(threads);
    rows.push_back(ops::sum_to(x, {70}).to_vector<float>());
    columns.push_back(ops::sum(x, 1).to_vector<float>());
    all.push_back(ops::sum(x).to_vector<float>());
  }
  set_thread_count(before);
  for (const auto* results : {&rows, &columns, &all}) {
    CHECK((*results)[1] == (*results)[0]);
    CHECK((*results)[2] == (*results)[0]);
  }
}

TEST_CASE("reduce: gradients") {
  const auto one = [](auto f) { return [f](std::span<const Variable> x) { return f(x[0]); }; };
  const Tensor x = random_normal({3, 4, 5}, 13);
  check_gradients("sum", one([](const Variable& v) { return sum(square(v)); }), {x});
  check_gradients("mean", one([](const Variable& v) { return mean(square(v)); }), {x});
  check_gradients("sum over 1", one([](const Variable& v) { return sum(square(v), 1); }), {x});
  check_gradients("sum over -1, kept", one([](const Variable& v) { return sum(square(v), -1, true); }), {x});
  check_gradients("mean over 0", one([](const Variable& v) { return mean(square(v), 0); }), {x});
  check_gradients("mean over -2, kept", one([](const Variable& v) { return mean(square(v), -2, true); }), {x});
  check_gradients("max over 1", one([](const Variable& v) { return max(v, 1); }), {x});
  check_gradients("max over -1, kept", one([](const Variable& v) { return max(v, -1, true); }), {x});
  check_gradients("bias over many rows", [](std::span<const Variable> v) { return square(v[0] + v[1]); },
                  {random_normal({40, 6}, 14), random_normal({6}, 15)});
}

// Rows are searched in lanes: the first of the largest wherever it lies, also beside NaN and infinities, equals the
// naive search.
TEST_CASE("reduce: argmax of rows") {
  for (const DType dtype : {DType::f32, DType::f64, DType::bf16})
    for (const int64_t n : {1, 7, 8, 16, 17, 33, 64, 1000})
      for (uint64_t seed = 1; seed <= 20; ++seed) {
        Random random(seed, n);
        std::vector<double> row(static_cast<size_t>(n));
        for (double& value : row) value = seed % 4 == 0 ? -INFINITY : static_cast<double>(random.below(5));
        if (seed % 5 == 0)
          for (int k = 0; k < 2; ++k) row[static_cast<size_t>(random.below(static_cast<uint64_t>(n)))] = NAN;
        size_t best = 0;
        for (size_t i = 1; i < row.size(); ++i)
          if (row[i] > row[best] || (std::isnan(row[i]) && !std::isnan(row[best]))) best = i;
        const Tensor x = Tensor::from(row, {1, n}).to(dtype);
        CHECK(ops::argmax(x, 1).item<int64_t>() == static_cast<int64_t>(best));
        CHECK(ops::argmax(concatenate({Variable(x), Variable(x)}, 0).value(), -1).to_vector<int64_t>()[1] ==
              static_cast<int64_t>(best));
      }
}

TEST_CASE("reduce: the first of equal maxima gets the gradient") {
  const Variable x(Tensor::from(std::vector<float>{2, 2, 1, 0, 5, 5}, {2, 3}), true);
  max(x, 1).backward(Tensor::from(std::vector<float>{3, 4}));
  CHECK(x.grad().to_vector<float>() == std::vector<float>{3, 0, 0, 0, 4, 0});
}

TEST_CASE("reduce: errors") {
  const Tensor x = Tensor::zeros({2, 0});
  CHECK_THROWS_WITH_AS(ops::max(x), "max: dimension 0 of [0] has no elements", Error);
  CHECK_THROWS_WITH_AS(ops::max(x, 1), "max: dimension 1 of [2, 0] has no elements", Error);
  CHECK_THROWS_WITH_AS(ops::mean(x), "mean: shape [2, 0] has no elements", Error);
  CHECK_THROWS_WITH_AS(ops::mean(x, -1), "mean: dimension 1 of [2, 0] has no elements", Error);
  CHECK_THROWS_WITH_AS(ops::sum(x, 2), "sum: no dimension 2 in shape [2, 0]", Error);
  CHECK_THROWS_WITH_AS(ops::argmax(x, -3), "max: no dimension -3 in shape [2, 0]", Error);
  CHECK_THROWS_WITH_AS(ops::sum(Tensor::zeros({2}, DType::i64), 0), "sum_to: dtype is i64, expected f32 or f64", Error);
}

}  // namespace tessera::reduce_test
