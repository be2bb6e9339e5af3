#include <doctest/doctest.h>

#include "autograd/functions.h"
#include "autograd/gradcheck.h"
#include "autograd/tape.h"
#include "tensor/ops/gather_rows.h"
#include "tensor/parallel.h"
#include "tensor/philox.h"
#include "tests/ops/reference.h"

namespace tessera::rows_test {

namespace {

Tensor indices(const Shape& shape, int64_t rows, uint64_t seed) {
  Random random(seed);
  std::vector<int64_t> values(static_cast<size_t>(shape.numel()));
  for (int64_t& value : values) value = static_cast<int64_t>(random.below(static_cast<uint64_t>(rows)));
  return Tensor::from(values, shape);
}

Tensor i64(const std::vector<int64_t>& values) { return Tensor::from(values); }

}  // namespace

TEST_CASE("embedding and gather_rows take rows of contiguous, strided and several tables") {
  const Tensor a = random_normal({5, 3}, 1, DType::f32), b = random_normal({3, 4}, 2, DType::f32).transpose(0, 1);
  const Tensor wide = random_normal({2, 9}, 3, DType::f32), c = wide.narrow(1, 4, 3);
  const Tensor index = i64({0, 4, 5, 8, 9, 10, 10, 2});
  const auto out = gather_rows({Variable(a), Variable(b), Variable(c)}, index).value();
  REQUIRE(out.shape() == Shape{8, 3});
  const std::vector<std::pair<const Tensor*, int64_t>> expected{{&a, 0}, {&a, 4}, {&b, 0}, {&b, 3},
                                                                {&c, 0}, {&c, 1}, {&c, 1}, {&a, 2}};
  for (int64_t i = 0; i < 8; ++i)
    CHECK(
        out.select(0, i).to_vector<float>() ==
        expected[static_cast<size_t>(i)].first->select(0, expected[static_cast<size_t>(i)].second).to_vector<float>());
  const Variable table(a);
  CHECK(embedding(table, Tensor::from(std::vector<int64_t>{1, 2, 3, 0, 4, 1}, {2, 3})).shape() == Shape{2, 3, 3});
  CHECK(embedding(table, Tensor::empty({0}, DType::i64)).shape() == Shape{0, 3});
  CHECK(embedding(table, Tensor::from(std::vector<int64_t>{2}, {})).value().to_vector<float>() ==
        a.select(0, 2).to_vector<float>());
}

TEST_CASE("rows: gradcheck") {
  const Tensor index = indices({4, 3}, 7, 1);
  auto report =
      gradcheck_one([&](std::span<const Variable> x) { return embedding(x[0], index); }, {random_normal({7, 5}, 2)});
  CHECK_MESSAGE(report.ok, report.message());
  const Tensor virtual_index = indices({20}, 9, 3);
  report = gradcheck_one(
      [&](std::span<const Variable> x) {
        return gather_rows({x[0], x[1], x[2]}, virtual_index);
      },
      {random_normal({4, 2}, 4), random_normal({0, 2}, 5), random_normal({5, 2}, 6)});
  CHECK_MESSAGE(report.ok, report.message());
  const Tensor taps = indices({6, 4}, 5, 7), weight = random_normal({6, 4}, 8);
  report = gradcheck_one([&](std::span<const Variable> x) { return interpolate_rows(x[0], taps, weight); },
                         {random_normal({5, 3}, 9)});
  CHECK_MESSAGE(report.ok, report.message());
}

TEST_CASE("rows: a scatter that overwrites instead of adding is caught") {
  const Tensor index = i64({0, 1, 1, 2});
  const auto planted = [&](std::span<const Variable> x) {
    const Tensor table = x[0].value();
    return record("planted", ops::gather_rows("planted", std::vector<Tensor>{table}, index), {x[0]},
                  [=](const Tensor& dy, GradSlots) -> Grads {
                    Tensor grad = Tensor::zeros_like(table);
                    for (int64_t i = 0; i < index.numel(); ++i) {
                      Tensor row = grad.select(0, index.data<int64_t>()[i]);
                      row.copy_(dy.select(0, i));
                    }
                    return {grad};
                  });
  };
  CHECK_FALSE(gradcheck_one(planted, {random_normal({3, 2}, 1)}).ok);
}

TEST_CASE("rows: backward writes into the leaf's own memory, adds what is there, and clears untouched rows") {
  const Variable table(random_normal({4, 3}, 1, DType::f32), true);
  Variable leaf = table;
  const Tensor place = Tensor::full({4, 3}, 99);
  leaf.set_grad_storage(place);
  const Tensor ones = Tensor::full({2, 3}, 1);
  embedding(leaf, i64({2, 2})).backward(ones);
  CHECK(leaf.grad().data<float>() == place.data<float>());
  CHECK(place.to_vector<float>() == std::vector<float>{0, 0, 0, 0, 0, 0, 2, 2, 2, 0, 0, 0});
  embedding(leaf, i64({0, 2})).backward(ones);
  CHECK(place.to_vector<float>() == std::vector<float>{1, 1, 1, 0, 0, 0, 3, 3, 3, 0, 0, 0});
  // The same leaf as two sources: both parts arrive.
  leaf.clear_grad();
  gather_rows({leaf, leaf}, i64({1, 5})).backward(ones);
  CHECK(leaf.grad().to_vector<float>() == std::vector<float>{0, 0, 0, 2, 2, 2, 0, 0, 0, 0, 0, 0});
}

TEST_CASE("rows: the same bits at any number of threads") {
  const int before = thread_count();
  const Tensor index = indices({4000}, 50, 1), dy = random_normal({4000, 200}, 2, DType::f32);
  std::vector<float> first;
  for (const int threads : {1, 2, 3}) {
    set_thread_count(threads);
    const Variable table(random_normal({50, 200}, 3, DType::f32), true);
    embedding(table, index).backward(dy);
    const auto grad = table.grad().to_vector<float>();
    if (threads == 1) first = grad;
    CHECK(grad == first);
  }
  set_thread_count(before);
}

TEST_CASE("interpolate_rows equals its formula") {
  const Tensor table = random_normal({6, 5}, 1), index = indices({7, 3}, 6, 2), weight = random_normal({7, 3}, 3);
  const auto out = interpolate_rows(Variable(table.transpose(0, 1).clone().transpose(0, 1)), index, weight).value();
  const auto expected = reference::interpolate_rows(table, index, weight).to_vector<double>();
  const auto y = out.to_vector<double>();
  REQUIRE(y.size() == expected.size());
  for (size_t i = 0; i < y.size(); ++i) CHECK(y[i] == doctest::Approx(expected[i]).epsilon(1e-14));
  CHECK(
      interpolate_rows(Variable(table), Tensor::empty({0, 4}, DType::i64), Tensor::empty({0, 4}, DType::f64)).shape() ==
      Shape{0, 5});
}

TEST_CASE("rows: what bad input gets") {
  const Variable table(Tensor::zeros({4, 3}));
  CHECK_THROWS_WITH(embedding(table, Tensor::from(std::vector<int64_t>{0, 1, 2, 3, 1, 4}, {2, 3})),
                    "embedding: index[1, 2] is 4, expected 0 to 3 (4 rows)");
  CHECK_THROWS_WITH(gather_rows({table, table}, i64({7, -1})), "gather_rows: index[1] is -1, expected 0 to 7 (8 rows)");
  CHECK_THROWS_WITH(embedding(table, Tensor::zeros({2})), "embedding: index is f32 [2], expected i64");
  CHECK_THROWS_WITH(gather_rows({}, i64({0})), "gather_rows: no source");
  CHECK_THROWS_WITH(gather_rows({table}, Tensor::zeros({1, 1}, DType::i64)),
                    "gather_rows: index is i64 [1, 1], expected i64 [n]");
  CHECK_THROWS_WITH(gather_rows({table, Variable(Tensor::zeros({4, 2}))}, i64({0})),
                    "gather_rows: source 1 is f32 [4, 2], expected [rows, d] like source 0, f32 [4, 3]");
  CHECK_THROWS_WITH(interpolate_rows(table, Tensor::full({1, 2}, 9, DType::i64), Tensor::zeros({1, 2})),
                    "interpolate_rows: index[0, 0] is 9, expected 0 to 3 (4 rows)");
  CHECK_THROWS_WITH(interpolate_rows(table, Tensor::zeros({1, 2}, DType::i64), Tensor::zeros({1, 3})),
                    "interpolate_rows: weight is f32 [1, 3], expected f32 [1, 2]");
  CHECK_THROWS_WITH(interpolate_rows(table, i64({1}), Tensor::zeros({1})),
                    "interpolate_rows: index is i64 [1], expected i64 [n, taps]");
}

}  // namespace tessera::rows_test
