// The kernels of tensor/ops/max_pool2d.h: x [planes, input], y and dy [planes, output]. T is float or bf16.
#pragma once

#include <cstdint>

#include "tensor/ops/window2d.h"

namespace tessera::cuda {

template <class T>
void max_pool2d(const T* x, const ops::Windows2d& windows, T* y, int64_t planes);
template <class T>
void max_pool2d_backward(const T* dy, const T* x, const ops::Windows2d& windows, T* dx, int64_t planes);

}  // namespace tessera::cuda
