// The loops of packing with AVX-512, for the files that are compiled with it. Plain forms: plain_blocks.h.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace tessera::products {
namespace {

// Four rounds of exchanging: words within 2 × 2 blocks, pairs of words within 4 × 4, and then whole 128-bit lanes.
[[maybe_unused]] void avx512_transpose_words(const uint16_t* from, int64_t stride, uint16_t* to) {
  __m512i x[16], y[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) x[i] = _mm512_loadu_si512(from + i * stride);
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    y[i] = _mm512_unpacklo_epi32(x[i], x[i + 1]);
    y[i + 1] = _mm512_unpackhi_epi32(x[i], x[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {  // x[i + c]: column c of each lane's 4 × 4 block of rows i .. i + 3
    x[i] = _mm512_unpacklo_epi64(y[i], y[i + 2]);
    x[i + 1] = _mm512_unpackhi_epi64(y[i], y[i + 2]);
    x[i + 2] = _mm512_unpacklo_epi64(y[i + 1], y[i + 3]);
    x[i + 3] = _mm512_unpackhi_epi64(y[i + 1], y[i + 3]);
  }
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) {  // the 4 × 4 matrix of lanes of columns c, c + 4, c + 8, c + 12
    const __m512i low01 = _mm512_shuffle_i32x4(x[c], x[4 + c], 0x44),
                  high01 = _mm512_shuffle_i32x4(x[c], x[4 + c], 0xee);
    const __m512i low23 = _mm512_shuffle_i32x4(x[8 + c], x[12 + c], 0x44);
    const __m512i high23 = _mm512_shuffle_i32x4(x[8 + c], x[12 + c], 0xee);
    _mm512_storeu_si512(to + c * 32, _mm512_shuffle_i32x4(low01, low23, 0x88));
    _mm512_storeu_si512(to + (c + 4) * 32, _mm512_shuffle_i32x4(low01, low23, 0xdd));
    _mm512_storeu_si512(to + (c + 8) * 32, _mm512_shuffle_i32x4(high01, high23, 0x88));
    _mm512_storeu_si512(to + (c + 12) * 32, _mm512_shuffle_i32x4(high01, high23, 0xdd));
  }
}

inline __m512i words_at(const uint16_t* p) {
  return _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}

[[maybe_unused]] void avx512_interleave(const uint16_t* from, int64_t stride, uint16_t* to) {
  for (int64_t pair = 0; pair < 16; ++pair, from += 2 * stride, to += 32)
    _mm512_storeu_si512(to, _mm512_or_si512(words_at(from), _mm512_slli_epi32(words_at(from + stride), 16)));
}

// The upper halves of 16 words, after rounding to nearest even.
inline __m512i rounded_words(__m512 value) {
  const __m512i word = _mm512_castps_si512(value);
  const __m512i last = _mm512_and_si512(_mm512_srli_epi32(word, 16), _mm512_set1_epi32(1));
  const __m512i sum = _mm512_add_epi32(word, _mm512_add_epi32(last, _mm512_set1_epi32(0x7fff)));
  const __mmask16 is_nan = _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q);
  const __m512i result = _mm512_mask_or_epi32(sum, is_nan, word, _mm512_set1_epi32(0x400000));
  return _mm512_and_si512(result, _mm512_set1_epi32(static_cast<int>(0xffff0000u)));
}

inline void store_halves(uint16_t* to, __m512i words) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtepi32_epi16(_mm512_srli_epi32(words, 16)));
}

[[maybe_unused]] void avx512_round(const float* from, int64_t count, uint16_t* to) {
  for (int64_t i = 0; i < count * 16; i += 16) store_halves(to + i, rounded_words(_mm512_loadu_ps(from + i)));
}

[[maybe_unused]] void avx512_split(const float* from, int64_t count, uint16_t* high, uint16_t* low) {
  const __m512i exponent = _mm512_set1_epi32(0x7f800000);
  for (int64_t i = 0; i < count * 16; i += 16) {
    const __m512 value = _mm512_loadu_ps(from + i);
    const __m512i upper = rounded_words(value);
    const __mmask16 finite = _mm512_cmpneq_epi32_mask(_mm512_and_si512(upper, exponent), exponent);
    const __m512i rest = rounded_words(_mm512_sub_ps(value, _mm512_castsi512_ps(upper)));
    store_halves(high + i, upper);
    store_halves(low + i, _mm512_maskz_mov_epi32(finite, rest));
  }
}

}  // namespace
}  // namespace tessera::products
