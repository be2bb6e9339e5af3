#include "tensor/ops/regression_loss.h"

#include "tensor/cuda/sum_workspace.h"
#include "tensor/ops/regression_loss_kernels.h"
#include "tests/cuda/on_device.h"

namespace tessera::regression_loss_test {

using namespace tessera::test;

// Each term is rounded to a few ulp, and summed in f64.
TEST_CASE("cuda regression losses and their gradients equal the CPU's in f64") {
  for_float_and_bf16([](auto tag) {
    using T = decltype(tag);
    for (const ops::RegressionLoss loss :
         {ops::RegressionLoss::squared, ops::RegressionLoss::absolute, ops::RegressionLoss::smooth_l1})
      for (const int64_t count : {0, 1, 130, 9001}) {
        CAPTURE(count);
        Tensor x = random_values<T>({count}, 1);
        const Tensor t = random_normal({count}, 2, DType::f32);
        const ops::RegressionOptions options{loss, 0.5, 0.25, "test"};
        const std::vector<Tensor> got = in_three_orders([&]() -> std::vector<Tensor> {
          const auto from = on_device<T>(x, "x");
          const auto targets = on_device<float>(t, "targets");
          DeviceArray<float> out(1, "loss");
          DeviceArray<double> workspace(cuda::sum_workspace(count), "workspace");
          const DeviceArray<float> dloss(std::vector<float>{1.5f}, "dloss");
          DeviceArray<T> dx(count, "dx");
          cuda::regression_loss(loss, from.data(), targets.data(), 0.5f, 0.25, out.data(), workspace.data(), count);
          cuda::regression_loss_backward(loss, dloss.data(), 0.25, from.data(), targets.data(), 0.5f, dx.data(), count);
          return {from_device(out, {}), from_device(dx, {count})};
        });
        CHECK_CLOSE(got[0], ops::regression_loss(wide(x), wide(t), options), 1e-6);
        const Tensor dloss = Tensor::scalar(1.5, DType::f64);
        CHECK_CLOSE(got[1], ops::regression_loss_backward(dloss, wide(x), wide(t), options), 1e-6);
      }
  });
}

}  // namespace tessera::regression_loss_test
