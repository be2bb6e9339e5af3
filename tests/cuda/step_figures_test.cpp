#include "tensor/ops/step_figures.h"

#include "tests/cuda/on_device.h"

namespace tessera::step_figures_test {

using namespace tessera::test;

namespace {

constexpr Device kGpu{Device::cuda, 0};
Tensor there(float value) { return Tensor::scalar(value).to(kGpu); }

}  // namespace

TEST_CASE("step figures: sums over steps, matches, the norm and the clip factor") {
  ops::StepFigures figures(kGpu);
  const Tensor gradients = Tensor::from(std::vector<float>{3, 0, 4}).to(kGpu);
  const Tensor labels = Tensor::from(std::vector<int64_t>{1, 2, 3, 4, 5});
  const Tensor predicted = Tensor::from(std::vector<int64_t>{1, 0, 3, 0, 5}).to(kGpu);
  figures.add(0, there(0.5f));
  figures.add(0, there(0.25f));  // of another micro-batch
  figures.add(1, there(2));
  figures.add_matches(2, predicted, labels);
  CHECK(figures.finish_step(1, 0, 3, gradients, 1.0).item() == doctest::Approx(1 / (5 + 1e-6)).epsilon(1e-7));
  figures.add(0, there(1));
  CHECK(figures.finish_step(2, 0, 3, gradients, 0).item() == 1);
  CHECK(figures.finish_step(3, 0, 3, gradients, 10).item() == 1);
  const ops::StepFigures::Read read = figures.read();
  CHECK(read.failed_step == 0);
  CHECK(read.sums[0] == 1.75);
  CHECK(read.sums[1] == 2);
  CHECK(read.sums[2] == 3);
  CHECK(read.sums[3] == 15);
  CHECK(figures.read().sums == std::vector<double>(ops::StepFigures::kMostFigures, 0.0));
}

TEST_CASE("step figures: matches of more than a block, of one and of none") {
  ops::StepFigures figures(kGpu);
  std::vector<int64_t> a, b;
  for (int64_t i = 0; i < 1000; ++i) {
    a.push_back(i % 7);
    b.push_back(i % 5);
  }
  int64_t expected = 0;
  for (size_t i = 0; i < a.size(); ++i) expected += a[i] == b[i];
  const Tensor left = Tensor::from(a).to(kGpu), right = Tensor::from(b);
  figures.add_matches(0, left, right);
  figures.add_matches(1, left.narrow(0, 0, 1), right.narrow(0, 0, 1));
  figures.add_matches(2, left.narrow(0, 0, 0), right.narrow(0, 0, 0));
  const std::vector<double> sums = figures.read().sums;
  CHECK(sums[0] == static_cast<double>(expected));
  CHECK(sums[1] == 1);
  CHECK(sums[2] == 0);
}

TEST_CASE("step figures: the first step that is not finite is told, and the factor is NaN from there on") {
  const Tensor good = Tensor::from(std::vector<float>{1}).to(kGpu);
  for (const bool by_loss : {true, false}) {
    ops::StepFigures figures(kGpu);
    figures.add(0, there(1));
    CHECK(figures.finish_step(7, 0, 1, good, 0).item() == 1);
    figures.add(0, there(by_loss ? INFINITY : 2.5f));
    const Tensor bad = Tensor::from(std::vector<float>{by_loss ? 1 : NAN}).to(kGpu);
    CHECK(std::isnan(figures.finish_step(8, 0, 1, bad, 0).item()));
    CHECK(std::isnan(figures.finish_step(9, 0, 1, good, 0).item()));
    const ops::StepFigures::Read read = figures.read();
    CHECK(read.failed_step == 8);
    CHECK(std::isfinite(read.failed_loss) == !by_loss);
    CHECK(std::isfinite(read.failed_norm) == by_loss);
  }
}

}  // namespace tessera::step_figures_test
