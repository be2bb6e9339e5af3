// Matrix products of bf16 operands with f32 sums, and of f32 operands split in two bf16 each: our own kernels, chosen
// by what the processor has (instruction_set.h). Products in f32 and f64 proper are in tensor/gemm/gemm.h.
//
// ## Accuracy
//
// bf16: products of two bf16 are exact in f32. All kernels sum in f32, in an order that depends on the instruction set
// and on k alone: the bits of a result are those of any number of threads, and of the same row in a product with other
// rows. Between instruction sets the bits differ: f32 sums rounded after each term (portable, avx2, avx512: fused),
// after each of a pair (vdpbf16ps, AMX). For each, with u = 2⁻²⁴,
//
//   |C - exact| <= (k + 3) u Σ |a| |b|  +  2⁻¹²⁶ (k + Σ (|a| + |b|)).
//
// The second term: vdpbf16ps and AMX take operands and sums below 2⁻¹²⁶ in magnitude (denormals) for zero. A bf16
// result is rounded once more, to nearest even. Infinities and NaN in operands give infinities or NaN, not always the
// same ones.
//
// split: x = h + l + r with |l| <= 2⁻⁸ |x|, |r| <= 2⁻¹⁶ |x| (bf16 has 8 bits: rounding to nearest errs by up to 2⁻⁸ of
// the number; then by 2⁻⁸ of the rest, whose sum of errors is 2⁻¹⁶). Of (h + l + r)(h' + l' + r') the sum h h' + h l' +
// l h' leaves out l l', x r' and r x', so an element errs by up to 3 · 2⁻¹⁶ Σ |a| |b| = 4.6·10⁻⁵ Σ |a| |b|, and the
// f32 sums of 3 k terms. These errors have either sign, and are mostly smaller: of normally distributed numbers, l has
// a root mean square of 1.7·10⁻³ of that of x, and r 2.5·10⁻⁶ (l is uniform between ± half a unit of h's last place, r
// likewise for l, and half of all l need the largest unit, a quarter half of that, and so on). So l l' errs by 2.8·10⁻⁶
// and x r' and r x' by 2.5·10⁻⁶ each, in all 4.4·10⁻⁶ of a product's root mean square; as errors and terms of
// independent data add up alike, it is the same for their sums. Magnitudes beyond 3.389·10³⁸ (the largest bf16)
// overflow; below 10⁻³³ the low part begins to vanish, below 2⁻¹²⁶ all may.
#pragma once

#include <cstdint>
#include <type_traits>

#include "tensor/dtype.h"
#include "tensor/gemm/gemm.h"
#include "tensor/gemm/packed/packed_matrix.h"

namespace tessera {

// A matrix in memory, row-major, rows `ld` apart; op(X) = Xᵀ if `transpose`.
struct ProductOperand {
  const void* data = nullptr;
  DType dtype = DType::bf16;  // or f32: rounded to bf16, or split, on the way
  int64_t ld = 0;
  bool transpose = false;
};

// C = op(left) · op(right), or C += with `accumulate`; op(left) [m, k], op(right) [k, n], C [m, n] bf16 or f32. Sizes
// of 0 are allowed; k = 0 is a product of zeros. The three products of a linear layer y = x Wᵀ (x [tokens, in], W [out,
// in]):
//
//   y  = x · Wᵀ    left x,             right W transposed, or packed with transpose = true
//   dx = dy · W    left dy,            right W,            or packed with transpose = false
//   dW = dyᵀ · x   left dy transposed, right x
struct Product {
  int64_t m = 0, n = 0, k = 0;
  ProductOperand left;
  ProductOperand right;  // not looked at if there is a packed one
  const PackedMatrix* packed_right = nullptr;
  PackedForm form = PackedForm::bf16;  // split: f32 operands, precision `high`
  void* c = nullptr;                   // null: the epilogue takes the results
  DType c_dtype = DType::f32;
  int64_t ldc = 0;
  bool accumulate = false;
};

// A finished piece of the product: its f32 values, old contents of C included where they count, in cache. What the
// epilogue leaves there is then stored in C.
struct ProductTile : GemmTile {
  float* values;  // [row_end - row_begin, column_end - column_begin], rows `ld` apart, 64-byte aligned
  int64_t ld;     // the columns are a multiple of 16 apart from each other's tiles, except for the last
};

namespace detail {
using ProductEpilogue = void (*)(void* context, const ProductTile& tile);
void multiply(const Product& product, ProductEpilogue epilogue, void* context);
}  // namespace detail

// Throws if sizes are negative, dtypes are not as above, or a packed operand has other sizes or another form.
inline void multiply(const Product& product) { detail::multiply(product, nullptr, nullptr); }

// Calls epilogue(tile) once for every piece of C, on the thread that has just computed it.
template <class Epilogue>
void multiply(const Product& product, Epilogue&& epilogue) {
  using E = std::remove_reference_t<Epilogue>;
  detail::multiply(
      product, [](void* context, const ProductTile& tile) { (*static_cast<E*>(context))(tile); },
      const_cast<void*>(static_cast<const void*>(&epilogue)));
}

// `count` products of the same sizes; the operands of item i start offset_left[i] and offset_right[i] elements later, C
// i · m · ldc elements. A packed right operand serves all items (offset_right is then not looked at).
void multiply_batched(const Product& product, int64_t count, const int64_t* offset_left, const int64_t* offset_right);

}  // namespace tessera
