#include "tensor/ops/ranking_hinge.h"

#include "tensor/parallel.h"
#include "tests/ops/op_check.h"

namespace tessera::ranking_hinge_test {

using namespace tessera::test;
using ops::Negatives;

namespace {

// The definition.
double naive(const Tensor& similarity, double margin, Negatives negatives) {
  const std::vector<double> s = similarity.to(DType::f64).to_vector<double>();
  const auto n = static_cast<size_t>(similarity.size(0));
  double total = 0;
  for (size_t i = 0; i < n; ++i) {
    double row = 0, column = 0;
    for (size_t j = 0; j < n; ++j) {
      if (j == i) continue;
      const double caption = std::max(0.0, margin + s[i * n + j] - s[i * n + i]);
      const double picture = std::max(0.0, margin + s[j * n + i] - s[i * n + i]);
      row = negatives == Negatives::all ? row + caption : std::max(row, caption);
      column = negatives == Negatives::all ? column + picture : std::max(column, picture);
    }
    total += row + column;
  }
  return total;
}

}  // namespace

TEST_CASE("ranking_hinge_loss equals its definition: odd sizes, strided, none and one") {
  for (const Negatives negatives : {Negatives::all, Negatives::hardest})
    for (const int64_t n : {0, 1, 2, 7, 67})
      for (const DType dtype : {DType::f64, DType::f32}) {
        CAPTURE(n);
        const Tensor s = random_normal({n, n}, 1, dtype);
        const double expected = naive(s, 0.2, negatives);
        for (const Tensor& similarity : {s, strided(s)})
          CHECK(ranking_hinge_loss(Variable(similarity), 0.2, negatives).value().item() ==
                doctest::Approx(expected).epsilon(dtype == DType::f32 ? 3e-7 : 1e-13));  // each hinge is rounded
      }
}

TEST_CASE("ranking_hinge_loss: gradients, and a diagonal that is left out is caught") {
  for (const Negatives negatives : {Negatives::all, Negatives::hardest}) {
    check_gradients("ranking_hinge_loss",
                    [=](std::span<const Variable> x) { return ranking_hinge_loss(x[0], 0.3, negatives); },
                    {random_normal({6, 6}, 2)});
    const auto planted = [=](std::span<const Variable> x) {
      const Tensor s = x[0].value();
      const ops::RankingHinge forward = ops::ranking_hinge(s, 0.3, negatives);
      return record("planted", forward.loss, {x[0]}, [=](const Tensor& dy, GradSlots) -> Grads {
        Tensor gradient = ops::ranking_hinge_backward(dy, s, forward.active, 0.3, negatives);
        for (int64_t i = 0; i < 6; ++i) gradient.mutable_data<double>()[7 * i] = 0;
        return {gradient};
      });
    };
    CHECK_FALSE(gradcheck_one(planted, {random_normal({6, 6}, 2)}).ok);
  }
}

TEST_CASE("ranking_hinge_loss: equal similarities, a hinge at 0, NaN") {
  // All equal: every hinge is the margin, and the first of equal ones has the gradient.
  const Variable x(Tensor::full({3, 3}, 0.5), true);
  const Variable loss = ranking_hinge_loss(x, 0.25, Negatives::hardest);
  CHECK(loss.value().item() == 6 * 0.25);
  loss.backward();
  CHECK(x.grad().to_vector<float>() == std::vector<float>{-2, 2, 1, 2, -2, 0, 1, 0, -2});
  const Variable at(Tensor::from(std::vector<float>{0.5, 0.25, 0.25, 0.5}, {2, 2}), true);
  for (const Negatives negatives : {Negatives::all, Negatives::hardest}) {
    const Variable zero = ranking_hinge_loss(at, 0.25, negatives);
    CHECK(zero.value().item() == 0);
    zero.backward();
    CHECK(at.grad().to_vector<float>() == std::vector<float>(4, 0.0f));
    Tensor s = Tensor::zeros({4, 4});
    s.mutable_data<float>()[1] = NAN;
    CHECK(std::isnan(ranking_hinge_loss(Variable(s), 0.2, negatives).value().item()));
  }
}

TEST_CASE("ranking_hinge_loss: the same bits at any number of threads") {
  const int before = thread_count();
  for (const Negatives negatives : {Negatives::all, Negatives::hardest}) {
    std::vector<float> first;
    for (const int threads : {1, 2, 3}) {
      set_thread_count(threads);
      const Variable x(random_normal({190, 190}, 1, DType::f32), true);
      const Variable loss = ranking_hinge_loss(x, 0.2, negatives);
      loss.backward();
      std::vector<float> got = x.grad().to_vector<float>();
      got.push_back(loss.value().item<float>());
      if (threads == 1) first = got;
      CHECK(got == first);
    }
  }
  set_thread_count(before);
}

TEST_CASE("ranking_hinge_loss: what bad input gets") {
  CHECK_THROWS_WITH(ranking_hinge_loss(Variable(Tensor::zeros({2, 3})), 0.2, Negatives::all),
                    "ranking_hinge: similarity is f32 [2, 3], expected [n, n]");
  CHECK_THROWS_WITH(ranking_hinge_loss(Variable(Tensor::zeros({2, 2})), -1, Negatives::all),
                    "ranking_hinge: margin is -1, expected at least 0");
  CHECK_THROWS_WITH(ranking_hinge_loss(Variable(Tensor::zeros({2, 2}, DType::bf16)), 0, Negatives::all),
                    "ranking_hinge: dtype is bf16, expected f32 or f64");
}

}  // namespace tessera::ranking_hinge_test
