#include "tensor/ops/normalise_patches.h"

#include <doctest/doctest.h>

namespace tessera::normalise_patches_test {

namespace {

const std::array<float, 3> kMean{0.485f, 0.456f, 0.406f}, kStd{0.229f, 0.224f, 0.225f};

}  // namespace

TEST_CASE("normalise_patches: every level of every channel, in f32 and rounded once") {
  std::vector<uint8_t> levels;
  for (int row = 0; row < 2; ++row)
    for (int i = 0; i < 3 * 256; ++i) levels.push_back(static_cast<uint8_t>(row == 0 ? i % 256 : 255 - i % 256));
  const Tensor x = Tensor::from(levels, {2, 3 * 256});
  std::vector<float> expected;
  for (size_t i = 0; i < levels.size(); ++i) {
    const size_t channel = i / 256 % 3;
    expected.push_back((static_cast<float>(levels[i]) / 255.0f - kMean[channel]) / kStd[channel]);
  }
  const Tensor y = ops::normalise_patches(x, kMean, kStd, DType::f32);
  CHECK(y.shape() == x.shape());
  CHECK(y.to_vector<float>() == expected);
  CHECK(ops::normalise_patches(x, kMean, kStd, DType::f64).to(DType::f32).to_vector<float>() == expected);
  CHECK(ops::normalise_patches(x, kMean, kStd, DType::bf16).to(DType::f32).to_vector<float>() ==
        y.to(DType::bf16).to(DType::f32).to_vector<float>());
  CHECK(ops::normalise_patches(x.narrow(0, 1, 1), kMean, kStd, DType::f32).to_vector<float>() ==
        std::vector<float>(expected.begin() + 3 * 256, expected.end()));
  CHECK(ops::normalise_patches(x.narrow(0, 0, 0), kMean, kStd, DType::f32).shape() == Shape{0, 3 * 256});
}

TEST_CASE("normalise_patches: errors") {
  CHECK_THROWS_WITH_AS(ops::normalise_patches(Tensor::zeros({2, 3}), kMean, kStd, DType::f32),
                       "normalise_patches: levels are f32 [2, 3], expected u8 [n, 3 area]", Error);
  CHECK_THROWS_WITH_AS(ops::normalise_patches(Tensor::zeros({2, 4}, DType::u8), kMean, kStd, DType::f32),
                       "normalise_patches: levels are u8 [2, 4], expected u8 [n, 3 area]", Error);
  CHECK_THROWS_WITH_AS(ops::normalise_patches(Tensor::zeros({2, 3}, DType::u8), kMean, kStd, DType::i64),
                       "normalise_patches: dtype is i64, expected f32, f64 or bf16", Error);
}

}  // namespace tessera::normalise_patches_test
