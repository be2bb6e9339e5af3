// The product of strips in plain C++: what every other variant is compared with.
#include "tensor/gemm/packed/kernels.h"
#include "tensor/gemm/packed/plain_blocks.h"

namespace tessera::products {
namespace {

// 16 rows of the left strip [depth][16] f32 times one right strip [depth / 2][16][2] bf16. Four rows at a time, so that
// a widened pair of the right strip serves all four.
void strip(const float* left, const uint16_t* right, int64_t depth, float* sums, int64_t ld, bool add) {
  constexpr int64_t kRows = 4;
  for (int64_t row = 0; row < kStrip; row += kRows) {
    float total[kRows][kStrip];
    for (int64_t i = 0; i < kRows; ++i)
      for (int64_t j = 0; j < kStrip; ++j) total[i][j] = add ? sums[(row + i) * ld + j] : 0.0f;
    for (int64_t l = 0; l < depth; l += 2) {
      float even[kStrip], odd[kStrip];
      for (int64_t j = 0; j < kStrip; ++j) {
        even[j] = float_of(static_cast<uint32_t>(right[l * kStrip + 2 * j]) << 16);
        odd[j] = float_of(static_cast<uint32_t>(right[l * kStrip + 2 * j + 1]) << 16);
      }
      for (int64_t i = 0; i < kRows; ++i) {
        const float a = left[l * kStrip + row + i], b = left[(l + 1) * kStrip + row + i];
        for (int64_t j = 0; j < kStrip; ++j) total[i][j] += a * even[j];
        for (int64_t j = 0; j < kStrip; ++j) total[i][j] += b * odd[j];
      }
    }
    for (int64_t i = 0; i < kRows; ++i)
      for (int64_t j = 0; j < kStrip; ++j) sums[(row + i) * ld + j] = total[i][j];
  }
}

void multiply(const KernelCall& call) {
  strip(static_cast<const float*>(call.left), call.right, call.depth, call.sums, call.ld, call.add);
}

// Plain loops have no one instruction: the kernel on strips that stay in the first-level cache.
double peak(int64_t rounds) {
  constexpr int64_t kDepth = 128;
  static const float left[kDepth * kStrip] = {};
  static const uint16_t right[kDepth * kStrip] = {};
  float sums[kStrip * kStrip];
  for (int64_t i = 0; i < rounds; ++i) strip(left, right, kDepth, sums, kStrip, i > 0);
  return static_cast<double>(rounds) * 2 * kDepth * kStrip * kStrip;
}

}  // namespace

const Kernels kPortableKernels{
    .left_layout = LeftLayout::wide,
    .left_strips = 1,
    .right_strips = 1,
    .depth_unit = 2,
    .begin = nullptr,
    .end = nullptr,
    .multiply = multiply,
    .peak = peak,
    .transpose_words = plain_transpose_words,
    .interleave = plain_interleave,
    .round = plain_round,
    .split = plain_split,
};

}  // namespace tessera::products
