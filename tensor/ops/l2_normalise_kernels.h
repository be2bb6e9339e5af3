// The kernels of tensor/ops/l2_normalise.h.
#pragma once

#include <cstdint>

#include "tensor/dtype.h"

namespace tessera::cuda {

// x, y, dy, dx [rows, d], norm [rows].
template <class T>
void l2_normalise(const T* x, T* y, float* norm, int64_t rows, int64_t d, float eps);
template <class T>
void l2_normalise_backward(const T* dy, const T* y, const float* norm, T* dx, int64_t rows, int64_t d, float eps);

}  // namespace tessera::cuda
