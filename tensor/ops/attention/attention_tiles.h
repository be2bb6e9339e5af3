// What the attention kernels share: the checked problem, and tiles of one head packed into a thread's scratch memory.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "tensor/activation.h"
#include "tensor/ops/dropout_mask.h"
#include "tensor/ops/scratch.h"
#include "tensor/simd/packing.h"
#include "tensor/simd/reductions.h"
#include "tensor/simd/small_product.h"
#include "tensor/simd/vector_math.h"

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
  Rows from(int64_t row, int64_t column) const { return {at(row, column), stride}; }
};

struct Sizes {
  std::span<const int64_t> cu_queries, cu_keys;
  int64_t heads, head_size;
  bool causal;
  DropoutMask dropout;

  int64_t sequences() const { return static_cast<int64_t>(cu_queries.size()) - 1; }
  int64_t queries(int64_t s) const { return cu_queries[s + 1] - cu_queries[s]; }
  int64_t keys(int64_t s) const { return cu_keys[s + 1] - cu_keys[s]; }
  // How many keys query i of sequence s sees: they are its first ones.
  int64_t visible(int64_t s, int64_t i) const {
    return causal ? std::clamp<int64_t>(i + 1 + keys(s) - queries(s), 0, keys(s)) : keys(s);
  }
  double scale() const { return 1 / std::sqrt(static_cast<double>(head_size)); }
};

// One head of one sequence, and a block of its queries.
struct Unit {
  int64_t sequence, head, query, queries;
};

// What backward reads and writes.
template <class E>
struct BackwardRows {
  Rows<const E> dout, q, k, v, out;
  const Arithmetic<E>* log_sum_exp;
  Rows<E> dq, dk, dv;
};

// A whole tile at a time, [rows, length], so that the loop is long.
template <class T>
void exponentials(T* scores, int64_t rows, int64_t length) {
  for (int64_t j = 0; j < rows * length; ++j) scores[j] = vmath::exp(scores[j]);
}

// row -= shift in the first `visible` elements, 0 behind them.
template <class T>
void subtract(T* row, int64_t visible, int64_t length, T shift) {
  for (int64_t j = 0; j < length; j += simd::kLanes<T>) {
    const simd::Vector<T> zero{}, v = simd::load(row + j) - shift;
    simd::store(row + j, simd::first_lanes<T>(visible - j) ? v : zero);
  }
}

// The largest of the first `visible` elements.
template <class T>
T largest(const T* row, int64_t visible) {
  const simd::Vector<T> none = simd::splat(-std::numeric_limits<T>::infinity());
  simd::Vector<T> lanes = none;
  for (int64_t j = 0; j < visible; j += simd::kLanes<T>) {
    const simd::Vector<T> v = simd::load(row + j);
    lanes = simd::larger<T>(lanes, simd::first_lanes<T>(visible - j) ? v : none);
  }
  return simd::largest_lane<T>(lanes);
}

// Clears what lies behind the first `visible` elements and returns the sum.
template <class T>
T clear_and_sum(T* row, int64_t visible, int64_t length) {
  simd::Vector<T> lanes{};
  for (int64_t j = 0; j < length; j += simd::kLanes<T>) {
    const simd::Vector<T> zero{}, v = simd::first_lanes<T>(visible - j) ? simd::load(row + j) : zero;
    simd::store(row + j, v);
    lanes += v;
  }
  return simd::sum_of_lanes<T>(lanes);
}

}  // namespace tessera::ops::attention_detail
