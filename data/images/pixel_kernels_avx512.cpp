// The loader's inner loops for AVX-512 with VBMI and VNNI, compiled with flags of its own (data/meson.build). The twins
// in pixel_kernels.cpp say what is computed.
//
// vpdpbusd adds to each 32-bit sum the products of four unsigned bytes with four signed ones. A weight of 24 bits is
// three signed digits in base 256 (resize_filter.h), so three such instructions take four taps of 16 values without
// widening a pixel; the three sums are put together at the end. All of it is exact modulo 2^32, as the twin's single
// sum is.
#include <immintrin.h>

#include "data/images/pixel_kernels.h"

namespace tessera {
namespace {

constexpr int kTaps = 4;

struct DigitSums {
  __m512i low, middle, high;
};

inline DigitSums zero_sums() {
  return {_mm512_set1_epi32(1 << (kFilterWeightBits - 1)), _mm512_setzero_si512(), _mm512_setzero_si512()};
}

inline void add_products(DigitSums& sums, __m512i pixels, const DigitSums& weights) {
  sums.low = _mm512_dpbusd_epi32(sums.low, pixels, weights.low);
  sums.middle = _mm512_dpbusd_epi32(sums.middle, pixels, weights.middle);
  sums.high = _mm512_dpbusd_epi32(sums.high, pixels, weights.high);
}

// Sixteen results, not yet clamped.
inline __m512i rounded(const DigitSums& sums) {
  const __m512i upper = _mm512_add_epi32(sums.middle, _mm512_slli_epi32(sums.high, 8));
  return _mm512_srai_epi32(_mm512_add_epi32(sums.low, _mm512_slli_epi32(upper, 8)), kFilterWeightBits);
}

inline __mmask64 first_bytes(int count) { return count >= 64 ? ~__mmask64{0} : (__mmask64{1} << count) - 1; }

// The digits of up to four weights, the same in each of 16 values.
inline DigitSums broadcast_digits(const int32_t* weights, int count) {
  uint32_t low = 0, middle = 0, high = 0;
  for (int t = 0; t < count; ++t) {
    const WeightDigits digits = digits_of(weights[t]);
    low |= uint32_t{static_cast<uint8_t>(digits.low)} << (8 * t);
    middle |= uint32_t{static_cast<uint8_t>(digits.middle)} << (8 * t);
    high |= uint32_t{static_cast<uint8_t>(digits.high)} << (8 * t);
  }
  return {_mm512_set1_epi32(static_cast<int>(low)), _mm512_set1_epi32(static_cast<int>(middle)),
          _mm512_set1_epi32(static_cast<int>(high))};
}

// Adds four rows (fewer: the last repeated, with weights of 0) of 64 bytes. Interleaving them puts the four bytes of a
// column side by side; sums[q] holds every fourth group of four columns, the order that the packing of `store` undoes.
inline void add_rows(DigitSums (&sums)[4], const uint8_t* in, int64_t stride, int count, __mmask64 mask,
                     const DigitSums& weights) {
  __m512i rows[kTaps];
  for (int t = 0; t < kTaps; ++t) rows[t] = _mm512_maskz_loadu_epi8(mask, in + (t < count ? t : count - 1) * stride);
  const __m512i low01 = _mm512_unpacklo_epi8(rows[0], rows[1]), high01 = _mm512_unpackhi_epi8(rows[0], rows[1]);
  const __m512i low23 = _mm512_unpacklo_epi8(rows[2], rows[3]), high23 = _mm512_unpackhi_epi8(rows[2], rows[3]);
  add_products(sums[0], _mm512_unpacklo_epi16(low01, low23), weights);
  add_products(sums[1], _mm512_unpackhi_epi16(low01, low23), weights);
  add_products(sums[2], _mm512_unpacklo_epi16(high01, high23), weights);
  add_products(sums[3], _mm512_unpackhi_epi16(high01, high23), weights);
}

// The saturation of the two packings is the clamping to 0..255.
inline void store(uint8_t* out, const DigitSums (&sums)[4], __mmask64 mask) {
  const __m512i left = _mm512_packs_epi32(rounded(sums[0]), rounded(sums[1]));
  const __m512i right = _mm512_packs_epi32(rounded(sums[2]), rounded(sums[3]));
  _mm512_mask_storeu_epi8(out, mask, _mm512_packus_epi16(left, right));
}

constexpr int kKeptSteps = 4;  // weights of so many steps are spread over vectors once for a row

void filter_rows(const uint8_t* in, int64_t in_stride, int length, const Filter::Window* windows, int outputs,
                 const int32_t* all_weights, uint8_t* out, int64_t out_stride) {
  for (int i = 0; i < outputs; ++i, out += out_stride) {
    const uint8_t* first = in + windows[i].first * in_stride;
    const int32_t* weights = all_weights + windows[i].weights;
    const int count = windows[i].count;
    const auto taps = [count](int j) { return count - j < kTaps ? count - j : kTaps; };
    DigitSums kept[kKeptSteps];
    for (int j = 0, step = 0; j < count && step < kKeptSteps; j += kTaps, ++step)
      kept[step] = broadcast_digits(weights + j, taps(j));
    for (int x = 0; x < length; x += 64) {
      const __mmask64 mask = first_bytes(length - x);
      DigitSums sums[4] = {zero_sums(), zero_sums(), zero_sums(), zero_sums()};
      for (int j = 0, step = 0; j < count; j += kTaps, ++step)
        add_rows(sums, first + j * in_stride + x, in_stride, taps(j), mask,
                 step < kKeptSteps ? kept[step] : broadcast_digits(weights + j, taps(j)));
      store(out + x, sums, mask);
    }
  }
}

// `steps` is a constant after inlining, so that the weights of a block stay in registers over the rows.
template <int steps>
inline void filter_block(const uint8_t* in, int rows, int in_bytes, const ColumnStep* block, uint8_t* out,
                         int out_bytes, __mmask16 mask) {
  const __mmask64 readable = first_bytes(in_bytes);
  __m512i sources[steps];
  DigitSums weights[steps];
  for (int s = 0; s < steps; ++s) {
    sources[s] = _mm512_load_si512(block[s].source);
    weights[s] = {_mm512_load_si512(block[s].low), _mm512_load_si512(block[s].middle),
                  _mm512_load_si512(block[s].high)};
  }
  for (int y = 0; y < rows; ++y, in += in_bytes, out += out_bytes) {
    DigitSums sums = zero_sums();
    for (int s = 0; s < steps; ++s) {
      const __m512i bytes = _mm512_maskz_loadu_epi8(readable, in + block[s].offset);
      add_products(sums, _mm512_permutexvar_epi8(sources[s], bytes), weights[s]);
    }
    const __m512i positive = _mm512_max_epi32(rounded(sums), _mm512_setzero_si512());
    _mm_mask_storeu_epi8(out, mask, _mm512_cvtusepi32_epi8(positive));
  }
}

// A strip of rows stays in the first-level cache while the blocks of values go over it.
constexpr int kStrip = 16;

template <int steps>
void filter_strips(const uint8_t* in, int rows, int in_bytes, const ColumnStep* plan, uint8_t* out, int out_bytes) {
  for (int y = 0; y < rows; y += kStrip) {
    const int height = rows - y < kStrip ? rows - y : kStrip;
    const ColumnStep* block = plan;
    for (int x = 0; x < out_bytes; x += 16, block += steps)
      filter_block<steps>(in + int64_t{y} * in_bytes, height, in_bytes, block, out + int64_t{y} * out_bytes + x,
                          out_bytes, static_cast<__mmask16>(first_bytes(out_bytes - x)));
  }
}

void filter_columns(const uint8_t* in, int rows, int in_bytes, const ColumnStep* steps, int steps_per_block,
                    uint8_t* out, int out_bytes) {
  switch (steps_per_block) {  // a reach of 64 bytes leaves room for at most four
    case 1: return filter_strips<1>(in, rows, in_bytes, steps, out, out_bytes);
    case 2: return filter_strips<2>(in, rows, in_bytes, steps, out, out_bytes);
    case 3: return filter_strips<3>(in, rows, in_bytes, steps, out, out_bytes);
    case 4: return filter_strips<4>(in, rows, in_bytes, steps, out, out_bytes);
    default: return;
  }
}

// a / b for a reciprocal r of b: a product with one correction by the remainder, which a fused multiply-add computes
// without error (Markstein 1990). PatchExtractor checks that this is the quotient for all levels.
inline __m512 quotient(__m512 a, __m512 b, __m512 r) {
  const __m512 q = _mm512_mul_ps(a, r);
  return _mm512_fmadd_ps(_mm512_fnmadd_ps(q, b, a), r, q);
}

struct ChannelNorm {
  __m512i source;  // of the bytes of 16 pixels, those of this channel, each in the low byte of a 32-bit value
  __m512 mean, std, inverse_std;
};

void normalise(const uint8_t* pixels, int64_t stride, int side, const PixelLevels& norm, float* out) {
  constexpr int kPixels = 16;
  const __m512i first =
      _mm512_mullo_epi32(_mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0), _mm512_set1_epi32(3));
  ChannelNorm channels[3];
  for (int c = 0; c < 3; ++c)
    channels[c] = {_mm512_add_epi32(first, _mm512_set1_epi32(c)), _mm512_set1_ps(norm.mean[c]),
                   _mm512_set1_ps(norm.std[c]), _mm512_set1_ps(1.0f / norm.std[c])};
  const __m512 white = _mm512_set1_ps(255.0f), inverse_white = _mm512_set1_ps(1.0f / 255.0f);
  const int64_t area = int64_t{side} * side;
  for (int x = 0; x < side; x += kPixels) {
    const int count = side - x < kPixels ? side - x : kPixels;
    const __mmask64 readable = first_bytes(3 * count);
    const auto writable = static_cast<__mmask16>(first_bytes(count));
    for (int y = 0; y < side; ++y) {
      const __m512i bytes = _mm512_maskz_loadu_epi8(readable, pixels + y * stride + 3 * x);
      for (int c = 0; c < 3; ++c) {
        const ChannelNorm& channel = channels[c];
        const __m512i level = _mm512_maskz_permutexvar_epi8(0x1111111111111111, channel.source, bytes);
        const __m512 share = quotient(_mm512_cvtepi32_ps(level), white, inverse_white);
        const __m512 value = quotient(_mm512_sub_ps(share, channel.mean), channel.std, channel.inverse_std);
        _mm512_mask_storeu_ps(out + c * area + y * side + x, writable, value);
      }
    }
  }
}

}  // namespace

extern const PixelKernels kAvx512PixelKernels;
constinit const PixelKernels kAvx512PixelKernels{"avx512", filter_rows, filter_columns, normalise};

}  // namespace tessera
