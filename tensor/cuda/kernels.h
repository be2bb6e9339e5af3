// Entry points of the CUDA kernels, the same for the GPU and for the emulation. Formulas and shapes are those of the ops'
// headers, beside which the kernels lie: tensor/ops/layer_norm.cu belongs to tensor/ops/layer_norm.h. Here tensors are
// pointers to row-major arrays in the GPU's memory; nothing is checked but what a kernel cannot do.
//
// T is float or bf16. Parameters, statistics and gradients of parameters are f32, arithmetic is f32, and a result is rounded
// once, when it is stored. Nothing depends on the order in which threads or blocks run. A workspace may be overwritten.
#pragma once

#include <cstdint>

#include "tensor/cuda/stream.h"
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
void layer_norm(const T* x, const float* weight, const float* bias, T* y, float* mean, float* rstd, int64_t rows, int64_t d,
                float eps, Stream stream = {});
template <class T>
void layer_norm_backward(const T* dy, const T* x, const float* weight, const float* mean, const float* rstd, T* dx,
                         const ParameterTargets& targets, float* workspace, int64_t rows, int64_t d, Stream stream = {});

}  // namespace tessera::cuda
