// The kernels of tensor/ops/avg_pool2d.h: x [planes, input], y and dy [planes, output]. T is float or bf16.
#pragma once

#include <cstdint>

#include "tensor/ops/avg_pool2d.h"

namespace tessera::cuda {

template <class T>
void mean_pool2d(const T* x, const ops::MeanSide& rows, const ops::MeanSide& columns, T* y, int64_t planes);
template <class T>
void mean_pool2d_backward(const T* dy, const ops::MeanSide& rows, const ops::MeanSide& columns, T* dx, int64_t planes);

}  // namespace tessera::cuda
