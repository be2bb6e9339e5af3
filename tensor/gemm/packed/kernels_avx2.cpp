// The product of strips with AVX2 and FMA, in f32.
//
// A register holds 8 sums, a strip's 16 columns are 2 of them. 6 rows × 2 registers of sums leave 4 of the 16
// registers: the widened columns (2) and a broadcast element of the left strip. Per position of k that is 12
// multiply-adds for 8 loads; the widening of a pair (a shift for its lower half, a mask for the upper one) costs 4
// operations in 24 multiply-adds. The 16 rows of a left strip are taken as 6 + 6 + 4.
#include <immintrin.h>

#include "tensor/gemm/packed/kernels.h"
#include "tensor/gemm/packed/plain_blocks.h"

namespace tessera::products {
namespace {

template <int kRows>
void rows(const float* left, const uint16_t* right, int64_t depth, float* sums, int64_t ld, bool add) {
  __m256 total[kRows][2];
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i)
    for (int j = 0; j < 2; ++j) total[i][j] = add ? _mm256_loadu_ps(sums + i * ld + j * 8) : _mm256_setzero_ps();
  const __m256i upper = _mm256_set1_epi32(static_cast<int>(0xffff0000u));
  for (int64_t l = 0; l < depth; l += 2, left += 2 * kStrip, right += 2 * kStrip) {
    const __m256i first = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(right));
    const __m256i second = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(right + 16));
    __m256 b0 = _mm256_castsi256_ps(_mm256_slli_epi32(first, 16));
    __m256 b1 = _mm256_castsi256_ps(_mm256_slli_epi32(second, 16));
    for (int i = 0; i < kRows; ++i) {
      const __m256 a = _mm256_broadcast_ss(left + i);
      total[i][0] = _mm256_fmadd_ps(a, b0, total[i][0]);
      total[i][1] = _mm256_fmadd_ps(a, b1, total[i][1]);
    }
    b0 = _mm256_castsi256_ps(_mm256_and_si256(first, upper));
    b1 = _mm256_castsi256_ps(_mm256_and_si256(second, upper));
    for (int i = 0; i < kRows; ++i) {
      const __m256 a = _mm256_broadcast_ss(left + kStrip + i);
      total[i][0] = _mm256_fmadd_ps(a, b0, total[i][0]);
      total[i][1] = _mm256_fmadd_ps(a, b1, total[i][1]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i)
    for (int j = 0; j < 2; ++j) _mm256_storeu_ps(sums + i * ld + j * 8, total[i][j]);
}

void multiply(const KernelCall& call) {
  const float* left = static_cast<const float*>(call.left);
  rows<6>(left, call.right, call.depth, call.sums, call.ld, call.add);
  rows<6>(left + 6, call.right, call.depth, call.sums + 6 * call.ld, call.ld, call.add);
  rows<4>(left + 12, call.right, call.depth, call.sums + 12 * call.ld, call.ld, call.add);
}

double peak(int64_t rounds) {
  constexpr int kSums = 12;
  __m256 sums[kSums] = {}, x = _mm256_set1_ps(0.5f);
  // Without this, they would be equal to the compiler, and one.
  for (int j = 0; j < kSums; ++j) __asm__ volatile("" : "+x"(sums[j]));
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
    for (int j = 0; j < kSums; ++j) sums[j] = _mm256_fmadd_ps(x, x, sums[j]);
    __asm__ volatile("" : "+x"(x));
  }
  for (int j = 0; j < kSums; ++j) __asm__ volatile("" ::"x"(sums[j]));
  return static_cast<double>(rounds) * kSums * 16;
}

}  // namespace

const Kernels kAvx2Kernels{
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
