// bf16 to f32 and back on several lanes at once, for GNU vector types of any width. The same bits as the scalar
// conversions of tensor/dtype.h.
#pragma once

#include <cstring>

#include "tensor/dtype.h"

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace tessera {

namespace detail {
template <class T, int lanes>
using Lanes [[gnu::vector_size(lanes * sizeof(T))]] = T;
}

template <int lanes>
struct Bf16Lanes {
  using Halves = detail::Lanes<uint16_t, lanes>;
  using Words = detail::Lanes<uint32_t, lanes>;
  using Floats = detail::Lanes<float, lanes>;

  static Floats load(const bf16* p) {
    Halves halves;
    std::memcpy(&halves, p, sizeof halves);
    return reinterpret_cast<Floats>(widened(halves) << 16);
  }

  // The rounded number is the upper half of each word; what is in the lower half has no meaning.
  static Words round(Floats value) {
    const Words word = reinterpret_cast<Words>(value);
    const Words rounded = word + 0x7fffu + ((word >> 16) & 1u);
    return (word & 0x7fffffffu) > 0x7f800000u ? word | 0x400000u : rounded;  // NaN stays NaN
  }

  static void store(bf16* p, Floats value) {
    const Halves halves = narrowed(round(value) >> 16);
    std::memcpy(static_cast<void*>(p), &halves, sizeof halves);
  }

 private:
  // g++ 12 makes two conversions of half the width of the portable form. Masked, since it takes the registers that the
  // plain intrinsics leave undefined for forgotten ones.
  static Words widened(Halves halves) {
#if defined(__AVX512F__)
    if constexpr (lanes == 16)
      return reinterpret_cast<Words>(_mm512_maskz_cvtepu16_epi32(0xffff, reinterpret_cast<__m256i>(halves)));
    else
#endif
      return __builtin_convertvector(halves, Words);
  }
  static Halves narrowed(Words words) {
#if defined(__AVX512F__)
    if constexpr (lanes == 16)
      return reinterpret_cast<Halves>(_mm512_maskz_cvtepi32_epi16(0xffff, reinterpret_cast<__m512i>(words)));
    else
#endif
      return __builtin_convertvector(words, Halves);
  }
};

}  // namespace tessera
