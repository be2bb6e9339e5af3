// The three products of a linear layer for every type of activation T, with an epilogue for each finished piece:
//
//   f64, f32   tensor/gemm/gemm.h, in place; f32 in precision `high` with the weight's packed split copy
//   bf16       tensor/gemm/packed, with the weight's packed copy, f32 sums, rounded when the epilogue is done
//
// Weights, their gradients and everything that an epilogue sees have the arithmetic type: f32 beside bf16.
#pragma once

#include <algorithm>

#include "tensor/activation.h"
#include "tensor/gemm/gemm.h"
#include "tensor/gemm/packed/product.h"
#include "tensor/gemm/packed/weight_copies.h"
#include "tensor/ops/matrix_operand.h"

namespace tessera::ops {

// A finished piece of a product. What the epilogue leaves in `values` is the result.
template <class A>
struct LinearTile : GemmTile {
  A* values;   // [row_end - row_begin, column_end - column_begin]
  int64_t ld;  // from row to row

  A* row(int64_t i) const { return values + (i - row_begin) * ld; }  // i counts as row_begin does
  int64_t columns() const { return column_end - column_begin; }
};

struct NoEpilogue {
  template <class Tile>
  void operator()(const Tile&) const {}
};

namespace detail {

// out = left · op(weight) on packed copies.
template <class T, class Epilogue>
void packed_product(const MatrixOperand& left, int64_t rows, const Tensor& weight, bool transpose, PackedForm form,
                    Tensor& out, Epilogue& epilogue) {
  const Tensor plain = weight.stride(1) == 1 || weight.size(1) <= 1 ? weight : weight.contiguous();
  const auto packed = packed_weight(plain, transpose, form);
  const Product product{.m = rows,
                        .n = packed->n(),
                        .k = packed->k(),
                        .left = {.data = left.tensor.data<T>(), .dtype = dtype_of<T>::value, .ld = left.ld},
                        .right = {},
                        .packed_right = packed.get(),
                        .form = form,
                        .c = out.mutable_data<T>(),
                        .c_dtype = dtype_of<T>::value,
                        .ldc = std::max<int64_t>(1, packed->n())};
  multiply(product, [&](const ProductTile& tile) { epilogue(LinearTile<float>{tile, tile.values, tile.ld}); });
}

template <class T, class Epilogue>
void weight_product(const Tensor& left_any, const Tensor& weight, bool transpose, Tensor& out, Epilogue& epilogue) {
  const MatrixOperand left = rows_operand(left_any);
  const int64_t rows = row_count(left_any), n = weight.size(transpose ? 0 : 1), k = weight.size(transpose ? 1 : 0);
  if constexpr (std::is_same_v<T, bf16>) {
    packed_product<T>(left, rows, weight, transpose, PackedForm::bf16, out, epilogue);
  } else {
    if constexpr (std::is_same_v<T, float>)
      if (is_split_product(rows, n, k))
        return packed_product<T>(left, rows, weight, transpose, PackedForm::split, out, epilogue);
    const MatrixOperand right = matrix_operand(weight);
    T* c = out.mutable_data<T>();
    const int64_t ldc = std::max<int64_t>(1, n);
    gemm<T>({.m = rows,
             .n = n,
             .k = k,
             .a = left.tensor.data<T>(),
             .lda = left.ld,
             .b = right.tensor.data<T>(),
             .ldb = right.ld,
             .transpose_b = right.transpose != transpose,
             .c = c,
             .ldc = ldc},
            [&](const GemmTile& tile) {
              epilogue(LinearTile<T>{tile, c + tile.row_begin * ldc + tile.column_begin, ldc});
            });
  }
}

}  // namespace detail

inline Shape with_last(Shape shape, int64_t last) {
  shape[shape.dim() - 1] = last;
  return shape;
}

// out [..., out] = epilogue(x [..., in] · weightᵀ)
template <class T, class Epilogue = NoEpilogue>
void forward_product(const Tensor& x, const Tensor& weight, Tensor& out, Epilogue&& epilogue = {}) {
  detail::weight_product<T>(x, weight, true, out, epilogue);
}

// dx [..., in] = epilogue(dy [..., out] · weight)
template <class T, class Epilogue = NoEpilogue>
void data_gradient_product(const Tensor& dy, const Tensor& weight, Tensor& dx, Epilogue&& epilogue = {}) {
  detail::weight_product<T>(dy, weight, false, dx, epilogue);
}

// dw [out, in] = or += dyᵀ · x
template <class T>
void weight_gradient_product(const Tensor& dy, const Tensor& x, Tensor& dw, bool accumulate) {
  const MatrixOperand a = rows_operand(dy), b = rows_operand(x);
  const int64_t out = dy.size(-1), in = x.size(-1), ldc = std::max<int64_t>(1, in);
  if constexpr (std::is_same_v<T, bf16>)
    multiply({.m = out,
              .n = in,
              .k = row_count(x),
              .left = {.data = a.tensor.data<bf16>(), .dtype = DType::bf16, .ld = a.ld, .transpose = true},
              .right = {.data = b.tensor.data<bf16>(), .dtype = DType::bf16, .ld = b.ld},
              .c = dw.mutable_data<float>(),
              .c_dtype = DType::f32,
              .ldc = ldc,
              .accumulate = accumulate});
  else
    gemm<T>({.m = out,
             .n = in,
             .k = row_count(x),
             .a = a.tensor.data<T>(),
             .lda = a.ld,
             .transpose_a = true,
             .b = b.tensor.data<T>(),
             .ldb = b.ld,
             .c = dw.mutable_data<T>(),
             .ldc = ldc,
             .beta = accumulate ? T{1} : T{0}});
}

}  // namespace tessera::ops
