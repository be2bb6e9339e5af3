#include "tests/ops/op_check.h"

namespace tessera::contrastive_loss_test {

using namespace tessera::test;

TEST_CASE("contrastive_loss equals its definition") {
  const int64_t n = 5, d = 3;
  const Tensor a = random_normal({n, d}, 1), b = random_normal({n, d}, 2);
  const std::vector<double> x = a.to_vector<double>(), y = b.to_vector<double>();
  const double scale = std::exp(0.7);
  std::vector<std::vector<double>> logits(5, std::vector<double>(5));
  for (size_t i = 0; i < 5; ++i)
    for (size_t j = 0; j < 5; ++j)
      for (size_t k = 0; k < 3; ++k) logits[i][j] += scale * x[3 * i + k] * y[3 * j + k];
  double expected = 0;
  for (size_t i = 0; i < 5; ++i) {
    double row = 0, column = 0;
    for (size_t j = 0; j < 5; ++j) row += std::exp(logits[i][j]), column += std::exp(logits[j][i]);
    expected += (std::log(row) + std::log(column) - 2 * logits[i][i]) / 10;
  }
  const Variable log_scale(Tensor::scalar(0.7, DType::f64));
  CHECK(contrastive_loss(Variable(a), Variable(strided(b)), log_scale).value().item() ==
        doctest::Approx(expected).epsilon(1e-13));
  CHECK(contrastive_logits(Variable(a), Variable(b), log_scale).value().select(0, 1).select(0, 4).item() ==
        doctest::Approx(logits[1][4]).epsilon(1e-13));
}

// Of one pair the softmax is 1 whatever it is made of; of equal rows each candidate has the same share.
TEST_CASE("contrastive_loss: a batch of one costs nothing, equal features the logarithm of their number") {
  const Variable one(random_normal({1, 4}, 1, DType::f32), true), other(random_normal({1, 4}, 2, DType::f32), true);
  const Variable log_scale(Tensor::scalar(4.6), true);
  const Variable loss = contrastive_loss(one, other, log_scale);
  CHECK(loss.value().item() == 0);
  loss.backward();
  for (const Variable& input : {one, other, log_scale})
    for (const float value : input.grad().to_vector<float>()) CHECK(value == 0);
  const Variable same(Tensor::full({6, 4}, 0.5));
  CHECK(contrastive_loss(same, same, log_scale).value().item() == doctest::Approx(std::log(6.0)).epsilon(1e-6));
}

TEST_CASE("contrastive_loss: gradients to both sides and to the scale") {
  check_gradients("contrastive_loss",
                  [](std::span<const Variable> in) { return contrastive_loss(in[0], in[1], in[2]); },
                  {random_normal({4, 3}, 1), random_normal({4, 3}, 2), Tensor::scalar(0.5, DType::f64)});
}

TEST_CASE("contrastive_loss: what bad input gets") {
  const Variable a(Tensor::zeros({2, 3})), b(Tensor::zeros({3, 3})), scale(Tensor::scalar(1));
  CHECK_THROWS_WITH(contrastive_loss(a, b, scale),
                    "contrastive_loss: images are f32 [2, 3], texts f32 [3, 3], expected both [pairs, size]");
  CHECK_THROWS_WITH(contrastive_loss(a, a, Variable(Tensor::zeros({2}))),
                    "contrastive_logits: log_scale is f32 [2], expected one number");
}

}  // namespace tessera::contrastive_loss_test
