#include "tensor/ops/regression_loss.h"

#include "tensor/parallel.h"
#include "tests/ops/op_check.h"

namespace tessera::regression_loss_test {

using namespace tessera::test;

namespace {

constexpr double kBeta = 0.75;

struct Loss {
  const char* name;
  Variable (*run)(const Variable&, const Tensor&, Reduction);
  double (*term)(double d);
};

const Loss kLosses[] = {
    {"mse_loss", mse_loss, [](double d) { return d * d; }},
    {"l1_loss", l1_loss, [](double d) { return std::abs(d); }},
    {"smooth_l1_loss",
     [](const Variable& x, const Tensor& t, Reduction reduction) { return smooth_l1_loss(x, t, kBeta, reduction); },
     [](double d) { return std::abs(d) < kBeta ? 0.5 * d * d / kBeta : std::abs(d) - 0.5 * kBeta; }},
};

}  // namespace

TEST_CASE("regression losses equal their definitions: odd sizes, strided, more than one chunk") {
  for (const Loss& loss : kLosses)
    for (const Shape& shape : {Shape{1}, Shape{7, 3}, Shape{3, 1999}, Shape{0, 3}, Shape{}}) {
      CAPTURE(loss.name);
      CAPTURE(shape);
      for (const DType dtype : {DType::f64, DType::f32}) {
        const Tensor x = random_normal(shape, 1, dtype), t = random_normal(shape, 2, dtype);
        const std::vector<double> a = x.to(DType::f64).to_vector<double>(), b = t.to(DType::f64).to_vector<double>();
        double expected = 0;
        for (size_t i = 0; i < a.size(); ++i) expected += loss.term(a[i] - b[i]);
        // Terms are rounded to a few ulp each, and added in f64.
        const double bound = dtype == DType::f32 ? 5e-7 : 1e-13;
        const double mean = a.empty() ? 0 : expected / static_cast<double>(a.size());
        CHECK(loss.run(Variable(x), t, Reduction::sum).value().item() == doctest::Approx(expected).epsilon(bound));
        CHECK(loss.run(Variable(strided(x)), strided(t), Reduction::mean).value().item() ==
              doctest::Approx(mean).epsilon(bound));
      }
    }
}

TEST_CASE("regression losses: gradients, at the kinks too") {
  const Tensor t = random_normal({4, 5}, 2);
  for (const Loss& loss : kLosses)
    for (const Reduction reduction : {Reduction::mean, Reduction::sum})
      check_gradients(loss.name, [&](std::span<const Variable> x) { return loss.run(x[0], t, reduction); },
                      {random_normal({4, 5}, 1)});
  const Variable x(Tensor::from(std::vector<double>{-2, -0.75, 0, 0.375, 0.75}), true);
  smooth_l1_loss(x, Tensor::zeros({5}, DType::f64), kBeta, Reduction::sum).backward();
  CHECK(x.grad().to_vector<double>() == std::vector<double>{-1, -1, 0, 0.5, 1});
  const Variable y(Tensor::from(std::vector<double>{-2, 0, 3}), true);
  l1_loss(y, Tensor::zeros({3}, DType::f64), Reduction::sum).backward();
  CHECK(y.grad().to_vector<double>() == std::vector<double>{-1, 0, 1});
}

TEST_CASE("regression losses: bf16 beside f32 targets, and what is not a number stays so") {
  const Tensor x = random_normal({3, 7}, 1, DType::f32).to(DType::bf16), t = random_normal({3, 7}, 2, DType::f32);
  for (const Loss& loss : kLosses) {
    const Variable rounded(x, true), wide(x.to(DType::f32), true);
    const Variable a = loss.run(rounded, t, Reduction::sum), b = loss.run(wide, t, Reduction::sum);
    CHECK(a.value().item() == b.value().item());
    a.backward();
    b.backward();
    CHECK(largest_difference(rounded.grad(), wide.grad().to(DType::bf16)) == 0);
    const Variable nan(Tensor::full({1}, NAN), true);
    const Variable bad = loss.run(nan, Tensor::zeros({1}), Reduction::sum);
    bad.backward();
    CHECK(std::isnan(bad.value().item()));
    CHECK(std::isnan(nan.grad().item()));
  }
}

TEST_CASE("regression losses: the same bits at any number of threads") {
  const int before = thread_count();
  for (const Loss& loss : kLosses) {
    std::vector<float> first;
    for (const int threads : {1, 2, 3}) {
      set_thread_count(threads);
      const Variable x(random_normal({130, 99}, 1, DType::f32), true);
      const Variable y = loss.run(x, random_normal({130, 99}, 2, DType::f32), Reduction::mean);
      y.backward();
      std::vector<float> got = x.grad().to_vector<float>();
      got.push_back(y.value().item<float>());
      if (threads == 1) first = got;
      CHECK(got == first);
    }
  }
  set_thread_count(before);
}

TEST_CASE("regression losses: what bad input gets") {
  const Variable x(Tensor::zeros({2, 3}));
  CHECK_THROWS_WITH(mse_loss(x, Tensor::zeros({3, 2})), "mse_loss: targets are f32 [3, 2], expected f32 [2, 3]");
  CHECK_THROWS_WITH(l1_loss(x, Tensor{}), "l1_loss: targets are undefined, expected f32 [2, 3]");
  CHECK_THROWS_WITH(smooth_l1_loss(x, Tensor::zeros({2, 3}), 0), "smooth_l1_loss: beta is 0, expected above 0");
}

}  // namespace tessera::regression_loss_test
