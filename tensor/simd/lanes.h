// Short vectors: GNU vector types, as wide as the machine's registers unless a width is named, and what is done with
// them. Lanes are added in a fixed order, so that a result depends on the width and on nothing else.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "tensor/activation.h"

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace tessera::simd {

#if defined(__AVX512F__)
inline constexpr int kVectorBytes = 64;
inline constexpr int kRegisters = 32;
#elif defined(__AVX__)
inline constexpr int kVectorBytes = 32;
inline constexpr int kRegisters = 16;
#else
inline constexpr int kVectorBytes = 16;
inline constexpr int kRegisters = 16;
#endif

template <class T, int bytes = kVectorBytes>
inline constexpr int kLanes = bytes / static_cast<int>(sizeof(T));

template <class T, int bytes>
struct VectorOf {
  typedef T type __attribute__((vector_size(bytes)));
  typedef T unaligned __attribute__((vector_size(bytes), aligned(alignof(T)), may_alias));
};
template <class T, int bytes = kVectorBytes>
using Vector = typename VectorOf<T, bytes>::type;

// As many integers as a vector has lanes, as wide as its elements: what comparisons give and shuffles take.
template <class T, int bytes = kVectorBytes>
using Mask = decltype(Vector<T, bytes>{} < Vector<T, bytes>{});

// bf16 to f32 and back, the same bits as the scalar conversions of tensor/dtype.h.
template <int lanes>
struct Bf16Lanes {
  using Halves = Vector<uint16_t, lanes* static_cast<int>(sizeof(uint16_t))>;
  using Words = Vector<uint32_t, lanes* static_cast<int>(sizeof(uint32_t))>;
  using Floats = Vector<float, lanes* static_cast<int>(sizeof(float))>;

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

// The elements from p on; bf16 is widened to f32, kLanes<float, bytes> of them.
template <int bytes = kVectorBytes, class T>
inline auto load(const T* p) {
  if constexpr (std::is_same_v<T, bf16>) {
    return Bf16Lanes<kLanes<float, bytes>>::load(p);
  } else {
    const Vector<T, bytes> v = *reinterpret_cast<const typename VectorOf<T, bytes>::unaligned*>(p);
    return v;
  }
}
// The first n elements, n < kLanes<A>, as a vector of A; zeros behind them.
template <class A, class T>
inline auto load_first(const T* p, int64_t n) {
  A lanes[kLanes<A>] = {};
  for (int64_t i = 0; i < n; ++i) lanes[i] = static_cast<A>(p[i]);
  return load(lanes);
}

// Writes a vector of any width, or a single number; to bf16, rounded.
template <class T, class Value>
inline void store(T* p, const Value& value) {
  if constexpr (std::is_arithmetic_v<Value>)
    *p = static_cast<T>(value);
  else if constexpr (std::is_same_v<T, bf16>)
    Bf16Lanes<static_cast<int>(sizeof(Value) / sizeof(float))>::store(p, value);
  else
    *reinterpret_cast<typename VectorOf<T, sizeof(Value)>::unaligned*>(p) = value;
}

template <class T, int bytes = kVectorBytes>
inline Vector<T, bytes> splat(T value) {
  return value - Vector<T, bytes>{};
}
template <class T, int bytes = kVectorBytes>
inline Vector<T, bytes> larger(Vector<T, bytes> a, Vector<T, bytes> b) {
  return a > b ? a : b;
}

namespace detail {

template <class T, int bytes>
inline constexpr auto kLaneNumbers = std::make_integer_sequence<int, kLanes<T, bytes>>{};

template <class T, int bytes, int... lane>
inline Mask<T, bytes> lane_numbers(std::integer_sequence<int, lane...>) {
  return Mask<T, bytes>{lane...};
}
// Lane i of the result is lane i ^ distance of v.
template <class T, int bytes, int distance, int... lane>
inline Vector<T, bytes> exchange(Vector<T, bytes> v, std::integer_sequence<int, lane...>) {
  return __builtin_shufflevector(v, v, (lane ^ distance)...);
}
template <class T, int bytes, int half = kLanes<T, bytes> / 2, class Combine>
inline T combine_lanes(Vector<T, bytes> v, Combine combine) {
  if constexpr (half == 0)
    return v[0];
  else
    return combine_lanes<T, bytes, half / 2>(combine(v, exchange<T, bytes, half>(v, kLaneNumbers<T, bytes>)), combine);
}

// Exchanges the elements of rows a and b = a + s of a block whose row and column numbers differ in bit s.
template <class T, int s, int... lane>
inline void exchange_rows(Vector<T>& a, Vector<T>& b, std::integer_sequence<int, lane...>) {
  const Vector<T> low = __builtin_shufflevector(a, b, (lane & s ? kLanes<T> + lane - s : lane)...);
  b = __builtin_shufflevector(a, b, (lane & s ? kLanes<T> + lane : lane + s)...);
  a = low;
}
template <class T, int s = 1>
inline void transpose_steps(Vector<T>* rows) {
#pragma GCC unroll 64
  for (int i = 0; i < kLanes<T>; ++i)
    if (!(i & s)) exchange_rows<T, s>(rows[i], rows[i + s], kLaneNumbers<T, kVectorBytes>);
  if constexpr (2 * s < kLanes<T>) transpose_steps<T, 2 * s>(rows);
}

}  // namespace detail

// True in the first n lanes.
template <class T>
inline Mask<T> first_lanes(int64_t n) {
  using Lane = decltype(Mask<T>{}[0] + 0);
  return detail::lane_numbers<T, kVectorBytes>(detail::kLaneNumbers<T, kVectorBytes>) <
         static_cast<Lane>(n < kLanes<T> ? n : kLanes<T>);
}

// Lanes are combined by halves: lane i and lane i + half, then a quarter, and so on.
template <class T, int bytes = kVectorBytes>
inline T sum_of_lanes(Vector<T, bytes> v) {
  return detail::combine_lanes<T, bytes>(v, [](Vector<T, bytes> a, Vector<T, bytes> b) { return a + b; });
}
template <class T, int bytes = kVectorBytes>
inline T largest_lane(Vector<T, bytes> v) {
  return detail::combine_lanes<T, bytes>(v, [](auto a, auto b) { return larger<T, bytes>(a, b); });
}

// A square block of kLanes rows, transposed in registers.
template <class T>
inline void transpose_block(Vector<T> (&rows)[kLanes<T>]) {
  detail::transpose_steps<T>(rows);
}

// n rounded up to whole vectors.
template <class T>
constexpr int64_t padded(int64_t n) {
  return (n + kLanes<T> - 1) / kLanes<T> * kLanes<T>;
}

}  // namespace tessera::simd
