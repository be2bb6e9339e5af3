// The three products of a linear layer on a GPU (tensor/ops/linear.h), on tensors. f32, or bf16 with f32 weights, whose
// bf16 copies are used (bf16_copies.h); anything else is an error that names `op`.
#pragma once

#include <span>

#include "tensor/tensor.h"

namespace tessera::cuda {

// y [..., out] = x [..., in] · weightᵀ + bias; the bias may be undefined, and is rounded to bf16 beside bf16
// activations.
void forward_product(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias, Tensor& y);
// dx [..., in] = dy [..., out] · weight
void data_gradient_product(const char* op, const Tensor& dy, const Tensor& weight, Tensor& dx);
// dw [out, in] = or += dyᵀ · x
void weight_gradient_product(const char* op, const Tensor& dy, const Tensor& x, Tensor& dw, bool accumulate);

// y [count, m, n], contiguous: item i is the product of the matrices (the last two dimensions) of a and b, any strides,
// that begin offset_a[i] and offset_b[i] elements after the first ones.
void batched_product(const char* op, const Tensor& a, std::span<const int64_t> offset_a, const Tensor& b,
                     std::span<const int64_t> offset_b, Tensor& y);

}  // namespace tessera::cuda
