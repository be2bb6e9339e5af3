#include "tensor/ops/cross_entropy.h"

#include "tensor/cuda/sum_workspace.h"
#include "tensor/ops/bce_with_logits.h"
#include "tensor/ops/bce_with_logits_kernels.h"
#include "tensor/ops/cross_entropy_kernels.h"
#include "tensor/ops/elementwise.h"
#include "tests/cuda/on_device.h"

namespace tessera::cross_entropy_test {

using namespace tessera::test;

namespace {

constexpr int64_t kIgnored = -100;

Tensor labels_of(int64_t rows, int64_t classes, int64_t ignore_every) {
  Random random(3);
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < rows; ++i) {
    const auto label = static_cast<int64_t>(random.below(static_cast<uint64_t>(classes)));
    labels.push_back(ignore_every > 0 && i % ignore_every == 0 ? kIgnored : label);
  }
  return Tensor::from(labels);
}

// loss, dx, dx that is aligned unlike the logits, and dx written over the logits.
template <class T>
std::vector<Tensor> on_gpu(const Tensor& logits, const Tensor& labels, double divisor, float dloss) {
  const int64_t rows = logits.size(0), classes = logits.size(1);
  auto x = on_device<T>(logits, "logits");
  const auto label = on_device<int64_t>(labels, "labels");
  DeviceArray<double> log_sum_exp(rows, "log_sum_exp"), losses(rows, "losses");
  DeviceArray<float> loss(1, "loss");
  const DeviceArray<float> factor(std::vector<float>{dloss}, "dloss");
  DeviceArray<T> dx(rows * classes, "dx"), shifted(rows * classes + 1, "shifted");
  cuda::cross_entropy(x.data(), label.data(), log_sum_exp.data(), losses.data(), loss.data(), rows, classes, divisor,
                      kIgnored);
  for (T* to : {dx.data(), shifted.data() + 1, x.data()})
    cuda::cross_entropy_backward(factor.data(), divisor, x.data(), label.data(), log_sum_exp.data(), to, rows, classes,
                                 kIgnored);
  return {from_device(loss, {}), from_device(dx, {rows, classes}),
          from_device(shifted, {rows * classes + 1}).narrow(0, 1, rows * classes).view({rows, classes}),
          from_device(x, {rows, classes})};
}

}  // namespace

// A row's sum of exponentials, each good to a few ulp, is summed in 256 parts of f32; the loss inherits its relative
// error as an absolute one of 1e-6 at most. Gradients: of size factor, with the error of one exponential.
TEST_CASE("cuda cross_entropy equals the CPU's in f64") {
  for_float_and_bf16([](auto tag) {
    using T = decltype(tag);
    for (const auto& [rows, classes] :
         std::vector<std::pair<int64_t, int64_t>>{{0, 3}, {1, 1}, {3, 2}, {5, 16}, {7, 17}, {4, 1003}})
      for (const int64_t ignore_every : {0, 1, 2})
        for (const bool mean : {false, true}) {
          CAPTURE(rows);
          CAPTURE(classes);
          CAPTURE(ignore_every);
          const Tensor logits = ops::mul(random_values<T>({rows, classes}, 1), 4);
          const Tensor labels = rows > 0 ? labels_of(rows, classes, ignore_every) : Tensor::empty({0}, DType::i64);
          const ops::CrossEntropyResult cpu = ops::cross_entropy(wide(logits), labels, mean, kIgnored);
          const double divisor = mean && cpu.counted > 0 ? static_cast<double>(cpu.counted) : 1.0;
          const std::vector<Tensor> got = in_three_orders([&] { return on_gpu<T>(logits, labels, divisor, 0.5f); });
          CHECK_CLOSE(got[0], cpu.loss, 1e-6);
          const Tensor dx = ops::cross_entropy_backward(0.5 / divisor, wide(logits), labels, cpu.log_sum_exp, kIgnored);
          CHECK_CLOSE(got[1], dx, 2e-6);
          CHECK(same_bits(got[1], got[2]));
          CHECK(same_bits(got[1], got[3]));
        }
  });
}

// The loss is a sum of `count` terms of size 1, good to a few ulp of f32 each, added in f64; gradients are f64 until
// they are stored.
TEST_CASE("cuda bce_with_logits equals the CPU's in f64") {
  for_float_and_bf16([](auto tag) {
    using T = decltype(tag);
    for (const int64_t count : {0, 1, 130, 4099}) {
      CAPTURE(count);
      const Tensor logits = ops::mul(random_values<T>({count}, 1), 4);
      Tensor targets = Tensor::empty({count});
      Random random(2);
      for (int64_t i = 0; i < count; ++i)
        targets.mutable_data<float>()[i] = i % 3 < 2 ? static_cast<float>(i % 3) : static_cast<float>(random.uniform());
      const auto expected = on_device<float>(targets, "targets");
      const DeviceArray<float> dloss(std::vector<float>{0.5f}, "dloss");
      const std::vector<Tensor> got = in_three_orders([&]() -> std::vector<Tensor> {
        auto x = on_device<T>(logits, "logits");
        DeviceArray<float> loss(1, "loss");
        DeviceArray<double> workspace(cuda::sum_workspace(count), "workspace");
        cuda::bce_with_logits(x.data(), expected.data(), loss.data(), workspace.data(), count, 0.25);
        cuda::bce_with_logits_backward(dloss.data(), 0.25, x.data(), expected.data(), x.data(), count);
        return {from_device(loss, {}), from_device(x, {count})};
      });
      CHECK_CLOSE(got[0], ops::bce_with_logits(wide(logits), wide(targets), 0.25), 2e-7);
      CHECK_CLOSE(got[1], ops::bce_with_logits_backward(0.125, wide(logits), wide(targets)), 2e-7);
    }
  });
}

}  // namespace tessera::cross_entropy_test
