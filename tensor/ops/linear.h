// y = x Wᵀ + b, and the same followed by GELU.
//
//   x [..., in], weight [out, in], bias [out] or undefined, y [..., out]; with x and y as matrices of `tokens` rows:
//   dx = dy W,  dW = dyᵀ x,  db = Σ_tokens dy.
//
// x may be a matrix with any distance between its rows, and weight may be transposed: both are read in place (in bf16 a
// transposed weight is copied in every call).
//
// f32, f64, and bf16 with f32 weights, biases and their gradients: then weights are rounded to bf16 (once per update:
// tensor/gemm/packed/weight_copies.h), sums are f32, and y, `before`, dx and da are rounded when they are stored; y is
// GELU of the rounded `before`. Errors name the shapes.
//
// On a CPU, db of at most 16 outputs of f32, as heads have, is summed in f64.
//
// On a GPU (f32 and bf16) biases beside bf16 activations are rounded to bf16 too: cuBLASLt adds no other ones, and to
// add them afterwards would round twice. That errs by up to 2⁻⁹ of the bias, where rounding the weights errs by as much
// of each term.
#pragma once

#include "tensor/tensor.h"

namespace tessera::ops {

// Throws unless x [..., in], weight [out, in] and bias [out] or undefined fit each other.
void check_linear(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias);

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias);

struct LinearGelu {
  Tensor y;       // a Φ(a)
  Tensor before;  // a = x Wᵀ + b
};
LinearGelu linear_gelu(const Tensor& x, const Tensor& weight, const Tensor& bias);

// dx [..., in] of dy [..., out].
Tensor linear_data_gradient(const Tensor& dy, const Tensor& weight);
// dW [out, in], written to `dw` (contiguous) or added to it.
void linear_weight_gradient_(Tensor& dw, const Tensor& dy, const Tensor& x, bool accumulate);
// Σ over all dimensions but the last, written to `sums` [columns] or added to it.
void column_sums_(Tensor& sums, const Tensor& x, bool accumulate);
// da = dy (Φ(a) + a φ(a)), and in the same pass its column sums, the bias gradient, unless `db` is undefined.
Tensor gelu_gradient(const Tensor& dy, const Tensor& before, Tensor db, bool accumulate);

}  // namespace tessera::ops
