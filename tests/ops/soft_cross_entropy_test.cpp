#include "tensor/ops/soft_cross_entropy.h"

#include "tensor/parallel.h"
#include "tests/ops/op_check.h"

namespace tessera::soft_cross_entropy_test {

using namespace tessera::test;

namespace {

// Distributions: shares of squares, with every third class left out.
Tensor distributions(int64_t n, int64_t classes) {
  std::vector<double> values = random_normal({n, classes}, 3).to_vector<double>();
  const auto width = static_cast<size_t>(classes);
  for (size_t i = 0; i < values.size(); ++i) values[i] = i % width % 3 == 1 ? 0 : values[i] * values[i];
  for (size_t row = 0; row + width <= values.size() && width > 0; row += width) {
    double sum = 0;
    for (size_t c = 0; c < width; ++c) sum += values[row + c];
    for (size_t c = 0; c < width; ++c) values[row + c] /= sum;
  }
  return Tensor::from(values, {n, classes});
}

// -Σ t log p, and Σ t log t, by the definitions.
struct Naive {
  double cross_entropy = 0, negative_entropy = 0;
};
Naive naive(const Tensor& logits, const Tensor& targets) {
  Naive sums;
  for (int64_t i = 0; i < logits.size(0); ++i) {
    const std::vector<double> x = logits.select(0, i).to(DType::f64).to_vector<double>();
    const std::vector<double> t = targets.select(0, i).to(DType::f64).to_vector<double>();
    long double total = 0;
    for (const double value : x) total += std::exp(static_cast<long double>(value));
    for (size_t c = 0; c < x.size(); ++c) {
      if (t[c] == 0) continue;
      sums.cross_entropy -= t[c] * static_cast<double>(x[c] - std::log(total));
      sums.negative_entropy += t[c] * std::log(t[c]);
    }
  }
  return sums;
}

}  // namespace

TEST_CASE("soft_cross_entropy and kl_div equal their definitions: odd sizes, strided") {
  for (const int64_t classes : {1, 2, 7, 300})
    for (const int64_t n : {1, 5}) {
      CAPTURE(classes);
      const Tensor x = random_normal({n, classes}, 1), t = distributions(n, classes);
      const Naive expected = naive(x, t);
      const double divergence = expected.cross_entropy + expected.negative_entropy;
      for (const Tensor& logits : {x, strided(x)})
        for (const Tensor& targets : {t, strided(t)}) {
          const Variable in(logits);
          // Differences of sums of order one.
          CHECK(std::abs(soft_cross_entropy(in, targets, Reduction::sum).value().item() - expected.cross_entropy) <=
                1e-13 * static_cast<double>(n));
          CHECK(std::abs(kl_div(in, targets).value().item() - divergence / static_cast<double>(n)) <= 1e-13);
        }
      const Naive rounded = naive(x.to(DType::f32), t.to(DType::f32));
      const Variable in(x.to(DType::f32));
      // The sums are f64: what is left is the rounding of the result.
      CHECK(soft_cross_entropy(in, t.to(DType::f32), Reduction::sum).value().item() ==
            doctest::Approx(rounded.cross_entropy).epsilon(1e-7));
    }
}

TEST_CASE("soft_cross_entropy with one-hot targets is cross_entropy; the divergence from itself is 0") {
  const Tensor x = random_normal({3, 4}, 1);
  const Tensor hot = Tensor::from(std::vector<double>{0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 1}, {3, 4});
  const Variable a(x, true), b(x, true);
  const Variable soft = soft_cross_entropy(a, hot);
  const Variable hard = cross_entropy(b, Tensor::from(std::vector<int64_t>{2, 0, 3}));
  CHECK(soft.value().item() == doctest::Approx(hard.value().item()).epsilon(1e-14));
  soft.backward();
  hard.backward();
  CHECK(largest_difference(a.grad(), b.grad()) <= 1e-15);
  CHECK(std::abs(kl_div(a, softmax(a).value()).value().item()) <= 1e-15);
}

TEST_CASE(
    "soft_cross_entropy: no rows, rows of zeros, far logits, a logit of minus infinity where nothing is expected") {
  CHECK(soft_cross_entropy(Variable(Tensor::zeros({0, 3})), Tensor::zeros({0, 3})).value().item() == 0);
  CHECK(soft_cross_entropy(Variable(Tensor::zeros({2, 0})), Tensor::zeros({2, 0})).value().item() == 0);
  const Variable x(Tensor::from(std::vector<float>{1000, 0, -1000, 1, 2, 3}, {2, 3}), true);
  const Variable loss =
      soft_cross_entropy(x, Tensor::from(std::vector<float>{0, 0, 1, 0, 0, 0}, {2, 3}), Reduction::sum);
  CHECK(loss.value().item() == 2000);
  loss.backward();
  CHECK(x.grad().to_vector<float>() == std::vector<float>{1, 0, -1, 0, 0, 0});
  const Tensor excluded = Tensor::from(std::vector<float>{0, -INFINITY}, {1, 2});
  CHECK(kl_div(Variable(excluded), Tensor::from(std::vector<float>{1, 0}, {1, 2})).value().item() == 0);
}

TEST_CASE("soft_cross_entropy, kl_div: gradients, and a forgotten mass is caught") {
  const Tensor t = distributions(4, 5);
  const auto f = [&](std::span<const Variable> x) { return kl_div(x[0], t, Reduction::sum); };
  check_gradients("kl_div", f, {random_normal({4, 5}, 1)});
  const Tensor half = Tensor::full({4, 5}, 0.1, DType::f64);  // rows sum to 1/2
  const auto planted = [&](std::span<const Variable> x) {
    const Tensor logits = x[0].value();
    ops::SoftCrossEntropy forward = ops::soft_cross_entropy("planted", logits, half, 1, false);
    return record("planted", forward.loss, {x[0]}, [=](const Tensor& dy, GradSlots) mutable -> Grads {
      forward.mass = Tensor::full({4}, 1, DType::f64);
      return {ops::soft_cross_entropy_backward(dy, 1, logits, half, forward)};
    });
  };
  CHECK_FALSE(gradcheck_one(planted, {random_normal({4, 5}, 1)}).ok);
}

TEST_CASE("label_smoothing_cross_entropy is the cross-entropy with smoothed targets") {
  const Tensor x = random_normal({4, 5}, 1), labels = Tensor::from(std::vector<int64_t>{3, -100, 0, 3});
  std::vector<double> targets(20, 0.02);
  targets[3] += 0.9, targets[10] += 0.9, targets[18] += 0.9;
  std::fill(targets.begin() + 5, targets.begin() + 10, 0.0);
  const double expected = soft_cross_entropy(Variable(x), Tensor::from(targets, {4, 5}), Reduction::sum).value().item();
  CHECK(label_smoothing_cross_entropy(Variable(x), labels, 0.1).value().item() ==
        doctest::Approx(expected / 3).epsilon(1e-14));
  CHECK(label_smoothing_cross_entropy(Variable(x), labels, 0.1, Reduction::sum).value().item() ==
        doctest::Approx(expected).epsilon(1e-14));
  CHECK(label_smoothing_cross_entropy(Variable(x), labels, 0).value().item() ==
        cross_entropy(Variable(x), labels).value().item());
  const Tensor none = Tensor::from(std::vector<int64_t>{-100, -100, -100, -100});
  CHECK(label_smoothing_cross_entropy(Variable(x), none, 0.1).value().item() == 0);
}

TEST_CASE("soft_cross_entropy: the same bits at any number of threads") {
  const int before = thread_count();
  std::vector<float> first;
  for (const int threads : {1, 2, 3}) {
    set_thread_count(threads);
    const Variable x(random_normal({200, 90}, 1, DType::f32), true);
    const Variable loss = kl_div(x, distributions(200, 90).to(DType::f32));
    loss.backward();
    std::vector<float> got = x.grad().to_vector<float>();
    got.push_back(loss.value().item<float>());
    if (threads == 1) first = got;
    CHECK(got == first);
  }
  set_thread_count(before);
}

TEST_CASE("soft_cross_entropy: what bad input gets") {
  const Variable x(Tensor::zeros({2, 3}));
  CHECK_THROWS_WITH(kl_div(x, Tensor::zeros({3, 2})), "kl_div: targets are f32 [3, 2], expected f32 [2, 3]");
  CHECK_THROWS_WITH(soft_cross_entropy(x, Tensor::zeros({2, 3}, DType::f64)),
                    "soft_cross_entropy: targets are f64 [2, 3], expected f32 [2, 3]");
  CHECK_THROWS_WITH(soft_cross_entropy(Variable(Tensor::zeros({3})), Tensor::zeros({3})),
                    "soft_cross_entropy: logits are f32 [3], expected [n, classes]");
  CHECK_THROWS_WITH(kl_div(x, Tensor::full({2, 3}, -0.5)), "kl_div: target [0, 0] is -0.5, expected at least 0");
  CHECK_THROWS_WITH(label_smoothing_cross_entropy(x, Tensor::from(std::vector<int64_t>{0, 1}), 1.5),
                    "label_smoothing_cross_entropy: smoothing is 1.5, expected 0 to 1");
}

}  // namespace tessera::soft_cross_entropy_test
