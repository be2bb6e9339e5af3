// Row-strided matrices copied into memory of their own, padded with zeros to whole vectors, as simd::product wants
// them, and back. In memory of their own they have the type T of the arithmetic: bf16 is widened to f32, f32 to f64
// where the arithmetic is f64, and rounded on the way back.
#pragma once

#include <algorithm>

#include "tensor/activation.h"
#include "tensor/simd/lanes.h"

namespace tessera::simd {

namespace detail {

// A vector of T from the elements from p on, and to them.
template <class T, class E>
inline Vector<T> load_widened(const E* p) {
  if constexpr (std::is_same_v<T, Arithmetic<E>>)
    return load(p);
  else
    return __builtin_convertvector(load<kVectorBytes / 2>(p), Vector<T>);
}
template <class T, class E>
inline void store_rounded(E* p, const Vector<T>& value) {
  if constexpr (std::is_same_v<T, Arithmetic<E>>)
    store(p, value);
  else
    store(p, __builtin_convertvector(value, Vector<E, kVectorBytes / 2>));
}

}  // namespace detail

// to [n, padded width] = from's rows, zero in the padding.
template <class E, class T = Arithmetic<E>>
void pack_rows(const E* from, int64_t stride, int64_t n, int64_t width, T* to) {
  const int64_t whole = width / kLanes<T> * kLanes<T>, length = padded<T>(width);
  for (int64_t i = 0; i < n; ++i, from += stride, to += length) {
    for (int64_t d = 0; d < whole; d += kLanes<T>) store(to + d, detail::load_widened<T>(from + d));
    for (int64_t d = whole; d < width; ++d) to[d] = static_cast<T>(from[d]);
    for (int64_t d = width; d < length; ++d) to[d] = T{0};
  }
}

// to [width, padded n] = factor · fromᵀ, zero in the padding.
template <class E, class T = Arithmetic<E>>
void pack_transposed(const E* from, int64_t stride, int64_t n, int64_t width, T factor, T* to) {
  constexpr int64_t kBlock = kLanes<T>;
  const int64_t length = padded<T>(n);
  for (int64_t i = 0; i < n; i += kBlock)
    for (int64_t d = 0; d < width; d += kBlock) {
      Vector<T> block[kBlock];
      const int64_t columns = std::min(kBlock, width - d);
#pragma GCC unroll 16
      for (int64_t r = 0; r < kBlock; ++r) {
        const E* row = from + (i + r) * stride + d;
        block[r] = Vector<T>{};
        if (i + r >= n) continue;
        block[r] = (columns == kBlock ? detail::load_widened<T>(row) : load_first<T>(row, columns)) * factor;
      }
      transpose_block<T>(block);
#pragma GCC unroll 16
      for (int64_t c = 0; c < kBlock; ++c)
        if (c < columns) store(to + (d + c) * length + i, block[c]);
    }
}

// Rows of padded width → to's rows.
template <class E, class T = Arithmetic<E>>
void unpack_rows(const T* from, int64_t n, int64_t width, E* to, int64_t stride) {
  const int64_t whole = width / kLanes<T> * kLanes<T>, length = padded<T>(width);
  for (int64_t i = 0; i < n; ++i, from += length, to += stride) {
    for (int64_t d = 0; d < whole; d += kLanes<T>) detail::store_rounded<T>(to + d, load(from + d));
    for (int64_t d = whole; d < width; ++d) to[d] = static_cast<E>(from[d]);
  }
}

}  // namespace tessera::simd
