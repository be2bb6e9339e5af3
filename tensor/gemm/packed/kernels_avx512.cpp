// The product of strips with AVX-512 without bf16 instructions, in f32.
//
// A register holds a strip's 16 columns. 8 rows × 3 strips of sums leave 8 of the 32 registers: 3 pairs of the right
// strips, their widened halves and a broadcast element. Per position of k that is 24 multiply-adds for 8 + 1.5 loads,
// and widening (a shift or a mask for each strip) costs 3 operations. 24 independent sums keep two units of latency 4
// busy.
#include <immintrin.h>

#include "tensor/gemm/packed/avx512_blocks.h"
#include "tensor/gemm/packed/kernels.h"

namespace tessera::products {
namespace {

constexpr int kRows = 8;

template <int kStrips>
void rows(const float* left, const uint16_t* right, int64_t stride, int64_t depth, float* sums, int64_t ld, bool add) {
  __m512 total[kRows][kStrips];
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i)
    for (int j = 0; j < kStrips; ++j) total[i][j] = add ? _mm512_loadu_ps(sums + i * ld + j * 16) : _mm512_setzero_ps();
  const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xffff0000u));
  for (int64_t l = 0; l < depth; l += 2, left += 2 * kStrip, right += 2 * kStrip) {
    __m512i pair[kStrips];
    for (int j = 0; j < kStrips; ++j) pair[j] = _mm512_loadu_si512(right + j * stride);
    __m512 b[kStrips];
    for (int j = 0; j < kStrips; ++j) b[j] = _mm512_castsi512_ps(_mm512_slli_epi32(pair[j], 16));
    for (int i = 0; i < kRows; ++i) {
      const __m512 a = _mm512_set1_ps(left[i]);
      for (int j = 0; j < kStrips; ++j) total[i][j] = _mm512_fmadd_ps(a, b[j], total[i][j]);
    }
    for (int j = 0; j < kStrips; ++j) b[j] = _mm512_castsi512_ps(_mm512_and_si512(pair[j], upper));
    for (int i = 0; i < kRows; ++i) {
      const __m512 a = _mm512_set1_ps(left[kStrip + i]);
      for (int j = 0; j < kStrips; ++j) total[i][j] = _mm512_fmadd_ps(a, b[j], total[i][j]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i)
    for (int j = 0; j < kStrips; ++j) _mm512_storeu_ps(sums + i * ld + j * 16, total[i][j]);
}

template <int kStrips>
void strip(const KernelCall& call) {
  const float* left = static_cast<const float*>(call.left);
  for (int64_t i = 0; i < kStrip; i += kRows)
    rows<kStrips>(left + i, call.right, call.right_stride, call.depth, call.sums + i * call.ld, call.ld, call.add);
}

void multiply(const KernelCall& call) {
  switch (call.right_strips) {
    case 1: return strip<1>(call);
    case 2: return strip<2>(call);
    default: return strip<3>(call);
  }
}

double peak(int64_t rounds) {
  constexpr int kSums = 24;
  __m512 sums[kSums] = {}, x = _mm512_set1_ps(0.5f);
  // Without this, they would be equal to the compiler, and one.
  for (int j = 0; j < kSums; ++j) __asm__ volatile("" : "+v"(sums[j]));
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 24
    for (int j = 0; j < kSums; ++j) sums[j] = _mm512_fmadd_ps(x, x, sums[j]);
    __asm__ volatile("" : "+v"(x));
  }
  for (int j = 0; j < kSums; ++j) __asm__ volatile("" ::"v"(sums[j]));
  return static_cast<double>(rounds) * kSums * 32;
}

}  // namespace

const Kernels kAvx512Kernels{
    .left_layout = LeftLayout::wide,
    .left_strips = 1,
    .right_strips = 3,
    .depth_unit = 2,
    .begin = nullptr,
    .end = nullptr,
    .multiply = multiply,
    .peak = peak,
    .transpose_words = avx512_transpose_words,
    .interleave = avx512_interleave,
    .round = avx512_round,
    .split = avx512_split,
};

}  // namespace tessera::products
