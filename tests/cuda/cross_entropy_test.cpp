#include "tensor/ops/cross_entropy.h"

#include "tensor/ops/elementwise.h"
#include "tests/cuda/on_device.h"

using namespace tessera;
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

// loss, counted, dx, and dx written over the logits.
template <class T>
std::vector<Tensor> on_gpu(const Tensor& logits, const Tensor& labels, bool mean, double factor) {
  const int64_t rows = logits.size(0), classes = logits.size(1);
  auto x = on_device<T>(logits, "logits");
  const auto label = on_device<int64_t>(labels, "labels");
  DeviceArray<double> log_sum_exp(rows, "log_sum_exp"), losses(rows, "losses");
  DeviceArray<float> loss(1, "loss");
  DeviceArray<int64_t> counted(1, "counted");
  DeviceArray<T> dx(rows * classes, "dx");
  cuda::cross_entropy(x.data(), label.data(), log_sum_exp.data(), losses.data(), loss.data(), counted.data(), rows,
                      classes, mean, kIgnored);
  cuda::cross_entropy_backward(factor, x.data(), label.data(), log_sum_exp.data(), dx.data(), rows, classes, kIgnored);
  cuda::cross_entropy_backward(factor, x.data(), label.data(), log_sum_exp.data(), x.data(), rows, classes, kIgnored);
  return {from_device(loss, {}), from_device(counted, {}), from_device(dx, {rows, classes}),
          from_device(x, {rows, classes})};
}

}  // namespace

// A row's sum of exponentials, each good to a few ulp, is summed in 128 parts of f32; the loss inherits its relative
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
          const std::vector<Tensor> got = in_three_orders([&] { return on_gpu<T>(logits, labels, mean, 0.3); });
          const ops::CrossEntropyResult cpu = ops::cross_entropy(wide(logits), labels, mean, kIgnored);
          CHECK_CLOSE(got[0], cpu.loss, 1e-6);
          CHECK(got[1].item<int64_t>() == cpu.counted);
          CHECK_CLOSE(got[2], ops::cross_entropy_backward(0.3, wide(logits), labels, cpu.log_sum_exp, kIgnored), 2e-6);
          CHECK(same_bits(got[2], got[3]));
        }
  });
}
