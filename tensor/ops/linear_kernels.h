// The kernels of tensor/ops/linear.h and mlp.h beside products (tensor/gemm/gemm_kernels.h) and
// activations (elementwise_kernels.h). T is float or bf16.
#pragma once

#include <cstdint>

#include "tensor/dtype.h"
#include "tensor/ops/activation_function.h"
#include "tensor/philox.h"

namespace tessera::cuda {

// Sums over rows are formed in two stages, so that they depend on sizes alone: each block sums a range of rows,
// [ranges, columns] in the workspace; then the ranges are added in order. f32 elements of workspace:
int64_t column_workspace(int64_t rows, int64_t columns);

// sums [columns] = or += Σ over the rows of x [rows, columns], which lie ld elements apart.
template <class T>
void column_sums(const T* x, int64_t ld, float* sums, bool accumulate, float* workspace, int64_t rows, int64_t columns);

// The gradient of dropout(f(a)), a [rows, columns], in one pass: da = dropout(dy) f'(a); what dropout(f(a)) was goes to
// `hidden`, Σ over rows of da (before it is rounded) to `sums` or is added there; both may be null. da may be dy.
template <class T>
void activation_dropout_gradient(Activation f, const T* dy, const T* before, T* da, T* hidden, float* sums,
                                 bool accumulate, float* workspace, int64_t rows, int64_t columns, double p,
                                 const Ticket& ticket);

void round_to_bf16(const float* x, bf16* y, int64_t count);

}  // namespace tessera::cuda
