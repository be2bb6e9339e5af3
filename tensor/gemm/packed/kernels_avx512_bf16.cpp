// The product of strips with vdpbf16ps: sums [16] += a₀ b₀ + a₁ b₁ for a pair a broadcast to all columns.
//
// 8 rows × 3 strips of sums leave 8 of the 32 registers: 3 for the right strips and one or two for the broadcast pair.
// Per pair of k that is 24 instructions for 8 + 3 loads, so that two units for products are not held up by two for
// loads, and 24 independent sums cover the latency of 6 at two per cycle. At a depth of 256 the right strips take 24
// KiB and the left one 8 KiB: they stay in a first-level cache of 32 KiB and more.
#include <immintrin.h>

#include "tensor/gemm/packed/avx512_blocks.h"
#include "tensor/gemm/packed/kernels.h"

namespace tessera::products {
namespace {

constexpr int kRows = 8;

inline __m512bh pairs_at(const uint16_t* p) { return reinterpret_cast<__m512bh>(_mm512_loadu_si512(p)); }

inline __m512bh broadcast_pair(const uint16_t* p) {
  int pair;
  __builtin_memcpy(&pair, p, sizeof pair);
  return reinterpret_cast<__m512bh>(_mm512_set1_epi32(pair));
}

// kRows rows of sums; pair l of row i lies at left + i · row + l · pair. With few rows there are two sets of sums, for
// even and for odd pairs, since too few would wait for each other.
template <int kRows, int kStrips, int kSets = 1>
[[gnu::always_inline]] inline void block(const uint16_t* left, int64_t row, int64_t pair, const uint16_t* right,
                                         int64_t stride, int64_t depth, float* sums, int64_t ld, bool add) {
  __m512 total[kSets][kRows][kStrips];
  for (int set = 0; set < kSets; ++set)
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i)
      for (int j = 0; j < kStrips; ++j)
        total[set][i][j] = add && set == 0 ? _mm512_loadu_ps(sums + i * ld + j * 16) : _mm512_setzero_ps();
  const auto step = [&](__m512(&to)[kRows][kStrips]) {
    __m512bh b[kStrips];
    for (int j = 0; j < kStrips; ++j) b[j] = pairs_at(right + j * stride);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const __m512bh a = broadcast_pair(left + i * row);
      for (int j = 0; j < kStrips; ++j) to[i][j] = _mm512_dpbf16_ps(to[i][j], a, b[j]);
    }
    left += pair;
    right += 2 * kStrip;
  };
  int64_t l = 0;
  if constexpr (kSets == 2) {
    for (; l + 4 <= depth; l += 4) {
      step(total[0]);
      step(total[1]);
    }
  }
  for (; l < depth; l += 2) step(total[0]);
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i)
    for (int j = 0; j < kStrips; ++j) {
      if constexpr (kSets == 2) total[0][i][j] = _mm512_add_ps(total[0][i][j], total[1][i][j]);
      _mm512_storeu_ps(sums + i * ld + j * 16, total[0][i][j]);
    }
}

template <int kStrips>
void strip(const KernelCall& call) {
  const uint16_t* left = static_cast<const uint16_t*>(call.left);
  for (int64_t i = 0; i < kStrip; i += kRows)
    block<kRows, kStrips>(left + 2 * i, 2, 2 * kStrip, call.right, call.right_stride, call.depth,
                          call.sums + i * call.ld, call.ld, call.add);
}

void multiply(const KernelCall& call) {
  switch (call.right_strips) {
    case 1: return strip<1>(call);
    case 2: return strip<2>(call);
    default: return strip<3>(call);
  }
}

// kFew: the sets of sums of a few rows, which would otherwise wait for each other.
template <int kStrips, int kFew>
void all_pairs(const PairsCall& call) {
  int64_t i = 0;
  const auto rows = [&]<int kCount, int kSets>() {
    block<kCount, kStrips, kSets>(call.left + i * call.left_row, call.left_row, call.left_pair, call.right,
                                  call.right_stride, call.depth, call.sums + i * call.ld, call.ld, call.add);
    i += kCount;
  };
  constexpr int kMost = kStrips == 1 ? 16 : kRows;
  while (i + kMost <= call.rows) rows.template operator()<kMost, 1>();
  if (i + 8 <= call.rows) rows.template operator()<8, kStrips == 1 ? kFew : 1>();
  if (i + 4 <= call.rows) rows.template operator()<4, kFew>();
  if (i + 2 <= call.rows) rows.template operator()<2, kFew>();
  if (i < call.rows) rows.template operator()<1, kFew>();
}

template <int kStrips>
void all_pairs(const PairsCall& call) {
  call.in_order ? all_pairs<kStrips, 1>(call) : all_pairs<kStrips, 2>(call);
}

void multiply_pairs(const PairsCall& call) {
  switch (call.right_strips) {
    case 1: return all_pairs<1>(call);
    case 2: return all_pairs<2>(call);
    default: return all_pairs<3>(call);
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
    .multiply_pairs = multiply_pairs,
    .peak = peak,
    .transpose_words = avx512_transpose_words,
    .interleave = avx512_interleave,
    .round = avx512_round,
    .split = avx512_split,
};

}  // namespace tessera::products
