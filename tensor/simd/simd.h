// Short vectors for the kernels that keep their sums in registers: GNU vector types as wide as the machine's registers,
// and the small matrix product that attention and optimal transport are made of. Lanes are added in a fixed order, so
// that a result depends on the machine's vector width and on nothing else.
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

#include "tensor/activation.h"
#include "tensor/simd/bf16_lanes.h"

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

template <class T>
inline constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(T));

template <class T>
struct VectorOf {
  typedef T type __attribute__((vector_size(kVectorBytes)));
  typedef T unaligned __attribute__((vector_size(kVectorBytes), aligned(alignof(T)), may_alias));
};
template <class T>
using Vector = typename VectorOf<T>::type;

template <class T>
inline Vector<T> load(const T* p) {
  return *reinterpret_cast<const typename VectorOf<T>::unaligned*>(p);
}
inline Vector<float> load(const bf16* p) { return Bf16Lanes<kLanes<float>>::load(p); }
// The first n elements, n < kLanes; zeros behind them.
template <class T>
inline Vector<T> load_first(const T* p, int64_t n) {
  T lanes[kLanes<T>] = {};
  for (int64_t i = 0; i < n; ++i) lanes[i] = p[i];
  return load(lanes);
}
inline Vector<float> load_first(const bf16* p, int64_t n) {
  float lanes[kLanes<float>] = {};
  for (int64_t i = 0; i < n; ++i) lanes[i] = static_cast<float>(p[i]);
  return load(lanes);
}
template <class T>
inline void store(T* p, Vector<T> v) {
  *reinterpret_cast<typename VectorOf<T>::unaligned*>(p) = v;
}
inline void store(bf16* p, Vector<float> v) { Bf16Lanes<kLanes<float>>::store(p, v); }
template <class T>
inline Vector<T> splat(T value) {
  return value - Vector<T>{};
}
template <class T>
inline Vector<T> larger(Vector<T> a, Vector<T> b) {
  return a > b ? a : b;
}

// As many integers as a vector has lanes, as wide as its elements: what comparisons give and shuffles take.
template <class T>
using Mask = decltype(Vector<T>{} < Vector<T>{});

namespace detail {

template <class T>
inline constexpr auto kLaneNumbers = std::make_integer_sequence<int, kLanes<T>>{};

template <class T, int... lane>
inline Mask<T> lane_numbers(std::integer_sequence<int, lane...>) {
  return Mask<T>{lane...};
}
// Lane i of the result is lane i ^ distance of v.
template <class T, int distance, int... lane>
inline Vector<T> exchange(Vector<T> v, std::integer_sequence<int, lane...>) {
  return __builtin_shufflevector(v, v, (lane ^ distance)...);
}
template <class T, int half = kLanes<T> / 2, class Combine>
inline T combine_lanes(Vector<T> v, Combine combine) {
  if constexpr (half == 0)
    return v[0];
  else
    return combine_lanes<T, half / 2>(combine(v, exchange<T, half>(v, kLaneNumbers<T>)), combine);
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
    if (!(i & s)) exchange_rows<T, s>(rows[i], rows[i + s], kLaneNumbers<T>);
  if constexpr (2 * s < kLanes<T>) transpose_steps<T, 2 * s>(rows);
}

}  // namespace detail

// True in the first n lanes.
template <class T>
inline Mask<T> first_lanes(int64_t n) {
  using Lane = decltype(Mask<T>{}[0] + 0);
  return detail::lane_numbers<T>(detail::kLaneNumbers<T>) < static_cast<Lane>(n < kLanes<T> ? n : kLanes<T>);
}

// Lanes are combined by halves.
template <class T>
inline T sum_of_lanes(Vector<T> v) {
  return detail::combine_lanes<T>(v, [](Vector<T> a, Vector<T> b) { return a + b; });
}
template <class T>
inline T largest_lane(Vector<T> v) {
  return detail::combine_lanes<T>(v, [](Vector<T> a, Vector<T> b) { return larger<T>(a, b); });
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

// Σ row[i], i < n.
template <class T>
inline T sum(const T* row, int64_t n) {
  Vector<T> lanes{};
  int64_t i = 0;
  for (; i + kLanes<T> <= n; i += kLanes<T>) lanes += load(row + i);
  T total = sum_of_lanes<T>(lanes);
  for (; i < n; ++i) total += row[i];
  return total;
}

// Σ a[i] b[i], i < n. Either may be bf16.
template <class A, class B, class T = Arithmetic<A>>
inline T dot(const A* a, const B* b, int64_t n) {
  Vector<T> lanes{};
  int64_t i = 0;
  for (; i + kLanes<T> <= n; i += kLanes<T>) lanes += load(a + i) * load(b + i);
  T total = sum_of_lanes<T>(lanes);
  for (; i < n; ++i) total += static_cast<T>(a[i]) * static_cast<T>(b[i]);
  return total;
}

// max row[i], i < n; -inf for n = 0.
template <class T>
inline Arithmetic<T> maximum(const T* row, int64_t n) {
  using A = Arithmetic<T>;
  Vector<A> lanes = splat(-std::numeric_limits<A>::infinity());
  int64_t i = 0;
  for (; i + kLanes<A> <= n; i += kLanes<A>) lanes = larger<A>(lanes, load(row + i));
  A most = largest_lane<A>(lanes);
  for (; i < n; ++i) most = most > static_cast<A>(row[i]) ? most : static_cast<A>(row[i]);
  return most;
}

// ---- A small product: C [m, n] = (add ? C : 0) + A [m, k] · B [k, n] ----
// Element (i, l) of A lies at a[i · a_row + l · a_column], so A may be a transposed view. B and C are row-major with
// row lengths ldb and ldc; n is rounded up to whole vectors, so their rows must be readable and writable up to there.

template <class T>
struct Operand {
  const T* data;
  int64_t row, column;
};

namespace detail {

// Rows and vectors of C that stay in registers: kRows · kColumns sums, kColumns of B and one of A. A product with one
// column of vectors takes twice the rows: fewer sums than that leave the multipliers waiting for each other.
inline constexpr int kRows = kRegisters == 32 ? 6 : 4;
inline constexpr int kColumns = kRegisters == 32 ? 4 : 2;

template <class T, int rows, int columns>
inline void product_block(const T* a, int64_t a_row, int64_t a_column, const T* b, int64_t ldb, T* c, int64_t ldc,
                          int64_t k, bool add) {
  Vector<T> sums[rows][columns];
#pragma GCC unroll 16
  for (int i = 0; i < rows; ++i)
#pragma GCC unroll 8
    for (int j = 0; j < columns; ++j) sums[i][j] = Vector<T>{};
  for (int64_t l = 0; l < k; ++l) {
    Vector<T> right[columns];
#pragma GCC unroll 8
    for (int j = 0; j < columns; ++j) right[j] = load(b + l * ldb + j * kLanes<T>);
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) {
      const Vector<T> left = splat(a[i * a_row + l * a_column]);
#pragma GCC unroll 8
      for (int j = 0; j < columns; ++j) sums[i][j] += left * right[j];
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < rows; ++i)
#pragma GCC unroll 8
    for (int j = 0; j < columns; ++j) {
      T* to = c + i * ldc + j * kLanes<T>;
      store(to, add ? load(to) + sums[i][j] : sums[i][j]);
    }
}

template <class T, int rows>
void product_rows(const T* a, int64_t a_row, int64_t a_column, const T* b, int64_t ldb, T* c, int64_t ldc, int64_t n,
                  int64_t k, bool add) {
  int64_t vectors = padded<T>(n) / kLanes<T>;
  for (; vectors >= kColumns; vectors -= kColumns) {
    product_block<T, rows, kColumns>(a, a_row, a_column, b, ldb, c, ldc, k, add);
    b += kColumns * kLanes<T>;
    c += kColumns * kLanes<T>;
  }
  if constexpr (kColumns == 4) {
    if (vectors == 3) return product_block<T, rows, 3>(a, a_row, a_column, b, ldb, c, ldc, k, add);
    if (vectors == 2) return product_block<T, rows, 2>(a, a_row, a_column, b, ldb, c, ldc, k, add);
  }
  if (vectors == 1) product_block<T, rows, 1>(a, a_row, a_column, b, ldb, c, ldc, k, add);
}

}  // namespace detail

template <class T>
void product(Operand<T> a, const T* b, int64_t ldb, T* c, int64_t ldc, int64_t m, int64_t n, int64_t k, bool add) {
  using namespace detail;
  int64_t i = 0;
  const auto rows = [&](auto count) {
    product_rows<T, decltype(count)::value>(a.data + i * a.row, a.row, a.column, b, ldb, c + i * ldc, ldc, n, k, add);
    i += decltype(count)::value;
  };
  if (n <= kLanes<T>) {
    for (; i + 2 * kRows <= m; i += 2 * kRows)
      product_block<T, 2 * kRows, 1>(a.data + i * a.row, a.row, a.column, b, ldb, c + i * ldc, ldc, k, add);
  }
  while (i + kRows <= m) rows(std::integral_constant<int, kRows>{});
  if constexpr (kRows == 6) {
    if (m - i >= 4) rows(std::integral_constant<int, 4>{});
  }
  if (m - i >= 2) rows(std::integral_constant<int, 2>{});
  while (i < m) rows(std::integral_constant<int, 1>{});
}

}  // namespace tessera::simd
