// The small matrix product that attention and optimal transport are made of; its sums stay in registers.
#pragma once

#include <cstdint>
#include <type_traits>

#include "tensor/simd/lanes.h"

namespace tessera::simd {

// C [m, n] = (add ? C : 0) + A [m, k] · B [k, n].
//
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
