// What the attention kernels share: the checked problem, and tiles of one head packed into a thread's scratch memory.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>

#include "tensor/ops/scratch.h"
#include "tensor/ops/simd.h"
#include "tensor/ops/vector_math.h"

namespace tessera::ops::attention_detail {

// Sizes of what is worked on at a time: a block of keys (and values) stays in the second-level cache, a tile of scores
// in the first.
inline constexpr int64_t kQueryBlock = 256;
inline constexpr int64_t kForwardKeys = 256;
inline constexpr int64_t kForwardTile = 24;
inline constexpr int64_t kBackwardKeys = 128;
inline constexpr int64_t kBackwardTile = 64;

// Row-strided [rows, heads · head size].
template <class T>
struct Rows {
  T* data;
  int64_t stride;

  T* at(int64_t row, int64_t column) const { return data + row * stride + column; }
};

struct Sizes {
  std::span<const int64_t> cu_queries, cu_keys;
  int64_t heads, head_size;
  bool causal;

  int64_t sequences() const { return static_cast<int64_t>(cu_queries.size()) - 1; }
  int64_t queries(int64_t s) const { return cu_queries[s + 1] - cu_queries[s]; }
  int64_t keys(int64_t s) const { return cu_keys[s + 1] - cu_keys[s]; }
  // How many keys query i of sequence s sees: they are its first ones.
  int64_t visible(int64_t s, int64_t i) const {
    return causal ? std::clamp<int64_t>(i + 1 + keys(s) - queries(s), 0, keys(s)) : keys(s);
  }
  double scale() const { return 1 / std::sqrt(static_cast<double>(head_size)); }
};

// to [n, padded width] = from's rows, zero in the padding.
template <class T>
void pack_rows(const T* from, int64_t stride, int64_t n, int64_t width, T* to) {
  const int64_t whole = width / simd::kLanes<T> * simd::kLanes<T>, length = simd::padded<T>(width);
  for (int64_t i = 0; i < n; ++i, from += stride, to += length) {
    for (int64_t d = 0; d < whole; d += simd::kLanes<T>) simd::store(to + d, simd::load(from + d));
    for (int64_t d = whole; d < width; ++d) to[d] = from[d];
    for (int64_t d = width; d < length; ++d) to[d] = T{0};
  }
}

// to [width, padded n] = factor · fromᵀ, zero in the padding.
template <class T>
void pack_transposed(const T* from, int64_t stride, int64_t n, int64_t width, T factor, T* to) {
  const int64_t length = simd::padded<T>(n);
  for (int64_t d = 0; d < width; ++d) {
    T* row = to + d * length;
    for (int64_t i = 0; i < n; ++i) row[i] = factor * from[i * stride + d];
    for (int64_t i = n; i < length; ++i) row[i] = T{0};
  }
}

// row = exp(row - shift) on the first `visible` elements, zero up to `length` (whole vectors).
template <class T>
void exponentials(T* row, int64_t visible, int64_t length, T shift) {
  const int64_t used = simd::padded<T>(visible);
  for (int64_t j = 0; j < used; ++j) row[j] = vmath::exp(row[j] - shift);
  for (int64_t j = visible; j < length; ++j) row[j] = T{0};
}

}  // namespace tessera::ops::attention_detail
