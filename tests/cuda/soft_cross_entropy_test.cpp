#include "tensor/ops/soft_cross_entropy.h"

#include "tensor/ops/elementwise.h"
#include "tensor/ops/soft_cross_entropy_kernels.h"
#include "tests/cuda/on_device.h"

namespace tessera::soft_cross_entropy_test {

using namespace tessera::test;

// A row's sum of exponentials, each good to a few ulp, is f64; the loss inherits its relative error as an absolute one.
// Gradients are f64 until they are stored.
TEST_CASE("cuda soft_cross_entropy and its gradient equal the CPU's in f64") {
  for_float_and_bf16([](auto tag) {
    using T = decltype(tag);
    for (const auto& [rows, classes] :
         std::vector<std::pair<int64_t, int64_t>>{{0, 3}, {1, 1}, {3, 2}, {7, 17}, {4, 1003}})
      for (const bool divergence : {false, true}) {
        CAPTURE(rows);
        CAPTURE(classes);
        const Shape shape{rows, classes};
        const Tensor x = ops::mul(random_values<T>(shape, 1), 4);
        const Tensor t = ops::relu(random_normal(shape, 2, DType::f32));  // many zeros
        const double factor = 0.5 / static_cast<double>(std::max<int64_t>(1, rows * classes));
        const ops::SoftCrossEntropy cpu = ops::soft_cross_entropy("test", wide(x), wide(t), factor, divergence);
        const std::vector<Tensor> got = in_three_orders([&, rows = rows, classes = classes]() -> std::vector<Tensor> {
          auto logits = on_device<T>(x, "logits");
          const auto targets = on_device<float>(t, "targets");
          DeviceArray<double> log_sum_exp(rows, "log_sum_exp"), mass(rows, "mass"), losses(rows, "losses");
          DeviceArray<float> loss(1, "loss");
          const DeviceArray<float> dloss(std::vector<float>{1.5f}, "dloss");
          DeviceArray<T> dx(rows * classes, "dx");
          cuda::soft_cross_entropy(logits.data(), targets.data(), log_sum_exp.data(), mass.data(), losses.data(),
                                   loss.data(), rows, classes, factor, divergence);
          for (T* to : {dx.data(), logits.data()})
            cuda::soft_cross_entropy_backward(dloss.data(), factor, logits.data(), targets.data(), log_sum_exp.data(),
                                              mass.data(), to, rows, classes);
          return {from_device(loss, {}), from_device(dx, shape), from_device(logits, shape)};
        });
        CHECK_CLOSE(got[0], cpu.loss, 1e-6);
        const Tensor dloss = Tensor::scalar(1.5, DType::f64);
        CHECK_CLOSE(got[1], ops::soft_cross_entropy_backward(dloss, factor, wide(x), wide(t), cpu), 1e-6);
        CHECK(same_bits(got[1], got[2]));
      }
  });
}

}  // namespace tessera::soft_cross_entropy_test
