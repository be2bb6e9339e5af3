// Matrix products on a serial BLAS, cut into pieces by problem size alone and run by the framework's own threads: so
// the same bits come out at any number of threads.
#pragma once

#include <cstdint>
#include <type_traits>

namespace tessera {

// C = alpha · op(A) · op(B) + beta · C, all row-major: op(A) is [m, k], op(B) [k, n], C [m, n]; op transposes where its
// flag says so. `ld*` are the distances between rows as the matrices lie in memory. With beta = 0, C's old contents
// are never read. Sizes of 0 are allowed; k = 0 leaves beta · C. C overlaps neither A nor B.
//
// The three products of a linear layer y = x Wᵀ (x [tokens, in], W [out, in]):
//   y  = x · Wᵀ    m = tokens, n = out, k = in,     transpose_b
//   dx = dy · W    m = tokens, n = in,  k = out
//   dW = dyᵀ · x   m = out,    n = in,  k = tokens, transpose_a
//
// Products of few terms in f32 are formed in f64 and rounded once (exact_sums.h). The others are f32 arithmetic,
// or, with precision `high` where that is faster, products of split operands (precision.h).
template <class T>
struct Gemm {
  int64_t m = 0, n = 0, k = 0;
  const T* a = nullptr;
  int64_t lda = 0;
  bool transpose_a = false;
  const T* b = nullptr;
  int64_t ldb = 0;
  bool transpose_b = false;
  T* c = nullptr;
  int64_t ldc = 0;
  T alpha = 1, beta = 0;
};

// A finished piece of C: rows [row_begin, row_end), columns [column_begin, column_end).
struct GemmTile {
  int64_t row_begin, row_end, column_begin, column_end;
};

// True if a product of these sizes in f32 is one of split operands now.
bool is_split_product(int64_t m, int64_t n, int64_t k);

namespace detail {
using TileFunction = void (*)(void* context, const GemmTile& tile);
template <class T>
void gemm(const Gemm<T>& product, TileFunction epilogue, void* context);
}  // namespace detail

// T = float or double. Throws if a size is beyond the BLAS's 32-bit integers.
template <class T>
void gemm(const Gemm<T>& product) {
  detail::gemm<T>(product, nullptr, nullptr);
}

// Calls epilogue(tile) once for every piece of C, on the thread that has just computed it, its rows still in cache.
template <class T, class Epilogue>
void gemm(const Gemm<T>& product, Epilogue&& epilogue) {
  using E = std::remove_reference_t<Epilogue>;
  detail::gemm<T>(
      product, [](void* context, const GemmTile& tile) { (*static_cast<E*>(context))(tile); },
      const_cast<void*>(static_cast<const void*>(&epilogue)));
}

// `count` products of the same sizes; those of item i start at a + offset_a[i], b + offset_b[i] and c + i · m · ldc.
template <class T>
void gemm_batched(const Gemm<T>& product, int64_t count, const int64_t* offset_a, const int64_t* offset_b);

}  // namespace tessera
