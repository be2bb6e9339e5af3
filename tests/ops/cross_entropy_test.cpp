#include <doctest/doctest.h>

#include <cmath>

#include "autograd/functions.h"
#include "autograd/gradcheck.h"
#include "autograd/tape.h"
#include "tensor/ops/bce_with_logits.h"
#include "tensor/ops/cross_entropy.h"
#include "tensor/parallel.h"
#include "tests/ops/reference.h"

namespace tessera::cross_entropy_test {

namespace {

Tensor i64(const std::vector<int64_t>& values) { return Tensor::from(values); }

}  // namespace

TEST_CASE("cross_entropy equals its formula: odd sizes, ignored rows, strided logits") {
  const std::vector<int64_t> labels{0, -100, 6, 3, -100, 2};
  for (const int64_t classes : {7, 17, 300, 1031}) {
    const Tensor logits = random_normal({6, classes}, 1);
    for (const bool mean : {true, false}) {
      const Reduction reduction = mean ? Reduction::mean : Reduction::sum;
      const double expected = reference::cross_entropy(logits, labels, mean, -100);
      CHECK(cross_entropy(Variable(logits), i64(labels), reduction).value().item() ==
            doctest::Approx(expected).epsilon(1e-13));
      CHECK(cross_entropy(Variable(logits.to(DType::f32)), i64(labels), reduction).value().item() ==
            doctest::Approx(expected).epsilon(1e-6));
      const Tensor strided = logits.transpose(0, 1).clone().transpose(0, 1);
      CHECK(cross_entropy(Variable(strided), i64(labels), reduction).value().item() ==
            doctest::Approx(expected).epsilon(1e-13));
    }
  }
}

TEST_CASE("cross_entropy: no row, no counted row, one class, large logits") {
  CHECK(cross_entropy(Variable(Tensor::zeros({0, 5})), Tensor::empty({0}, DType::i64)).value().item() == 0);
  const Variable x(Tensor::full({2, 3}, 1), true);
  const Variable none = cross_entropy(x, i64({-100, -100}));
  CHECK(none.value().item() == 0);
  none.backward();
  CHECK(x.grad().to_vector<float>() == std::vector<float>(6, 0.0f));
  CHECK(cross_entropy(Variable(Tensor::full({1, 1}, 5)), i64({0})).value().item() == 0);
  const Tensor large = Tensor::from(std::vector<float>{1000, 0, -1000}, {1, 3});
  CHECK(cross_entropy(Variable(large), i64({2})).value().item() == 2000);
}

TEST_CASE("cross_entropy: gradcheck, and a forgotten mean is caught") {
  const Tensor labels = i64({1, 9, 4, 0, 9});
  for (const Reduction reduction : {Reduction::mean, Reduction::sum}) {
    const auto report =
        gradcheck_one([&](std::span<const Variable> x) { return cross_entropy(x[0], labels, reduction, 9); },
                      {random_normal({5, 9}, 1)});
    CHECK_MESSAGE(report.ok, report.message());
  }
  const auto planted = [&](std::span<const Variable> x) {
    const Tensor logits = x[0].value();
    const auto forward = ops::cross_entropy(logits, labels, true, 9);
    return record("planted", forward.loss, {x[0]}, [=](const Tensor& dy, GradSlots) -> Grads {
      return {ops::cross_entropy_backward(dy.item() / 5, logits, labels, forward.log_sum_exp, 9)};  // 3 rows count
    });
  };
  CHECK_FALSE(gradcheck_one(planted, {random_normal({5, 9}, 1)}).ok);
}

TEST_CASE("cross_entropy: gradients of few classes in f32 sum to zero and stay exact") {
  for (const int64_t classes : {1, 2, 3, 16}) {
    CAPTURE(classes);
    const Tensor logits = random_normal({200, classes}, 1, DType::f32);
    std::vector<int64_t> labels;
    for (int64_t i = 0; i < 200; ++i) labels.push_back(i % classes);
    Variable x(logits, true), wide(logits.to(DType::f64), true);
    cross_entropy(x, i64(labels), Reduction::sum).backward();
    cross_entropy(wide, i64(labels), Reduction::sum).backward();
    const std::vector<double> got = x.grad().to(DType::f64).to_vector<double>(),
                              exact = wide.grad().to_vector<double>();
    for (size_t i = 0; i < 200; ++i) {
      double sum = 0, other = 0;
      for (size_t c = 0; c < static_cast<size_t>(classes); ++c) {
        const size_t at = i * static_cast<size_t>(classes) + c;
        sum += got[at];
        if (static_cast<int64_t>(c) != labels[i]) other = std::max(other, std::fabs(got[at]));
        // Its own rounding, and in the largest other element those of the row: 2^-23 (classes - 1) of it.
        CHECK(std::fabs(got[at] - exact[at]) <= 1.2e-7 * static_cast<double>(classes) * std::fabs(exact[at]));
      }
      CHECK(std::fabs(sum) <= 6e-8 * other);  // half a unit of the place where the rest went
    }
  }
}

TEST_CASE("bce_with_logits equals its formula, and does not overflow") {
  const Tensor x = random_normal({3, 5}, 1), raw = random_normal({3, 5}, 2);
  std::vector<double> targets;
  for (const double value : raw.to_vector<double>()) targets.push_back(1 / (1 + std::exp(-value)));
  const Tensor t = Tensor::from(targets, {3, 5});
  const double expected = reference::bce_with_logits(x, t);
  CHECK(bce_with_logits(Variable(x), t, Reduction::sum).value().item() == doctest::Approx(expected).epsilon(1e-13));
  CHECK(bce_with_logits(Variable(x), t).value().item() == doctest::Approx(expected / 15).epsilon(1e-13));
  CHECK(bce_with_logits(Variable(x.transpose(0, 1).clone().transpose(0, 1)), t).value().item() ==
        doctest::Approx(expected / 15).epsilon(1e-13));
  const Tensor far = Tensor::from(std::vector<float>{500, -500});
  CHECK(bce_with_logits(Variable(far), Tensor::from(std::vector<float>{0, 1}), Reduction::sum).value().item() == 1000);
  CHECK(bce_with_logits(Variable(far), Tensor::from(std::vector<float>{1, 0}), Reduction::sum).value().item() == 0);
  CHECK(bce_with_logits(Variable(Tensor::zeros({0})), Tensor::zeros({0})).value().item() == 0);
  for (const Reduction reduction : {Reduction::mean, Reduction::sum}) {
    const auto report =
        gradcheck_one([&](std::span<const Variable> v) { return bce_with_logits(v[0], t, reduction); }, {x});
    CHECK_MESSAGE(report.ok, report.message());
  }
  const auto planted = [&](std::span<const Variable> v) {
    const Tensor logits = v[0].value();
    return record("planted", ops::bce_with_logits(logits, t, 1), {v[0]}, [=](const Tensor& dy, GradSlots) -> Grads {
      return {ops::bce_with_logits_backward(dy.item(), logits, Tensor::zeros_like(t))};
    });
  };
  CHECK_FALSE(gradcheck_one(planted, {x}).ok);
}

TEST_CASE("losses: the same bits at any number of threads") {
  const int before = thread_count();
  const Tensor logits = random_normal({700, 90}, 1, DType::f32);
  std::vector<int64_t> labels(700);
  for (size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<int64_t>(i % 91) - (i % 91 == 90 ? 190 : 0);
  std::vector<float> first, first_grad;
  for (const int threads : {1, 2, 3}) {
    set_thread_count(threads);
    const Variable x(logits, true);
    const Variable loss = cross_entropy(x, i64(labels));
    const Variable other = bce_with_logits(x, Tensor::full({700, 90}, 0.25));
    loss.backward();
    const std::vector<float> values{loss.value().item<float>(), other.value().item<float>()};
    if (threads == 1) first = values, first_grad = x.grad().to_vector<float>();
    CHECK(values == first);
    CHECK(x.grad().to_vector<float>() == first_grad);
  }
  set_thread_count(before);
}

TEST_CASE("losses: what bad input gets") {
  const Variable x(Tensor::zeros({2, 3}));
  CHECK_THROWS_WITH(cross_entropy(x, i64({0, 3})), "cross_entropy: label[1] is 3, expected 0 to 2 or -100 (ignored)");
  CHECK_THROWS_WITH(cross_entropy(x, i64({-1, 0})), "cross_entropy: label[0] is -1, expected 0 to 2 or -100 (ignored)");
  CHECK_THROWS_WITH(cross_entropy(x, i64({0})), "cross_entropy: labels are i64 [1], expected i64 [2]");
  CHECK_THROWS_WITH(cross_entropy(Variable(Tensor::zeros({3})), i64({0})),
                    "cross_entropy: logits are f32 [3], expected [n, classes]");
  CHECK_THROWS_WITH(bce_with_logits(x, Tensor::zeros({3, 2})),
                    "bce_with_logits: targets are f32 [3, 2], expected f32 [2, 3]");
  CHECK_THROWS_WITH(bce_with_logits(x, Tensor::full({2, 3}, 1.5)), "bce_with_logits: target 0 is 1.5, expected 0 to 1");
}

}  // namespace tessera::cross_entropy_test
