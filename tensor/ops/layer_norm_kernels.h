// The kernels of tensor/ops/layer_norm.h.
#pragma once

#include <cstdint>

#include "tensor/dtype.h"
#include "tensor/philox.h"

namespace tessera::cuda {

// Where the gradients of a weight and a bias go, [d] each: null = not needed; added to or overwritten.
struct ParameterTargets {
  float *dweight = nullptr, *dbias = nullptr;
  bool accumulate_weight = false, accumulate_bias = false;
};
// f32 elements of workspace for the gradients of a weight and a bias [d] that are summed over rows.
int64_t parameter_workspace(int64_t rows, int64_t d);

// x, y [rows, d], weight, bias [d], mean [rows, 2], rstd [rows].
template <class T>
void layer_norm(const T* x, const float* weight, const float* bias, T* y, float* mean, float* rstd, int64_t rows,
                int64_t d, float eps);
template <class T>
void layer_norm_backward(const T* dy, const T* x, const float* weight, const float* mean, const float* rstd, T* dx,
                         const ParameterTargets& targets, float* workspace, int64_t rows, int64_t d);

// x, residual, sum, normalised [rows, d]; the rest as of layer_norm.
template <class T>
void dropout_add_layer_norm(const T* x, const T* residual, const float* weight, const float* bias, T* sum,
                            T* normalised, float* mean, float* rstd, int64_t rows, int64_t d, float eps, double p,
                            const Ticket& ticket);
// d_sum may be null; dx is not touched if p = 0 (it is d_residual then). d_normalised is needed: without it d_residual
// is d_sum, and dx dropout(d_sum).
template <class T>
void dropout_add_layer_norm_backward(const T* d_sum, const T* d_normalised, const T* sum, const float* weight,
                                     const float* mean, const float* rstd, T* dx, T* d_residual,
                                     const ParameterTargets& targets, float* workspace, int64_t rows, int64_t d,
                                     double p, const Ticket& ticket);

}  // namespace tessera::cuda
