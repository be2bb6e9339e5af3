// The kernels of tensor/ops/batch_norm.h: x, y, dy, dx [images, channels, plane] of T, float or bf16; the others
// [channels] of f32.
#pragma once

#include <cstdint>

namespace tessera::cuda {

struct BatchNormSizes {
  int64_t images, channels, plane;
  float eps;
};

// By the batch's statistics, which are written.
template <class T>
void batch_norm(const T* x, const float* weight, const float* bias, T* y, float* mean, float* variance,
                const BatchNormSizes& sizes);
template <class T>
void batch_norm_given(const T* x, const float* weight, const float* bias, const float* mean, const float* variance,
                      T* y, const BatchNormSizes& sizes);
// dweight and dbias may be null; the flags say whether they are added to.
template <class T>
void batch_norm_backward(const T* dy, const T* x, const float* weight, const float* mean, const float* variance,
                         bool of_batch, T* dx, float* dweight, bool accumulate_weight, float* dbias,
                         bool accumulate_bias, const BatchNormSizes& sizes);

}  // namespace tessera::cuda
