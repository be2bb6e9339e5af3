#include "data/images/pixel_kernels.h"

#include <algorithm>

#include "tensor/gemm/packed/instruction_set.h"

namespace tessera {

#ifdef TESSERA_AVX512_PIXELS
extern const PixelKernels kAvx512PixelKernels;  // pixel_kernels_avx512.cpp
#endif

namespace {

// Bytes that one inner loop works on: four vectors of 16 sums in 32 bits.
constexpr int kBlock = 64;

// out[y] = clamp((1/2 + sum_j weights[j] in[j * stride + y]) in units of 2^-22) for y < length. `length` is a constant
// after inlining in the case that matters, so that the sums stay in registers.
inline void weighted_rows(const uint8_t* in, int64_t stride, const int32_t* weights, int count, int length,
                          uint8_t* out) {
  int32_t sums[kBlock];
  for (int y = 0; y < length; ++y) sums[y] = 1 << (kFilterWeightBits - 1);
  for (int j = 0; j < count; ++j) {
    const int32_t weight = weights[j];
    const uint8_t* row = in + j * stride;
    for (int y = 0; y < length; ++y) sums[y] += weight * row[y];
  }
  for (int y = 0; y < length; ++y) out[y] = static_cast<uint8_t>(std::clamp(sums[y] >> kFilterWeightBits, 0, 255));
}

void filter_rows(const uint8_t* in, int64_t in_stride, int length, const Filter::Window* windows, int outputs,
                 const int32_t* all_weights, uint8_t* out, int64_t out_stride) {
  for (int i = 0; i < outputs; ++i, out += out_stride) {
    const uint8_t* first = in + windows[i].first * in_stride;
    const int32_t* weights = all_weights + windows[i].weights;
    const int count = windows[i].count;
    int y = 0;
    for (; y + kBlock <= length; y += kBlock) weighted_rows(first + y, in_stride, weights, count, kBlock, out + y);
    if (y < length && length >= kBlock) {  // the last block overlaps the one before and repeats some of its results
      y = length - kBlock;
      weighted_rows(first + y, in_stride, weights, count, kBlock, out + y);
    } else if (y < length) {
      weighted_rows(first, in_stride, weights, count, length, out);
    }
  }
}

void normalise(const uint8_t* pixels, int64_t stride, int side, const PixelLevels& norm, float* out) {
  const int64_t area = int64_t{side} * side;
  for (int y = 0; y < side; ++y, pixels += stride, out += side)
    for (int x = 0; x < side; ++x)
      for (int c = 0; c < 3; ++c) out[c * area + x] = norm.levels[c][pixels[3 * x + c]];
}

constexpr PixelKernels kPortable{"portable", filter_rows, nullptr, normalise};

}  // namespace

const PixelKernels& portable_pixel_kernels() { return kPortable; }

std::vector<const PixelKernels*> usable_pixel_kernels() {
  std::vector<const PixelKernels*> usable{&kPortable};
#ifdef TESSERA_AVX512_PIXELS
  if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vnni"))
    usable.push_back(&kAvx512PixelKernels);
#endif
  return usable;
}

const PixelKernels& pixel_kernels() {
  static const PixelKernels& fastest = *usable_pixel_kernels().back();
  return instruction_set() >= InstructionSet::avx512 ? fastest : kPortable;
}

}  // namespace tessera
