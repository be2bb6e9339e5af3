#include <algorithm>
#include <cmath>

#include "tensor/ops/all_finite.h"
#include "tensor/ops/concatenate.h"
#include "tensor/ops/cosine_cost.h"
#include "tensor/ops/ipot.h"
#include "tensor/ops/reduce.h"
#include "tensor/ops/transport_distance.h"
#include "tensor/parallel.h"
#include "tests/ops/op_check.h"
#include "tests/ops/reference.h"

namespace tessera::transport_test {

using test::largest_difference;

namespace {

Tensor i64(const std::vector<int64_t>& values) { return Tensor::from(values); }

Tensor magnitudes(const Shape& shape, uint64_t seed) { return reference::magnitude(random_normal(shape, seed)); }

}  // namespace

TEST_CASE("ipot equals its algorithm: odd sizes, one row, one column, none") {
  const std::vector<std::pair<int64_t, int64_t>> sizes{{3, 4}, {0, 5}, {1, 6},    {5, 1},
                                                       {1, 1}, {4, 0}, {40, 201}, {9, 25}};
  std::vector<int64_t> rows{0}, columns{0};
  std::vector<Tensor> parts, flat;
  for (const auto& [m, n] : sizes) {
    rows.push_back(rows.back() + m);
    columns.push_back(columns.back() + n);
    parts.push_back(magnitudes({m, n}, static_cast<uint64_t>(m * 1000 + n)));
    flat.push_back(parts.back().view({m * n}));
  }
  const Tensor cost = ops::concatenate(flat, 0);
  for (const auto& [beta, iterations] : {std::pair{0.5, 50}, {0.1, 1000}, {0.5, 1}}) {
    const Tensor plan = ops::ipot(cost, i64(rows), i64(columns), beta, iterations);
    const Tensor f32 = ops::ipot(cost.to(DType::f32), i64(rows), i64(columns), beta, iterations);
    int64_t first = 0;
    for (size_t s = 0; s < sizes.size(); ++s) {
      const auto [m, n] = sizes[s];
      CAPTURE(m);
      CAPTURE(n);
      const Tensor expected = reference::ipot(parts[s], beta, iterations);
      // Every iteration multiplies by A once more, so that an element's error grows with the error of A, beta's inverse
      // times the rounding of the cost, while the normalisation keeps the sums right. Measured: 2.5e-15 and 2e-6 of the
      // largest element at worst; ten and more times is allowed.
      const double largest = m * n == 0 ? 1 : ops::max(expected).item();
      CHECK(largest_difference(plan.narrow(0, first, m * n).view({m, n}), expected) <= 1e-13 * largest);
      CHECK(largest_difference(f32.narrow(0, first, m * n).view({m, n}), expected) <= 2e-5 * largest);
      first += m * n;
    }
  }
}

TEST_CASE("ipot: marginals hold, uniform and given") {
  const int64_t m = 7, n = 12;
  const Tensor cost = magnitudes({m, n}, 1);
  std::vector<double> p, q;
  for (int64_t i = 0; i < m; ++i) p.push_back(static_cast<double>(i) / 21.0);  // the first row takes nothing
  for (int64_t j = 0; j < n; ++j) q.push_back(static_cast<double>(j + 1) / 78.0);
  const Tensor plan =
      ops::ipot(cost, i64({0, m}), i64({0, n}), 0.5, 200, Tensor::from(p), Tensor::from(q)).view({m, n});
  const auto rows = reference::sum(plan, 1).to_vector<double>(), columns = reference::sum(plan, 0).to_vector<double>();
  for (size_t i = 0; i < 7; ++i) CHECK(rows[i] == doctest::Approx(p[i]).epsilon(1e-12));
  for (size_t j = 0; j < 12; ++j) CHECK(columns[j] == doctest::Approx(q[j]).epsilon(0.02));  // in the limit only
}

TEST_CASE("ipot in f32 keeps up where exp(-cost / beta) is out of its range") {
  const Tensor cost = magnitudes({6, 9}, 2);
  for (const double beta : {0.02, 0.01}) {
    const Tensor f64 = ops::ipot(cost, i64({0, 6}), i64({0, 9}), beta, 20);
    const Tensor f32 = ops::ipot(cost.to(DType::f32), i64({0, 6}), i64({0, 9}), beta, 20);
    CHECK(largest_difference(f32, f64) < 1e-5);
    CHECK(ops::all_finite(f32));
  }
}

TEST_CASE("cosine_cost: dense and ragged against the formula, strided rows, zero rows") {
  const Tensor wide = random_normal({6, 14}, 1), x = wide.narrow(1, 2, 9), y = random_normal({9, 5}, 2).transpose(0, 1);
  const auto expected = reference::cosine_cost(x, y).to_vector<double>();
  const auto dense = cosine_cost(Variable(x), Variable(y)).value();
  REQUIRE(dense.shape() == Shape{6, 5});
  const auto values = dense.to_vector<double>();
  for (size_t e = 0; e < 30; ++e) CHECK(values[e] == doctest::Approx(expected[e]).epsilon(1e-13));
  const auto ragged =
      cosine_cost(Variable(x), Variable(y), i64({0, 2, 2, 6}), i64({0, 3, 4, 5})).value().to_vector<double>();
  REQUIRE(ragged.size() == 6 + 0 + 4);
  for (size_t i = 0; i < 2; ++i)
    for (size_t j = 0; j < 3; ++j) CHECK(ragged[i * 3 + j] == doctest::Approx(expected[i * 5 + j]).epsilon(1e-13));
  for (size_t i = 0; i < 4; ++i) CHECK(ragged[6 + i] == doctest::Approx(expected[(2 + i) * 5 + 4]).epsilon(1e-13));

  // Below eps the norm is a constant: dx = d/dx̂ / eps.
  const Variable zero(Tensor::zeros({1, 2}), true), one(Tensor::from(std::vector<float>{3, 4}, {1, 2}));
  const Variable cost = cosine_cost(zero, one, 1e-2);
  CHECK(cost.value().item() == 1);
  cost.backward(Tensor::full({1, 1}, 1));
  CHECK(zero.grad().to_vector<float>()[0] == doctest::Approx(-60));
  CHECK(zero.grad().to_vector<float>()[1] == doctest::Approx(-80));
}

TEST_CASE("cosine_cost: gradcheck on both sides of eps, and a missing projection is caught") {
  const Tensor cu_x = i64({0, 3, 3, 7}), cu_y = i64({0, 2, 4, 5});
  // With eps = 2.5 some of the rows' norms (about 2.4 for d = 6) lie below it.
  for (const double eps : {1e-5, 2.5}) {
    const auto report =
        gradcheck_one([&](std::span<const Variable> v) { return cosine_cost(v[0], v[1], cu_x, cu_y, eps); },
                      {random_normal({7, 6}, 1), random_normal({5, 6}, 2)});
    CHECK_MESSAGE(report.ok, report.message());
  }
  const auto planted = [&](std::span<const Variable> v) {
    const Tensor x = v[0].value(), y = v[1].value();
    const auto forward = ops::cosine_cost(x, y, cu_x, cu_y, 1e-5);
    return record("planted", forward.cost, {v[0], v[1]}, [=](const Tensor& dy, GradSlots) -> Grads {
      const auto gradients = ops::cosine_cost_backward(dy, x, y, forward, cu_x, cu_y, 1e9);  // as if below eps
      return {gradients.dx, gradients.dy};
    });
  };
  CHECK_FALSE(gradcheck_one(planted, {random_normal({7, 6}, 1), random_normal({5, 6}, 2)}).ok);
}

// The lesson. Word-patch alignment takes the transport plan as a constant in backward. That is the right gradient only
// if the iteration has converged, by the envelope theorem; at the training setting (beta 0.5, 50 iterations) it has
// not, so a central difference of the whole loss, which lets the plan move, disagrees with a correct backward by far
// more than any tolerance. A gradient check must freeze the plan.
TEST_CASE("word-patch alignment: the gradient check passes with the plan frozen, and fails with the plan recomputed") {
  const Tensor cu_x = i64({0, 8}), cu_y = i64({0, 20});
  const std::vector<Tensor> inputs{random_normal({8, 16}, 1), random_normal({20, 16}, 2)};
  const auto loss = [&](std::span<const Variable> v, const Tensor& plan) {
    const Variable cost = cosine_cost(v[0], v[1], cu_x, cu_y);
    return transport_distance(cost, plan.defined() ? plan : ops::ipot(cost.value(), cu_x, cu_y, 0.5, 50), cu_x, cu_y);
  };
  const auto cost = ops::cosine_cost(inputs[0], inputs[1], cu_x, cu_y, 1e-5).cost;
  const Tensor plan = ops::ipot(cost, cu_x, cu_y, 0.5, 50);
  const auto frozen = gradcheck_one([&](std::span<const Variable> v) { return loss(v, plan); }, inputs);
  CHECK_MESSAGE(frozen.ok, frozen.message());

  const auto naive = gradcheck_one([&](std::span<const Variable> v) { return loss(v, {}); }, inputs);
  CHECK_FALSE(naive.ok);
  // By how much: relative to the largest gradient element of the input that is checked.
  const Variable x(inputs[0], true), y(inputs[1]);
  loss(std::vector<Variable>{x, y}, {}).backward(Tensor::full({1}, 1, DType::f64));
  const auto analytic = x.grad().to_vector<double>();
  const auto value = [&](size_t e, double h) {
    auto moved = inputs[0].to_vector<double>();
    moved[e] += h;
    return loss(std::vector<Variable>{Variable(Tensor::from(moved, {8, 16})), y}, {}).value().to_vector<double>()[0];
  };
  double worst = 0, largest = 0;
  for (size_t e = 0; e < analytic.size(); ++e) {
    const double numeric = (value(e, 1e-6) - value(e, -1e-6)) / 2e-6;
    worst = std::max(worst, std::abs(numeric - analytic[e]));
    largest = std::max(largest, std::abs(analytic[e]));
  }
  MESSAGE("plan recomputed: the naive central difference differs by ", 100 * worst / largest, " %");
  CHECK(worst > 0.05 * largest);
}

TEST_CASE("transport_distance: values, gradcheck, and a planted error") {
  const Tensor cu_x = i64({0, 2, 3, 3}), cu_y = i64({0, 3, 5, 9});
  const Tensor cost = random_normal({8}, 1), plan = magnitudes({8}, 2);
  const auto c = cost.to_vector<double>(), t = plan.to_vector<double>();
  const auto distance = transport_distance(Variable(cost), plan, cu_x, cu_y).value().to_vector<double>();
  REQUIRE(distance.size() == 3);
  double first = 0;
  for (size_t i = 0; i < 6; ++i) first += c[i] * t[i];
  CHECK(distance[0] == doctest::Approx(first).epsilon(1e-14));
  CHECK(distance[1] == doctest::Approx(c[6] * t[6] + c[7] * t[7]).epsilon(1e-14));
  CHECK(distance[2] == 0);
  const auto report =
      gradcheck_one([&](std::span<const Variable> v) { return transport_distance(v[0], plan, cu_x, cu_y); }, {cost});
  CHECK_MESSAGE(report.ok, report.message());
  const auto planted = [&](std::span<const Variable> v) {
    return record("planted", ops::transport_distance(v[0].value(), plan, cu_x, cu_y), {v[0]},
                  [=](const Tensor& dy, GradSlots) -> Grads {
                    return {ops::transport_distance_backward(dy, Tensor::full({8}, 1, DType::f64), cu_x, cu_y)};
                  });
  };
  CHECK_FALSE(gradcheck_one(planted, {cost}).ok);
}

TEST_CASE("optimal transport: the same bits at any number of threads, alone or in a batch") {
  const int before = thread_count();
  std::vector<int64_t> rows{0}, columns{0};
  for (int64_t s = 0; s < 10; ++s) {
    rows.push_back(rows.back() + 3 + s % 4);
    columns.push_back(columns.back() + 17 + s);
  }
  const Tensor cu_x = i64(rows), cu_y = i64(columns);
  const Tensor x = random_normal({rows.back(), 20}, 1, DType::f32),
               y = random_normal({columns.back(), 20}, 2, DType::f32);
  std::vector<float> first_plan, first_dx;
  for (const int threads : {1, 2, 3}) {
    set_thread_count(threads);
    const Variable leaf(x, true);
    const Variable cost = cosine_cost(leaf, Variable(y), cu_x, cu_y);
    const Tensor plan = ops::ipot(cost.value(), cu_x, cu_y, 0.5, 50);
    const Variable distance = transport_distance(cost, plan, cu_x, cu_y);
    distance.backward(Tensor::full({10}, 1));
    if (threads == 1) first_plan = plan.to_vector<float>(), first_dx = leaf.grad().to_vector<float>();
    CHECK(plan.to_vector<float>() == first_plan);
    CHECK(leaf.grad().to_vector<float>() == first_dx);
    const int64_t elements = rows[1] * columns[1];
    const auto alone = ops::ipot(cost.value().narrow(0, 0, elements), i64({0, rows[1]}), i64({0, columns[1]}), 0.5, 50);
    CHECK(alone.to_vector<float>() == plan.narrow(0, 0, elements).to_vector<float>());
  }
  set_thread_count(before);
}

TEST_CASE("optimal transport: what bad input gets") {
  const Tensor cost = Tensor::from(std::vector<float>{0, 1, 2, 1, 0, 1}), cu_x = i64({0, 2}), cu_y = i64({0, 3});
  CHECK_THROWS_WITH(ops::ipot(cost, cu_x, cu_y, 0, 50), "ipot: beta is 0, expected more than 0");
  CHECK_THROWS_WITH(ops::ipot(cost, cu_x, cu_y, 0.5, 0), "ipot: iterations is 0, expected at least 1");
  CHECK_THROWS_WITH(ops::ipot(cost, cu_x, cu_x, 0.5, 50), "ipot: cost is f32 [6], expected 4 elements");
  CHECK_THROWS_WITH(ops::ipot(cost, cu_x, i64({0, 1, 3}), 0.5, 50), "ipot: cu_rows marks 1 samples, cu_columns 2");
  CHECK_THROWS_WITH(ops::ipot(cost, cu_x, cu_y, 0.001, 50),
                    "ipot: beta 0.001 is too small for costs from 0 to 2; expected at least 0.00307692");
  CHECK_THROWS_WITH(ops::ipot(cost, cu_x, cu_y, 0.5, 50, Tensor::full({2}, 1)),
                    "ipot: row_marginals of sample 0 sum to 2, expected 1");
  CHECK_THROWS_WITH(ops::ipot(cost, cu_x, cu_y, 0.5, 50, {}, Tensor::full({3}, -1)),
                    "ipot: column_marginals[0] is -1, expected at least 0");
  CHECK_THROWS_WITH(ops::ipot(cost, cu_x, cu_y, 0.5, 50, Tensor::full({3}, 1)),
                    "ipot: row_marginals are f32 [3], expected f32 [2]");
  const Variable x(Tensor::zeros({2, 4})), y(Tensor::zeros({3, 5}));
  CHECK_THROWS_WITH(cosine_cost(x, y), "cosine_cost: y is f32 [3, 5], expected f32 [rows, 4]");
  CHECK_THROWS_WITH(cosine_cost(x, x, 0), "cosine_cost: eps is 0, expected more than 0");
  CHECK_THROWS_WITH(cosine_cost(x, x, i64({0, 1, 2}), i64({0, 2})), "cosine_cost: cu_x marks 2 samples, cu_y 1");
  CHECK_THROWS_WITH(cosine_cost(Variable(Tensor::zeros({2})), x),
                    "cosine_cost: x is f32 [2] and y is f32 [2, 4], expected [m, d] and [n, d]");
  CHECK_THROWS_WITH(transport_distance(Variable(cost), Tensor::zeros({5}), cu_x, cu_y),
                    "transport_distance: plan is f32 [5], expected f32 [6]");
  CHECK_THROWS_WITH(transport_distance(Variable(cost), cost, cu_x, cu_x),
                    "transport_distance: cost is f32 [6], expected 4 elements");
}

}  // namespace tessera::transport_test
