// Products on the BLAS, by the calling thread.
#pragma once

#include "tensor/gemm/gemm.h"
#include "tensor/tensor.h"

namespace tessera::detail {

// The part of `g` that computes `tile` from the terms [begin, end) of k.
template <class T>
Gemm<T> part(Gemm<T> g, const GemmTile& tile, int64_t begin, int64_t end) {
  g.a += g.transpose_a ? begin * g.lda + tile.row_begin : tile.row_begin * g.lda + begin;
  g.b += g.transpose_b ? tile.column_begin * g.ldb + begin : begin * g.ldb + tile.column_begin;
  g.c += tile.row_begin * g.ldc + tile.column_begin;
  g.m = tile.row_end - tile.row_begin;
  g.n = tile.column_end - tile.column_begin;
  g.k = end - begin;
  return g;
}

// Throws if a size is negative or beyond the BLAS's 32-bit integers.
template <class T>
void check_sizes(const Gemm<T>& g);

// A product on this thread. Where the BLAS can do without packing, it is cut into strips that are small enough, of rows
// or, for aᵀ · b, of terms, unless they were so thin that nothing is won (measured).
template <class T>
void blas_product(const Gemm<T>& g);

// True if the transposed right operand is so small and its rows are used so often that it is worth a transposed copy,
// with which the kernels without packing can be used.
template <class T>
bool worth_transposing(const Gemm<T>& g);
// That copy: b [n, k] → [k, n], whose rows may lie further apart than n elements.
template <class T>
Tensor transposed_right(const Gemm<T>& g);

}  // namespace tessera::detail
