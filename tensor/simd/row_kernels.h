// Building blocks of the kernels that work on rows: sums over a row in vector lanes, and sums over all rows of a matrix
// in fixed chunks. The order of every sum depends on sizes alone.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "tensor/activation.h"
#include "tensor/simd/bf16_lanes.h"
#include "tensor/parallel.h"
#include "tensor/tensor.h"

namespace tessera::ops {

template <class T>
inline constexpr int64_t kVectorLanes = 64 / sizeof(T);

// A vector of kVectorLanes<T> numbers; arithmetic and comparison are elementwise, scalars are broadcast.
template <class T>
using Vector [[gnu::vector_size(64)]] = T;

// Both loads widen bf16 to f32.
struct LoadVector {
  Vector<float> operator()(const bf16* p) const { return Bf16Lanes<kVectorLanes<float>>::load(p); }
  template <class T>
  auto operator()(const T* p) const {  // named in the signature, a vector of bf16 would be an error
    Vector<T> v;
    std::memcpy(&v, p, sizeof v);
    return v;
  }
};
struct LoadScalar {
  float operator()(const bf16* p) const { return static_cast<float>(*p); }
  template <class T>
  T operator()(const T* p) const {
    return *p;
  }
};
// Writes a vector or a single number; to bf16, rounded.
template <class T, class Value>
inline void store(T* p, const Value& value) {
  std::memcpy(p, &value, sizeof value);
}
inline void store(bf16* p, float value) { *p = bf16(value); }
inline void store(bf16* p, const Vector<float>& value) { Bf16Lanes<kVectorLanes<float>>::store(p, value); }

// The sum of the lanes, in halves: lane i and lane i + half, then a quarter, and so on.
template <class T>
inline T sum_of_lanes(Vector<T> v) {
  using Index [[gnu::vector_size(64)]] = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
  if constexpr (sizeof(T) == 4) {
    v += __builtin_shuffle(v, Index{8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7});
    v += __builtin_shuffle(v, Index{4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3});
    v += __builtin_shuffle(v, Index{2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1});
    v += __builtin_shuffle(v, Index{1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0});
  } else {
    v += __builtin_shuffle(v, Index{4, 5, 6, 7, 0, 1, 2, 3});
    v += __builtin_shuffle(v, Index{2, 3, 0, 1, 2, 3, 0, 1});
    v += __builtin_shuffle(v, Index{1, 0, 1, 0, 1, 0, 1, 0});
  }
  return v[0];
}

// N sums over a row at once. terms(load, i, sums) adds its terms at i to sums[0 .. N): for i in steps of a vector with
// a load of vectors, then for the last elements one by one with a load of scalars.
template <class T, size_t N, class F>
inline std::array<T, N> row_sums(int64_t n, F&& terms) {
  constexpr int64_t kLanes = kVectorLanes<T>;
  Vector<T> even[N] = {}, odd[N] = {};
  int64_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    terms(LoadVector{}, i, even);
    terms(LoadVector{}, i + kLanes, odd);
  }
  if (i + kLanes <= n) {
    terms(LoadVector{}, i, even);
    i += kLanes;
  }
  std::array<T, N> sums;
  for (size_t k = 0; k < N; ++k) sums[k] = sum_of_lanes<T>(even[k] + odd[k]);
  for (; i < n; ++i) terms(LoadScalar{}, i, sums);
  return sums;
}

// Calls body(load, i) for i in steps of a vector, then for single elements with a scalar load.
template <class T, class F>
inline void for_row(int64_t n, F&& body) {
  int64_t i = 0;
  for (; i + kVectorLanes<T> <= n; i += kVectorLanes<T>) body(LoadVector{}, i);
  for (; i < n; ++i) body(LoadScalar{}, i);
}

// How many rows make a chunk: about 8 thousand elements, but at least 32 rows, so that what a chunk costs by itself
// does not matter, and at most 256 chunks. A multiple of four chunks divides evenly among the usual numbers of threads.
inline int64_t chunk_rows(int64_t rows, int64_t row_elements) {
  constexpr int64_t kElements = 8192, kRows = 32, kChunks = 256;
  int64_t chunks = std::min({rows * std::max<int64_t>(1, row_elements) / kElements, rows / kRows, kChunks});
  chunks = chunks >= 4 ? chunks / 4 * 4 : std::max<int64_t>(1, chunks);
  return std::max<int64_t>(1, (rows + chunks - 1) / chunks);
}

// Sums over the rows of a matrix: rows are taken in chunks, each with a partial sum of `width` numbers of its own, and
// the partial sums are added in chunk order.
template <class T>
class RowSums {
 public:
  RowSums(int64_t rows, int64_t row_elements, int64_t width)
      : rows_(rows), width_(width), chunk_rows_(chunk_rows(rows, row_elements)),
        chunks_((rows + chunk_rows_ - 1) / chunk_rows_) {
    partial_ = Tensor::empty({chunks_, width}, dtype_of<T>::value);
  }

  // body(begin, end, partial): adds rows [begin, end) to partial [width], which starts as zeros.
  template <class Body>
  void run(Body&& body) {
    T* partial = partial_.mutable_data<T>();
    parallel_chunks(chunks_, [&](int64_t chunk) {
      T* own = partial + chunk * width_;
      std::fill(own, own + width_, T{0});
      const int64_t begin = chunk * chunk_rows_;
      body(begin, std::min(rows_, begin + chunk_rows_), own);
    });
  }

  // Entries [first, first + count) of the total go to `out`, or are added to it.
  void write(T* out, int64_t first, int64_t count, bool accumulate) const {
    const T* partial = partial_.data<T>();
    parallel_for(count, std::max<int64_t>(64, grain_for(chunks_)), [=, this](int64_t begin, int64_t end) {
      if (!accumulate) std::fill(out + begin, out + end, T{0});
      for (int64_t chunk = 0; chunk < chunks_; ++chunk) {
        const T* from = partial + chunk * width_ + first;
        for (int64_t i = begin; i < end; ++i) out[i] += from[i];
      }
    });
  }

 private:
  int64_t rows_, width_, chunk_rows_, chunks_;
  Tensor partial_;
};

}  // namespace tessera::ops
