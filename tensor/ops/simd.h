// Short vectors for the kernels that keep their sums in registers: GNU vector types as wide as the machine's registers,
// and the small matrix product that attention and optimal transport are made of. Lanes are added in a fixed order, so
// that a result depends on the machine's vector width and on nothing else.
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>

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
template <class T>
inline void store(T* p, Vector<T> v) {
  *reinterpret_cast<typename VectorOf<T>::unaligned*>(p) = v;
}
template <class T>
inline Vector<T> splat(T value) {
  return value - Vector<T>{};
}
template <class T>
inline Vector<T> larger(Vector<T> a, Vector<T> b) {
  return a > b ? a : b;
}

// Lanes 0 + 1 + 2 + ..., by halves.
template <class T>
inline T sum_of_lanes(Vector<T> v) {
  T lanes[kLanes<T>];
  store(lanes, v);
  for (int half = kLanes<T> / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  return lanes[0];
}
template <class T>
inline T largest_lane(Vector<T> v) {
  T lanes[kLanes<T>];
  store(lanes, v);
  for (int half = kLanes<T> / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) lanes[i] = lanes[i] > lanes[i + half] ? lanes[i] : lanes[i + half];
  return lanes[0];
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

// Σ a[i] b[i], i < n.
template <class T>
inline T dot(const T* a, const T* b, int64_t n) {
  Vector<T> lanes{};
  int64_t i = 0;
  for (; i + kLanes<T> <= n; i += kLanes<T>) lanes += load(a + i) * load(b + i);
  T total = sum_of_lanes<T>(lanes);
  for (; i < n; ++i) total += a[i] * b[i];
  return total;
}

// max row[i], i < n; -inf for n = 0.
template <class T>
inline T maximum(const T* row, int64_t n) {
  Vector<T> lanes = splat(-std::numeric_limits<T>::infinity());
  int64_t i = 0;
  for (; i + kLanes<T> <= n; i += kLanes<T>) lanes = larger<T>(lanes, load(row + i));
  T most = largest_lane<T>(lanes);
  for (; i < n; ++i) most = most > row[i] ? most : row[i];
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

// Rows and vectors of C that stay in registers: kRows · kColumns sums, kColumns of B and one of A.
inline constexpr int kRows = kRegisters == 32 ? 6 : 4;
inline constexpr int kColumns = kRegisters == 32 ? 4 : 2;

template <class T, int rows, int columns>
inline void product_block(const T* a, int64_t a_row, int64_t a_column, const T* b, int64_t ldb, T* c, int64_t ldc,
                          int64_t k, bool add) {
  Vector<T> sums[rows][columns];
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < columns; ++j) sums[i][j] = add ? load(c + i * ldc + j * kLanes<T>) : Vector<T>{};
  for (int64_t l = 0; l < k; ++l) {
    Vector<T> right[columns];
    for (int j = 0; j < columns; ++j) right[j] = load(b + l * ldb + j * kLanes<T>);
    for (int i = 0; i < rows; ++i) {
      const Vector<T> left = splat(a[i * a_row + l * a_column]);
      for (int j = 0; j < columns; ++j) sums[i][j] += left * right[j];
    }
  }
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < columns; ++j) store(c + i * ldc + j * kLanes<T>, sums[i][j]);
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
  while (i + kRows <= m) rows(std::integral_constant<int, kRows>{});
  if constexpr (kRows == 6) {
    if (m - i >= 4) rows(std::integral_constant<int, 4>{});
  }
  if (m - i >= 2) rows(std::integral_constant<int, 2>{});
  while (i < m) rows(std::integral_constant<int, 1>{});
}

}  // namespace tessera::simd
