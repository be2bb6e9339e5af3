#include "vilt/tasks/task_losses.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/error_text.h"
#include "tests/ops/reference.h"

namespace tessera::task_losses_test {
namespace {

double item(const Variable& v) { return v.value().item<double>(); }

Variable matrix(const std::vector<double>& values, const Shape& shape) {
  return Variable(Tensor::from(values, shape), true);
}

double log_sum_exp(const std::vector<double>& x) {
  double sum = 0;
  for (const double v : x) sum += std::exp(v);
  return std::log(sum);
}

}  // namespace

TEST_CASE("Answers: the mean binary cross-entropy times the number of answers") {
  const std::vector<double> x{0.5, -1, 2, 0, 1.5, -0.3}, t{0, 1, 0.3, 0.6, 0, 1};
  const Variable logits = matrix(x, {2, 3});
  const double mean = reference::bce_with_logits(logits.value(), Tensor::from(t, {2, 3})) / 6;
  const Variable loss = answer_loss(logits, Tensor::from(t, {2, 3}), 2);
  CHECK(item(loss) == doctest::Approx(3 * mean).epsilon(1e-13));
  loss.backward();
  CHECK(logits.grad().to_vector<double>()[0] == doctest::Approx(0.5 / (1 + std::exp(-0.5))).epsilon(1e-13));
}

TEST_CASE("Ranking: the first text of each image against its others") {
  const Variable scores = matrix({1, 2, -1, 0.5, 0.25, 0}, {6, 1});
  const double expected = (log_sum_exp({1, 2, -1}) - 1 + log_sum_exp({0.5, 0.25, 0}) - 0.5) / 2;
  CHECK(item(rank_loss(scores, 3, 2)) == doctest::Approx(expected).epsilon(1e-13));
}

TEST_CASE("Classes: cross-entropy") {
  const Variable logits = matrix({1, 2, 0, -1}, {2, 2});
  const double expected = (log_sum_exp({1, 2}) - 2 + log_sum_exp({0, -1}) - 0) / 2;
  CHECK(item(class_loss(logits, Tensor::from(std::vector<int64_t>{1, 0}), 2)) ==
        doctest::Approx(expected).epsilon(1e-13));
}

TEST_CASE("Divided by the samples of the step, the losses of micro-batches add up to the loss of the step") {
  const std::vector<double> x{1, 2, 0, -1, 0.3, 0.7};
  const std::vector<int64_t> labels{1, 0, 1};
  const double whole = item(class_loss(matrix(x, {3, 2}), Tensor::from(labels), 3));
  const double first =
      item(class_loss(matrix({x.begin(), x.begin() + 2}, {1, 2}), Tensor::from(std::vector<int64_t>{1}), 3));
  const double rest =
      item(class_loss(matrix({x.begin() + 2, x.end()}, {2, 2}), Tensor::from(std::vector<int64_t>{0, 1}), 3));
  CHECK(first + rest == doctest::Approx(whole).epsilon(1e-14));
}

TEST_CASE("What cannot be is an error") {
  CHECK(tests::error_of([] {
          rank_loss(matrix({1, 2, 3}, {3, 1}), 2, 1);
        }) == "rank_loss: 3 scores, expected a multiple of 2 texts per image");
  CHECK(tests::error_of([] {
          class_loss(matrix({1, 2}, {1, 2}), Tensor::from(std::vector<int64_t>{0}), 0);
        }) == "class_loss: a step of 0 samples");
}

}  // namespace tessera::task_losses_test
