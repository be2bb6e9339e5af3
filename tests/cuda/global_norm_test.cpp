#include "tensor/ops/global_norm.h"

#include "tensor/cuda/sum_workspace.h"
#include "tensor/ops/global_norm_kernels.h"
#include "tests/cuda/on_device.h"

namespace tessera::global_norm_test {

using namespace tessera::test;

// Squares of f32 are exact in f64, and the sum's rounding is far below 1e-12.
TEST_CASE("cuda global_norm equals the CPU's") {
  for (const int64_t n : {0, 1, 5, 4096, 20004})
    for (const int64_t skipped : {0, 1}) {  // packs of four, and one by one
      CAPTURE(n);
      const Tensor x = random_normal({n + 1}, 1, DType::f32);
      const auto from = on_device<float>(x, "x");
      const std::vector<Tensor> got = in_three_orders([&]() -> std::vector<Tensor> {
        DeviceArray<double> squared(1, "squared"), workspace(cuda::sum_workspace(n), "workspace");
        cuda::global_norm_squared(from.data() + skipped, n, squared.data(), workspace.data());
        return {from_device(squared, {})};
      });
      const double expected = ops::global_norm(x.narrow(0, skipped, n));
      CHECK(std::sqrt(got[0].item()) == doctest::Approx(expected).epsilon(1e-12));
    }
}

TEST_CASE("cuda global_norm of something that is not finite is not finite") {
  for (const float value : {INFINITY, NAN}) {
    const Tensor x = Tensor::from(std::vector<float>{1, value, 2, 3}).to(Device{Device::cuda, 0});
    CHECK(!std::isfinite(ops::global_norm(x)));
  }
}

}  // namespace tessera::global_norm_test
