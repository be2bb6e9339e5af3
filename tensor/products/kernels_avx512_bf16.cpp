// The product of strips with vdpbf16ps: sums [16] += a₀ b₀ + a₁ b₁ for a pair a broadcast to all columns.
//
// 8 rows × 3 strips of sums leave 8 of the 32 registers: 3 for the right strips and one or two for the broadcast pair. Per
// pair of k that is 24 instructions for 8 + 3 loads, so that two units for products are not held up by two for loads, and 24
// independent sums cover the latency of 6 at two per cycle. At a depth of 256 the right strips take 24 KiB and the left one
// 8 KiB: they stay in a first-level cache of 32 KiB and more.
#include <immintrin.h>

#include "tensor/products/avx512_blocks.h"
#include "tensor/products/kernels.h"

namespace tessera::products {
namespace {

constexpr int kRows = 8;

inline __m512bh pairs_at(const uint16_t* p) { return reinterpret_cast<__m512bh>(_mm512_loadu_si512(p)); }

inline __m512bh broadcast_pair(const uint16_t* p) {
  int pair;
  __builtin_memcpy(&pair, p, sizeof pair);
  return reinterpret_cast<__m512bh>(_mm512_set1_epi32(pair));
}

template <int kStrips>
void rows(const uint16_t* left, const uint16_t* right, int64_t stride, int64_t depth, float* sums, int64_t ld, bool add) {
  __m512 total[kRows][kStrips];
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i)
    for (int j = 0; j < kStrips; ++j) total[i][j] = add ? _mm512_loadu_ps(sums + i * ld + j * 16) : _mm512_setzero_ps();
  for (int64_t l = 0; l < depth; l += 2, left += 2 * kStrip, right += 2 * kStrip) {
    __m512bh b[kStrips];
    for (int j = 0; j < kStrips; ++j) b[j] = pairs_at(right + j * stride);
    for (int i = 0; i < kRows; ++i) {
      const __m512bh a = broadcast_pair(left + 2 * i);
      for (int j = 0; j < kStrips; ++j) total[i][j] = _mm512_dpbf16_ps(total[i][j], a, b[j]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i)
    for (int j = 0; j < kStrips; ++j) _mm512_storeu_ps(sums + i * ld + j * 16, total[i][j]);
}

template <int kStrips>
void strip(const KernelCall& call) {
  const uint16_t* left = static_cast<const uint16_t*>(call.left);
  for (int64_t i = 0; i < kStrip; i += kRows)
    rows<kStrips>(left + 2 * i, call.right, call.right_stride, call.depth, call.sums + i * call.ld, call.ld, call.add);
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
  __m512 sums[kSums] = {};
  __m512i pairs = _mm512_set1_epi32(0x3f003f00);
  // Without this, they would be equal to the compiler, and one.
  for (int j = 0; j < kSums; ++j) __asm__ volatile("" : "+v"(sums[j]));
  for (int64_t i = 0; i < rounds; ++i) {
    const __m512bh x = reinterpret_cast<__m512bh>(pairs);
#pragma GCC unroll 24
    for (int j = 0; j < kSums; ++j) sums[j] = _mm512_dpbf16_ps(sums[j], x, x);
    __asm__ volatile("" : "+v"(pairs));
  }
  for (int j = 0; j < kSums; ++j) __asm__ volatile("" ::"v"(sums[j]));
  return static_cast<double>(rounds) * kSums * 64;
}

}  // namespace

const Kernels kAvx512Bf16Kernels{
    .left_layout = LeftLayout::pairs,
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
