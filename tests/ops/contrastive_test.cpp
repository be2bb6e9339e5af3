#include "tensor/ops/contrastive.h"

#include "tests/ops/matrix_reference.h"

namespace tessera::contrastive_test {

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

// Roundings of equal probabilities have one sign. Added up, they would be what is left of a gradient that is zero.
TEST_CASE("contrastive_loss: in f32 the scale's gradient vanishes where features are equal, whatever their number") {
  for (const int64_t n : {3, 7, 11, 50, 123}) {
    CAPTURE(n);
    const Variable same(Tensor::full({n, 4}, 0.5)), log_scale(Tensor::scalar(2.6592), true);
    contrastive_loss(same, same, log_scale).backward();
    CHECK(std::abs(log_scale.grad().item()) <= 1e-12);
  }
}

TEST_CASE("contrastive_loss is the mean of two cross-entropies, and gives the same bits on any number of threads") {
  const auto leaves = [](DType dtype) {
    return std::vector<Variable>{Variable(random_normal({90, 8}, 1, dtype), true),
                                 Variable(random_normal({90, 8}, 2, dtype), true),
                                 Variable(Tensor::full({1}, 0.3, dtype), true)};
  };
  std::vector<int64_t> own;
  for (int64_t i = 0; i < 90; ++i) own.push_back(i);
  const std::vector<Variable> a = leaves(DType::f64), b = leaves(DType::f64);
  const Variable logits = contrastive_logits(b[0], b[1], b[2]), got = contrastive_loss(a[0], a[1], a[2]);
  const Variable expected =
      (cross_entropy(logits, Tensor::from(own)) + cross_entropy(transpose(logits, 0, 1), Tensor::from(own))) * 0.5;
  CHECK(got.value().item() == doctest::Approx(expected.value().item()).epsilon(1e-13));
  got.backward();
  expected.backward();
  for (size_t i = 0; i < 3; ++i) CHECK(relative_difference(a[i].grad(), b[i].grad()) <= 1e-12);
  CHECK(same_on_any_number_of_threads([&] {
    const std::vector<Variable> in = leaves(DType::f32);
    const Variable loss = contrastive_loss(in[0], in[1], in[2]);
    loss.backward();
    return std::vector{loss.value(), in[0].grad(), in[1].grad(), in[2].grad()};
  }));
}

TEST_CASE("contrastive_loss: what bad input gets") {
  const Variable a(Tensor::zeros({2, 3})), b(Tensor::zeros({3, 3})), scale(Tensor::scalar(1));
  CHECK_THROWS_WITH(contrastive_loss(a, b, scale),
                    "contrastive_loss: images are f32 [2, 3], texts f32 [3, 3], expected both [pairs, size]");
  CHECK_THROWS_WITH(contrastive_loss(a, a, Variable(Tensor::zeros({2}))),
                    "contrastive_loss: log_scale is f32 [2], expected one number, f32");
}

}  // namespace tessera::contrastive_test
