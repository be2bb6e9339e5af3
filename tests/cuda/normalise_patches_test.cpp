#include "tensor/ops/normalise_patches.h"

#include "tests/cuda/on_device.h"

namespace tessera::normalise_patches_test {

using namespace tessera::test;

// Areas of 1, of whole packs and of none; levels that begin at any address.
TEST_CASE("cuda patches are normalised to the CPU's bits") {
  constexpr Device kGpu{Device::cuda, 0};
  const std::array<float, 3> mean{0.485f, 0.456f, 0.406f}, std{0.229f, 0.224f, 0.225f};
  for (const DType dtype : {DType::f32, DType::bf16})
    for (const auto& [rows, area] :
         std::vector<std::pair<int64_t, int64_t>>{{0, 4}, {1, 1}, {3, 0}, {5, 9}, {3, 16}, {2, 256}, {7, 64}}) {
      CAPTURE(dtype);
      CAPTURE(rows);
      CAPTURE(area);
      std::vector<uint8_t> levels;
      for (int64_t i = 0; i < rows * 3 * area; ++i) levels.push_back(static_cast<uint8_t>(i * 7));
      const Tensor x = Tensor::from(levels, {rows, 3 * area});
      const std::vector<Tensor> got = in_three_orders(
          [&]() -> std::vector<Tensor> { return {ops::normalise_patches(x.to(kGpu), mean, std, dtype).to(Device{})}; });
      CHECK(same_bits(got[0], ops::normalise_patches(x, mean, std, dtype)));
      if (rows < 2) continue;
      CHECK(same_bits(ops::normalise_patches(x.to(kGpu).narrow(0, 1, rows - 1), mean, std, dtype).to(Device{}),
                      ops::normalise_patches(x.narrow(0, 1, rows - 1), mean, std, dtype)));
    }
}

}  // namespace tessera::normalise_patches_test
