#include "tensor/ops/contrastive.h"

#include "tensor/cuda/sum_workspace.h"
#include "tensor/ops/contrastive_kernels.h"
#include "tests/cuda/on_device.h"

namespace tessera::contrastive_test {

using namespace tessera::test;

// All is f64 but the results; those of sums are added in another order than the CPU's.
TEST_CASE("cuda contrastive and its gradients equal the CPU's in f64") {
  for (const int64_t n : {0, 1, 2, 31, 67})
    for (const float log_scale : {0.3f, 3.0f}) {
      CAPTURE(n);
      const Shape shape{n, n};
      const Tensor s = random_values<float>(shape, 1), scale = Tensor::scalar(static_cast<double>(log_scale));
      const std::vector<Tensor> got = in_three_orders([&]() -> std::vector<Tensor> {
        const auto similarity = on_device<float>(s, "similarity");
        const DeviceArray<float> of_scale(std::vector<float>{log_scale}, "log_scale");
        const DeviceArray<float> dloss(std::vector<float>{1.5f}, "dloss");
        DeviceArray<double> lines(4 * n, "lines"), few(cuda::sum_workspace(n), "workspace");
        DeviceArray<double> many(cuda::sum_workspace(n * n), "workspace");
        DeviceArray<float> loss(1, "loss"), d_similarity(n * n, "d_similarity"), d_scale(1, "d_log_scale");
        cuda::contrastive(similarity.data(), of_scale.data(), n, lines.data(), few.data(), loss.data());
        cuda::contrastive_backward(dloss.data(), similarity.data(), of_scale.data(), n, lines.data(),
                                   d_similarity.data(), d_scale.data(), many.data());
        return {from_device(loss, {}), from_device(d_similarity, shape), from_device(d_scale, {})};
      });
      const ops::Contrastive cpu = ops::contrastive(wide(s), wide(scale));
      const ops::ContrastiveGradients gradients =
          ops::contrastive_backward(Tensor::scalar(1.5, DType::f64), wide(s), wide(scale), cpu.lines);
      CHECK_CLOSE(got[0], cpu.loss, 1e-7);
      CHECK_CLOSE(got[1], gradients.d_similarity, 1e-7);
      CHECK_CLOSE(got[2], gradients.d_log_scale, 1e-7);
    }
}

}  // namespace tessera::contrastive_test
