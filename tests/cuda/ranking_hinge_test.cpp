#include "tensor/ops/ranking_hinge.h"

#include "tensor/ops/ranking_hinge_kernels.h"
#include "tests/cuda/on_device.h"

namespace tessera::ranking_hinge_test {

using namespace tessera::test;

// The same arithmetic as the CPU's in f32, which is exact where similarities and margin are multiples of 1/64: then
// ties and hinges at 0 abound, and gradients are small whole numbers. Losses are added in another order, exactly.
TEST_CASE("cuda ranking_hinge gives the CPU's bits, with ties and hinges at 0") {
  for (const ops::Negatives negatives : {ops::Negatives::all, ops::Negatives::hardest})
    for (const int64_t n : {0, 1, 2, 31, 70})
      for (const int64_t values : {4, 128}) {
        CAPTURE(n);
        CAPTURE(values);
        Random random(5);
        std::vector<float> s(static_cast<size_t>(n * n));
        for (float& value : s) value = static_cast<float>(random.below(static_cast<uint64_t>(values))) / 64.0f;
        if (n == 31) s[33] = NAN;
        const Tensor similarity = Tensor::from(s, {n, n});
        const bool hardest = negatives == ops::Negatives::hardest;
        const std::vector<Tensor> got = in_three_orders([&]() -> std::vector<Tensor> {
          const auto from = on_device<float>(similarity, "similarity");
          DeviceArray<int64_t> active(2 * n, "active");
          DeviceArray<double> losses(2 * n, "losses");
          DeviceArray<float> loss(1, "loss"), gradient(n * n, "gradient");
          const DeviceArray<float> dloss(std::vector<float>{0.5f}, "dloss");
          cuda::ranking_hinge(from.data(), 0.25f, hardest, n, active.data(), losses.data(), loss.data());
          cuda::ranking_hinge_backward(dloss.data(), from.data(), active.data(), 0.25f, hardest, n, gradient.data());
          return {from_device(loss, {}), from_device(active, {2, n}), from_device(gradient, {n, n})};
        });
        const ops::RankingHinge cpu = ops::ranking_hinge(similarity, 0.25, negatives);
        if (n == 31)
          CHECK((std::isnan(got[0].item()) && std::isnan(cpu.loss.item())));
        else
          CHECK(same_bits(got[0], cpu.loss));
        CHECK(got[1].to_vector<int64_t>() == cpu.active.to_vector<int64_t>());
        CHECK(same_bits(got[2],
                        ops::ranking_hinge_backward(Tensor::scalar(0.5), similarity, cpu.active, 0.25, negatives)));
      }
}

}  // namespace tessera::ranking_hinge_test
